//! A binary cache on this machine: files that `nix copy` exports, and a server that hands them out.
#![allow(dead_code)] // Each test program uses its own share of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::Nix;

/// A folder that is handed out over HTTP for as long as the test runs.
pub struct Server {
    pub dir: TempDir,
    pub url: String,
}

impl Server {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = dir.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let root = root.clone();
                std::thread::spawn(move || answer(&root, &stream.unwrap()));
            }
        });
        Self { dir, url }
    }

    pub fn nars(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("nar")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The narinfo of a store path.
    pub fn narinfo(&self, path: &str) -> PathBuf {
        let hash = &path["/nix/store/".len()..][..32];
        self.dir.path().join(format!("{hash}.narinfo"))
    }
}

/// One request a connection. Whoever hangs up has enough.
fn answer(root: &Path, mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    for line in lines.by_ref() {
        if line.map_or(true, |line| line.is_empty()) {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
    let (status, body) = match std::fs::read(root.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    if !request.starts_with("HEAD") {
        let _ = stream.write_all(&body);
    }
}

pub struct Key {
    pub secret: PathBuf,
    pub public: String,
}

pub fn key(nix: &Nix, dir: &Path, name: &str) -> Key {
    let mut make = nix.command();
    make.args(["key", "generate-secret", "--key-name", name]);
    let secret = dir.join(name);
    std::fs::write(&secret, make.output().unwrap().stdout).unwrap();
    let mut convert = nix.command();
    convert.args(["key", "convert-secret-to-public"]);
    convert.stdin(std::fs::File::open(&secret).unwrap());
    Key {
        secret,
        public: String::from_utf8(convert.output().unwrap().stdout).unwrap(),
    }
}

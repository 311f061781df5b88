//! A host without a virtual machine: a name space with an empty store, a user `deploy`, sshd on 127.0.0.1, and the
//! guard's service as root. Everything of it ends with the test.

// Each test program uses a part of it.
#![allow(dead_code)]

pub mod client;
pub mod host;
pub mod releases;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where everything of the test lies, on a file system of its own.
pub const PLACE: &str = "/nix/test";
const INSIDE: &str = "SLIPWAY_GUARD_TEST_INSIDE";

/// Tells why a test is not run; the count of `cargo xtask test` shows it.
pub fn skip(why: &str) {
    println!("skip: {why}");
}

/// Runs a test again in name spaces of its own.
pub fn in_a_host_of_its_own(test: &str, body: fn(&host::Host)) {
    if std::env::var_os(INSIDE).is_some() {
        let host = host::Host::new();
        body(&host);
        return;
    }
    let nix = match nix() {
        Ok(nix) => nix,
        Err(why) => return skip(&why),
    };
    let me = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["--propagation", "private", "--"])
        .arg(me)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("SLIPWAY_TEST_NIX", nix)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its name space");
}

fn nix() -> Result<PathBuf, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("name spaces, and users in them, take root".to_owned());
    }
    for program in [
        "unshare",
        "/usr/sbin/sshd",
        "ssh",
        "ssh-keygen",
        "ip",
        "mount",
    ] {
        if find(program).is_none() {
            return Err(format!("no {program} here"));
        }
    }
    let provided = std::env::var_os("SLIPWAY_TEST_NIX").map(PathBuf::from);
    let nix = provided
        .or_else(|| find("nix"))
        .ok_or("no Nix: neither SLIPWAY_TEST_NIX nor one on PATH")?;
    if nix.canonicalize().is_ok_and(|nix| nix.starts_with("/nix")) {
        return Err("this Nix lies in the store that the test lays another one over".to_owned());
    }
    Ok(nix)
}

pub fn find(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Path::new(program).exists().then(|| program.into());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut places = path.split(':').chain(["/usr/sbin", "/sbin"]);
    let file = |folder: &str| Some(Path::new(folder).join(program)).filter(|file| file.exists());
    places.find_map(file)
}

/// Runs it, and it must succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn write(path: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = Path::new(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Asks again until it holds.
pub fn until(what: &str, seconds: u64, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(
            begun.elapsed().as_secs() < seconds,
            "not within {seconds} s: {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

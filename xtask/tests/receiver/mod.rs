//! Whom Alertmanager tells, and on the side the fleet's binary cache, as far as hosts ask whether it is there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver as Channel, Sender};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub struct Receiver {
    pub url: String,
    heard: Channel<String>,
    is_cache: Arc<AtomicBool>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, heard) = channel();
        let is_cache = Arc::new(AtomicBool::new(true));
        let shared = is_cache.clone();
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &tell, shared.load(Ordering::SeqCst));
            }
        });
        Self {
            url,
            heard,
            is_cache,
        }
    }

    /// Whether it says that it is a binary cache.
    pub fn answer_as_cache(&self, yes: bool) {
        self.is_cache.store(yes, Ordering::SeqCst);
    }

    /// The next alert that it was told of: `firing NAME HOST in wave N`.
    pub fn next(&self) -> Option<String> {
        self.heard.recv_timeout(Duration::from_secs(60)).ok()
    }

    pub fn is_quiet(&self) -> bool {
        self.heard.recv_timeout(Duration::from_secs(3)).is_err()
    }
}

fn serve(stream: TcpStream, tell: &Sender<String>, is_cache: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = match request.split(' ').nth(1) {
        Some("/alerts") => {
            for alert in alerts(&body) {
                // Nobody listens any more when the test has ended.
                let _ = tell.send(alert);
            }
            "200 OK"
        }
        Some("/nix-cache-info") if is_cache => "200 OK",
        _ => "404 Not Found",
    };
    let text = "StoreDir: /nix/store\n";
    write!(
        reader.get_mut(),
        "HTTP/1.1 {answer}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn alerts(body: &[u8]) -> Vec<String> {
    let message: Value = serde_json::from_slice(body).unwrap();
    let alerts = message["alerts"].as_array().unwrap();
    let word = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let of = |alert: &Value| {
        let labels = &alert["labels"];
        let about = match labels.get("url") {
            Some(url) => word(url),
            None => format!(
                "{} in wave {}",
                word(&labels["host"]),
                word(&labels["wave"])
            ),
        };
        format!(
            "{} {} {about}",
            word(&alert["status"]),
            word(&labels["alertname"])
        )
    };
    alerts.iter().map(of).collect()
}

//! Who is told of a deployment to a host on this machine (tests/loopback).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use loopback::outcomes::of_deployment as outcomes;
use loopback::{Loopback, DEPLOY};
use support::transcript;

/// The next request to a server on this machine, answered with 200.
fn heard(server: &std::net::TcpListener) -> String {
    use std::io::{Read, Write};
    let (mut stream, _) = server.accept().unwrap();
    let mut text = String::new();
    let mut bytes = [0; 65536];
    loop {
        let count = stream.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if let (Some(length), Some(body)) = (length, body) {
            if body >= length.trim().parse().unwrap() {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                return text;
            }
        }
    }
}

#[test]
fn listeners_are_told_and_a_deaf_one_changes_nothing() {
    let Some(mut lab) = Loopback::new(&[("A", 0)]) else {
        return;
    };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    lab.notify(
        "A",
        &format!(
            "{{ deaf = {{ kind = \"webhook\"; url = \"http://127.0.0.1:1/\"; }}; phone = {{ kind = \"ntfy\"; url = \"http://{address}/fleet\"; }}; hook = {{ kind = \"webhook\"; url = \"http://{address}/hook\"; }}; }}"
        ),
    );
    lab.commit("second");
    let listening = std::thread::spawn(move || [heard(&server), heard(&server)]);
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed", "{}", transcript(&output));
    assert!(transcript(&output).contains("warning: cannot tell http://127.0.0.1:1/"));
    let [hook, phone] = listening.join().unwrap();
    assert!(hook.starts_with("POST /hook "), "{hook}");
    let (_, body) = hook.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(schema::complaints("deployment", &told), [""; 0]);
    assert!(
        phone.starts_with("POST /fleet ") && phone.contains("Title: deployed main\r\n"),
        "{phone}"
    );
    assert!(phone.ends_with("\r\n\r\nA: deployed\n"), "{phone}");
}

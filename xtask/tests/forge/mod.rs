//! A forge that says what it is told to, and remembers what it was asked.
//! Unit tests include this file too: it uses nothing of a crate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long it waits for the next request: with hosts to build, that takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Stands in for the forge: answers each request in turn, and comes back with what was asked, be it less than expected.
pub fn forge(answers: Vec<impl Into<String>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let api = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let started = Instant::now();
            let stream = loop {
                match listener.accept() {
                    Ok((stream, _)) => break stream,
                    Err(_) if started.elapsed() > PATIENCE => return asked,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            stream.set_nonblocking(false).unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let header = |name: &str| {
                let line = head.lines().find(|line| line.starts_with(name));
                line.map(|line| line[name.len()..].to_owned())
            };
            let length = header("Content-Length: ").map_or(0, |it| it.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let first = head.lines().next().unwrap();
            let who = header("Authorization: ").unwrap();
            let body = String::from_utf8(body).unwrap();
            asked.push(format!("{first} ({who}) {body}").trim_end().to_owned());
            let (status, body) = answer.split_once(' ').unwrap();
            let length = body.len();
            write!(&stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
        }
        asked
    });
    (api, thread)
}

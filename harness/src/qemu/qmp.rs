//! QEMU's monitor protocol: one request at a time, and the events that came meanwhile.
//! Knows the protocol, not what is done with it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

/// QEMU answers at once unless it is starved; this is host time.
const ANSWER: Duration = Duration::from_secs(60);

/// What happened to the machine, in QEMU's words (`RESET`, `SHUTDOWN`, `GUEST_PANICKED`, …).
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// Such as `guest-reset` or `host-qmp-system-reset`.
    pub reason: Option<String>,
    /// When the harness heard of it.
    pub at: Instant,
}

enum Message {
    Answer(std::result::Result<Value, String>),
    Event(Event),
    Other,
}

fn parse(line: &str) -> std::result::Result<Message, serde_json::Error> {
    let mut value: Value = serde_json::from_str(line)?;
    if let Some(error) = value.get("error") {
        let text = error.get("desc").and_then(Value::as_str);
        return Ok(Message::Answer(Err(text
            .unwrap_or("no description")
            .to_owned())));
    }
    if let Some(answer) = value.get_mut("return") {
        return Ok(Message::Answer(Ok(answer.take())));
    }
    if let Some(name) = value.get("event").and_then(Value::as_str) {
        return Ok(Message::Event(Event {
            name: name.to_owned(),
            reason: value
                .pointer("/data/reason")
                .and_then(Value::as_str)
                .map(str::to_owned),
            at: Instant::now(),
        }));
    }
    Ok(Message::Other)
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Event>,
    closed: bool,
}

#[derive(Debug)]
struct Line {
    writer: UnixStream,
    answers: Receiver<std::result::Result<Value, String>>,
}

/// A connection to one QEMU. The reader's thread ends when QEMU closes the socket.
#[derive(Debug)]
pub(crate) struct Qmp {
    line: Mutex<Line>,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Qmp {
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).map_err(|e| Error::io("connect to", socket, e))?;
        let reader = stream
            .try_clone()
            .map_err(|e| Error::io("connect to", socket, e))?;
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let (answer, answers) = mpsc::channel();
        let listener = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { break };
                match parse(&line) {
                    // Nobody waits any more: the machine's owner is gone.
                    Ok(Message::Answer(value)) => drop(answer.send(value)),
                    Ok(Message::Event(event)) => {
                        lock(&listener.0).events.push(event);
                        listener.1.notify_all();
                    }
                    Ok(Message::Other) | Err(_) => (),
                }
            }
            lock(&listener.0).closed = true;
            listener.1.notify_all();
        });
        let qmp = Self {
            line: Mutex::new(Line {
                writer: stream,
                answers,
            }),
            heard,
        };
        qmp.ask("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// One command and its answer.
    ///
    /// # Errors
    /// `Refused` with QEMU's words; `MachineDied` when the connection closed; `Busy`.
    pub fn ask(&self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = lock(&self.line);
        let gone = || {
            Error::new(
                ErrorKind::MachineDied,
                format!("QEMU closed its monitor at `{command}`"),
            )
        };
        // An answer that came after its question was given up belongs to nobody.
        while line.answers.try_recv().is_ok() {}
        let request = json!({ "execute": command, "arguments": arguments });
        line.writer
            .write_all(format!("{request}\n").as_bytes())
            .map_err(|_| gone())?;
        match line.answers.recv_timeout(ANSWER) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(text)) => Err(Error::new(
                ErrorKind::Refused,
                format!("QEMU refused `{command}`: {text}"),
            )),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "QEMU did not answer `{command}` within {} s",
                    ANSWER.as_secs()
                ),
            )),
        }
    }

    /// How many events came so far: a mark for `event_since`.
    pub fn mark(&self) -> usize {
        lock(&self.heard.0).events.len()
    }

    pub fn events(&self) -> Vec<Event> {
        lock(&self.heard.0).events.clone()
    }

    /// The first event of one of these names after the mark; waits for it `within` (host time).
    pub fn event_since(&self, mark: usize, names: &[&str], within: Duration) -> Option<Event> {
        let deadline = Instant::now() + within;
        let mut heard = lock(&self.heard.0);
        loop {
            let fresh = heard.events.iter().skip(mark);
            if let Some(event) = fresh.clone().find(|e| names.contains(&e.name.as_str())) {
                return Some(event.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || heard.closed {
                return None;
            }
            heard = self
                .heard
                .1
                .wait_timeout(heard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn lines_are_told_apart() {
        let event = r#"{"timestamp":{"seconds":1},"event":"RESET","data":{"guest":true,"reason":"guest-reset"}}"#;
        match parse(event).unwrap() {
            Message::Event(event) => {
                assert_eq!(event.name, "RESET");
                assert_eq!(event.reason.as_deref(), Some("guest-reset"));
            }
            _ => panic!("not an event"),
        }
        assert!(matches!(
            parse(r#"{"error":{"class":"GenericError","desc":"no such node"}}"#).unwrap(),
            Message::Answer(Err(text)) if text == "no such node"
        ));
        assert!(matches!(
            parse(r#"{"QMP":{"version":{}}}"#).unwrap(),
            Message::Other
        ));
        assert!(parse("garbage").is_err());
    }

    /// A monitor that greets, accepts the capabilities, then says `lines` and closes.
    fn monitor(lines: &'static [&'static str]) -> (tempfile::TempDir, Qmp) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut writer = stream;
            let mut line = String::new();
            writer.write_all(b"{\"QMP\":{}}\n").unwrap();
            reader.read_line(&mut line).unwrap();
            writer.write_all(b"{\"return\":{}}\n").unwrap();
            reader.read_line(&mut line).unwrap();
            for line in lines {
                writer.write_all(line.as_bytes()).unwrap();
                writer.write_all(b"\n").unwrap();
            }
        });
        let qmp = Qmp::connect(&socket).unwrap();
        (dir, qmp)
    }

    #[test]
    fn events_between_question_and_answer_are_kept() {
        let (_dir, qmp) = monitor(&[
            r#"{"event":"STOP"}"#,
            r#"{"return":{"status":"paused"}}"#,
            r#"{"event":"SHUTDOWN","data":{"reason":"guest-shutdown"}}"#,
        ]);
        let answer = qmp.ask("query-status", json!({})).unwrap();
        assert_eq!(answer["status"], "paused");
        let event = qmp.event_since(0, &["SHUTDOWN"], Duration::from_secs(5));
        assert_eq!(event.unwrap().reason.as_deref(), Some("guest-shutdown"));
        assert!(qmp
            .event_since(2, &["STOP"], Duration::from_millis(50))
            .is_none());
    }

    #[test]
    fn a_qemu_that_dies_is_an_error_and_not_an_answer() {
        let (_dir, qmp) = monitor(&[]);
        let error = qmp.ask("query-status", json!({})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MachineDied);
        assert!(error.to_string().contains("`query-status`"));
    }
}

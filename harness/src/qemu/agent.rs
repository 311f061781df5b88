//! The guest agent: commands in the guest over a virtio channel, whatever its network does.
//! Knows the protocol and its traps (answers of an earlier question, a guest that reboots in between).

use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

/// A connection that is made when it is needed and made again after it broke.
#[derive(Debug)]
pub(crate) struct Agent {
    socket: PathBuf,
    link: Mutex<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// The last question was given up: its answer may still come.
    stale: bool,
    questions: u64,
}

/// How far a command got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Ended {
        code: i32,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    },
}

impl Agent {
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            link: Mutex::new(None),
        }
    }

    /// Whether the agent answers `within` (host time).
    pub fn answers(&self, within: Duration) -> bool {
        self.ask("guest-ping", json!({}), within).is_ok()
    }

    /// Starts a program in the guest, as root, and gives its process id there.
    pub fn start(
        &self,
        argv: &[String],
        env: &[(String, String)],
        stdin: &[u8],
        within: Duration,
    ) -> Result<i64> {
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| Error::new(ErrorKind::Command, "an empty command cannot be run"))?;
        let env: Vec<String> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut request = json!({
            "path": program,
            "arg": arguments,
            "capture-output": true,
            "input-data": BASE64_STANDARD.encode(stdin),
        });
        if !env.is_empty() {
            request["env"] = json!(env);
        }
        let answer = self.ask("guest-exec", request, within)?;
        answer["pid"]
            .as_i64()
            .ok_or_else(|| Error::new(ErrorKind::Refused, "the guest agent gave no process id"))
    }

    /// Asks once how a program is doing; the answer that it ended is given only once.
    pub fn progress(&self, pid: i64, within: Duration) -> Result<Progress> {
        let answer = self.ask("guest-exec-status", json!({ "pid": pid }), within)?;
        status(&answer)
    }

    fn ask(&self, command: &str, arguments: Value, within: Duration) -> Result<Value> {
        let mut held = lock(&self.link);
        if held.is_none() {
            *held = Some(Link::connect(&self.socket)?);
        }
        let Some(link) = held.as_mut() else {
            return Err(silent(command));
        };
        match link.ask(command, &arguments, Instant::now() + within) {
            Err(error) if error.kind() == ErrorKind::MachineDied => {
                *held = None;
                Err(error)
            }
            other => other,
        }
    }
}

impl Link {
    fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).map_err(|e| Error::io("connect to", socket, e))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            stale: true,
            questions: 0,
        })
    }

    fn ask(&mut self, command: &str, arguments: &Value, deadline: Instant) -> Result<Value> {
        if self.stale {
            self.synchronise(deadline)?;
        }
        self.stale = true;
        let request = json!({ "execute": command, "arguments": arguments });
        self.send(format!("{request}\n").as_bytes(), deadline)?;
        let answer = self.line(deadline)?;
        self.stale = false;
        answer_of(command, &answer)
    }

    /// Skips whatever was left over: a byte that ends any half request, then a question with a number.
    fn synchronise(&mut self, deadline: Instant) -> Result<()> {
        self.questions += 1;
        let id = u64::from(std::process::id()) << 20 | self.questions;
        let request = json!({ "execute": "guest-sync", "arguments": { "id": id } });
        let mut bytes = vec![0xff];
        bytes.extend_from_slice(format!("{request}\n").as_bytes());
        self.send(&bytes, deadline)?;
        loop {
            let line = self.line(deadline)?;
            let answer: Value = serde_json::from_str(&line).unwrap_or_default();
            if answer["return"].as_u64() == Some(id) {
                self.stale = false;
                return Ok(());
            }
        }
    }

    fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.stream
            .set_write_timeout(Some(left.max(Duration::from_millis(1))))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(broken)
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(silent("a question"));
            }
            let mut chunk = [0u8; 65536];
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut chunk));
            match read {
                Ok(0) => return Err(broken(IoKind::UnexpectedEof.into())),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == IoKind::Interrupted => (),
                Err(error) => return Err(broken(error)),
            }
        }
    }
}

fn silent(command: &str) -> Error {
    Error::new(
        ErrorKind::TimedOut,
        format!("the guest agent did not answer {command}"),
    )
}

fn broken(error: std::io::Error) -> Error {
    match error.kind() {
        IoKind::WouldBlock | IoKind::TimedOut => silent("in time"),
        _ => Error::new(
            ErrorKind::MachineDied,
            format!("the channel to the guest agent closed: {error}"),
        ),
    }
}

fn answer_of(command: &str, line: &str) -> Result<Value> {
    let mut answer: Value = serde_json::from_str(line).map_err(|e| {
        Error::new(
            ErrorKind::Refused,
            format!("the guest agent answered `{command}` with something unreadable: {e}"),
        )
    })?;
    if let Some(text) = answer.pointer("/error/desc").and_then(Value::as_str) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("the guest agent refused `{command}`: {text}"),
        ));
    }
    Ok(answer["return"].take())
}

fn status(answer: &Value) -> Result<Progress> {
    if answer["exited"].as_bool() != Some(true) {
        return Ok(Progress::Running);
    }
    for field in ["out-truncated", "err-truncated"] {
        if answer[field].as_bool() == Some(true) {
            return Err(Error::new(
                ErrorKind::Command,
                "the command wrote more than the 16 MiB that the guest agent keeps",
            )
            .try_next("write it to a file in the guest"));
        }
    }
    let bytes = |field: &str| {
        BASE64_STANDARD
            .decode(answer[field].as_str().unwrap_or_default())
            .map_err(|e| {
                Error::new(
                    ErrorKind::Refused,
                    format!("the guest agent sent broken base64: {e}"),
                )
            })
    };
    // A signal is never a pass.
    let code = match (answer["exitcode"].as_i64(), answer["signal"].as_i64()) {
        (Some(code), _) => i32::try_from(code).unwrap_or(-1),
        (None, Some(signal)) => 128 + i32::try_from(signal).unwrap_or(0),
        (None, None) => -1,
    };
    Ok(Progress::Ended {
        code,
        stdout: bytes("out-data")?,
        stderr: bytes("err-data")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    #[test]
    fn how_a_program_ended_is_read_from_the_answer() {
        let ended = status(&json!({"exited": true, "exitcode": 3, "out-data": "b2s="})).unwrap();
        assert_eq!(
            ended,
            Progress::Ended {
                code: 3,
                stdout: b"ok".to_vec(),
                stderr: vec![]
            }
        );
        assert_eq!(
            status(&json!({"exited": false})).unwrap(),
            Progress::Running
        );
        let killed = status(&json!({"exited": true, "signal": 9})).unwrap();
        assert!(matches!(killed, Progress::Ended { code: 137, .. }));
        assert!(status(&json!({"exited": true, "exitcode": 0, "out-truncated": true})).is_err());
    }

    #[test]
    fn a_refusal_has_the_agents_words() {
        let error = answer_of("guest-exec", r#"{"error":{"desc":"No such file"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the guest agent refused `guest-exec`: No such file"
        );
    }

    #[test]
    fn answers_of_an_earlier_question_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut writer = stream.try_clone().unwrap();
            for line in BufReader::new(stream).split(b'\n') {
                let line: Vec<u8> = line.unwrap().into_iter().filter(u8::is_ascii).collect();
                let request: Value = serde_json::from_slice(&line).unwrap();
                let answer = match request["execute"].as_str().unwrap() {
                    "guest-sync" => {
                        writer.write_all(b"{\"return\":{\"pid\":1}}\n").unwrap();
                        json!({ "return": request["arguments"]["id"] })
                    }
                    _ => json!({ "return": { "pid": 42 } }),
                };
                writer.write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
        });
        let agent = Agent::new(socket);
        let pid = agent.start(&["true".into()], &[], b"", Duration::from_secs(5));
        assert_eq!(pid.unwrap(), 42);
    }

    #[test]
    fn an_agent_that_is_silent_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let _listener = UnixListener::bind(&socket).unwrap();
        let agent = Agent::new(socket);
        assert!(!agent.answers(Duration::from_millis(100)));
    }
}

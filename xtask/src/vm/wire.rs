//! What a holder and the commands say to each other: JSON, a line each. A holder tells its starter how far it is
//! (`Event`, on a pipe), and answers whoever asks (`Ask`, on its socket).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::name::Name;
use super::place::{Port, State};
use crate::failure::Failure;
use crate::scenarios::image::Programs;

/// What a holder is to hold; the first line that it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub name: Name,
    pub source: Origin,
    pub forwards: Vec<Port>,
    /// The harness's tools and cache.
    pub tools: PathBuf,
    pub cache: PathBuf,
}

/// Where its disk comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A configuration, installed on a new disk.
    New(New),
    /// The disk that the host had when it was stopped.
    Itself,
    /// A copy of what a failed play left.
    Copy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct New {
    /// Of the image.
    pub programs: Programs,
    pub toplevel: PathBuf,
    pub nix_bin: PathBuf,
    pub nix_conf: Option<PathBuf>,
    /// On the machines' network, without prefix length.
    pub address: String,
    pub notes: BTreeMap<String, String>,
}

/// What the starter writes once it knows that the machine is up. If the pipe closes before, nobody wants it.
pub const STAY: &str = "stay";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    Doing(String),
    /// It is up; `trouble` says what of it does not answer.
    Ready {
        state: State,
        trouble: Option<String>,
    },
    Failed(Refusal),
}

/// An error on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub message: String,
    pub next_step: Option<String>,
    /// Something is missing on this machine.
    pub missing: bool,
}

impl Refusal {
    pub fn failure(self) -> Failure {
        let failure = match self.missing {
            true => Failure::missing(self.message),
            false => Failure::failed(self.message),
        };
        match self.next_step {
            Some(next_step) => failure.try_next(next_step),
            None => failure,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    Status,
    /// A root shell on the serial console; it is the asker's until the connection closes.
    Console {
        terminal: String,
        rows: u16,
        columns: u16,
    },
    /// As root, over the guest agent.
    Run(Vec<String>),
    /// Off: as a person would switch it off, or by pulling the plug.
    Stop {
        hard: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Status {
        /// Resident, in bytes.
        memory: Option<u64>,
        running: bool,
    },
    Console {
        socket: PathBuf,
        log: PathBuf,
        /// Why there is no shell on it.
        bare: Option<String>,
    },
    Ran {
        code: i32,
        stdout: String,
        stderr: String,
    },
    /// It is off; not cleanly if `forced` says why.
    Stopped {
        forced: Option<String>,
    },
    Refused(Refusal),
}

/// A connection to a holder.
#[derive(Debug)]
pub struct Line {
    reader: BufReader<UnixStream>,
}

impl Line {
    /// # Errors
    /// If nobody answers there.
    pub fn connect(state: &State) -> Result<Self> {
        let stream = UnixStream::connect(&state.control).with_context(|| {
            format!(
                "the process {} that holds {} does not answer",
                state.pid, state.name
            )
        })?;
        Ok(Self::over(stream))
    }

    pub fn over(stream: UnixStream) -> Self {
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// # Errors
    /// If the holder refuses, ends, or does not answer `within`.
    pub fn ask(&mut self, ask: &Ask, within: Duration) -> Result<Answer> {
        self.reader.get_ref().set_read_timeout(Some(within))?;
        self.say(ask)?;
        match self.hear()? {
            Some(Answer::Refused(refusal)) => Err(refusal.failure().into()),
            Some(answer) => Ok(answer),
            None => bail!("the machine's holder ended"),
        }
    }

    /// # Errors
    /// If the other side is gone.
    pub fn say(&mut self, what: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(what)?;
        text.push(b'\n');
        self.reader
            .get_mut()
            .write_all(&text)
            .context("the other side of the connection is gone")
    }

    /// The next line; none when the other side closed.
    ///
    /// # Errors
    /// If it does not come in time, or is none of ours.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut line = String::new();
        let count = self
            .reader
            .read_line(&mut line)
            .context("the machine's holder does not answer")?;
        match count {
            0 => Ok(None),
            _ => Ok(Some(
                serde_json::from_str(&line)
                    .context("cannot read what the machine's holder says")?,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_answered_and_a_refusal_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        let holder = std::thread::spawn(move || {
            let mut line = Line::over(there);
            while let Some(ask) = line.hear::<Ask>().unwrap() {
                let answer = match ask {
                    Ask::Status => Answer::Status {
                        memory: Some(7),
                        running: true,
                    },
                    _ => Answer::Refused(Refusal {
                        message: "no".to_owned(),
                        next_step: Some("yes".to_owned()),
                        missing: true,
                    }),
                };
                line.say(&answer).unwrap();
            }
        });
        let mut line = Line::over(here);
        let second = Duration::from_secs(1);
        let status = line.ask(&Ask::Status, second).unwrap();
        assert!(matches!(
            status,
            Answer::Status {
                memory: Some(7),
                ..
            }
        ));
        let error = line.ask(&Ask::Stop { hard: false }, second).unwrap_err();
        assert_eq!(
            crate::failure::find(&error).unwrap().next_step(),
            Some("yes")
        );
        assert_eq!(
            crate::failure::exit_of(&error),
            crate::failure::Exit::Missing
        );
        drop(line);
        holder.join().unwrap();
    }
}

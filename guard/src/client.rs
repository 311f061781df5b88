//! The other end of the guard's socket: asks, prints what is answered, and goes on when the service starts again.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use serde::de::DeserializeOwned;

use crate::answer::Status;
use crate::command::{parse_words, Command};
use crate::refusal::{Refusal, EXIT_CODE};
use crate::wire::{write, Answer, Answers, Follow, Request};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// An activation may restart the service.
const RECONNECT_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How a conversation ended.
#[derive(Debug)]
pub enum Ended {
    Exit(i32),
    /// It was printed, too.
    Refused(Refusal),
}

/// Asks for `status`, as whoever runs this.
///
/// # Errors
/// If the service does not answer.
pub fn status(socket: &Path) -> Result<Status> {
    document(socket, &Request::of(["status"]))
}

/// Asks for what is answered with a document and nothing else.
///
/// # Errors
/// A `Refusal`, or if the service does not answer.
pub fn document<T: DeserializeOwned>(socket: &Path, request: &Request) -> Result<T> {
    let stream = UnixStream::connect(socket).context("the guard's socket is not open")?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let asked = write(&stream, request);
    let mut answers = Answers::new(stream);
    let mut why = "the guard hung up".to_owned();
    while let Some(answer) = answers.read()? {
        match answer {
            Answer::Document(text) => {
                return serde_json::from_str(&text).context("cannot read the guard's answer")
            }
            Answer::Refused(refusal) => return Err(refusal.into()),
            Answer::Note(text) => why = text,
            _ => (),
        }
    }
    asked?;
    bail!(why)
}

/// Asks, prints, and says what to exit with.
///
/// # Errors
/// If the service cannot be reached, or nobody reads what is printed.
pub fn talk(socket: &Path, request: &Request) -> Result<i32> {
    Ok(match converse(socket, request)? {
        Ended::Exit(code) => code,
        Ended::Refused(_) => EXIT_CODE,
    })
}

/// Asks, prints, and says how it ended.
///
/// # Errors
/// As `talk`.
pub fn converse(socket: &Path, request: &Request) -> Result<Ended> {
    let mut request = request.clone();
    let mut within = CONNECT_WITHIN;
    loop {
        let stream = connect(socket, within)?;
        // Whom the service refuses at once it does not listen to; what it says is there all the same.
        let asked = write(&stream, &request);
        match listen(stream, &mut request)? {
            Some(ended) => return Ok(ended),
            // An activation's output is taken up where it was, and whoever only waits waits on; what began is not begun
            // twice.
            None if request.follow.is_some() || waits(&request) => within = RECONNECT_WITHIN,
            None => {
                asked?;
                bail!("the guard hung up")
            }
        }
    }
}

/// Whether it changes nothing to ask once more: deploy-rs's waiter is there from before the activation, which may restart
/// the service.
fn waits(request: &Request) -> bool {
    matches!(
        parse_words(&request.words),
        Ok(Command::Wait { .. } | Command::Poll { .. })
    )
}

fn connect(socket: &Path, within: Duration) -> Result<UnixStream> {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > within => {
                return Err(error).context("the guard's service cannot be reached")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// How it ended; none if the service is gone.
fn listen(stream: UnixStream, request: &mut Request) -> Result<Option<Ended>> {
    let watched = stream.try_clone().context("cannot share the socket")?;
    let mut answers = Answers::new(stream);
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    loop {
        if !answers.has_more() && !readable(&watched)? {
            bail!("nobody reads what is answered");
        }
        let answer = match answers.read() {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(None),
            Err(_) if request.follow.is_some() || waits(request) => return Ok(None),
            Err(error) => return Err(error),
        };
        match answer {
            Answer::Began(id) => request.follow = Some(Follow { id, offset: 0 }),
            Answer::Log { text, offset } => {
                if let Some(follow) = &mut request.follow {
                    follow.offset = offset;
                }
                err.write_all(text.as_bytes())?;
            }
            Answer::Note(text) => writeln!(err, "{text}")?,
            Answer::Document(text) => {
                writeln!(out, "{text}")?;
                out.flush()?;
            }
            Answer::Refused(refusal) => {
                writeln!(err, "{refusal}")?;
                return Ok(Some(Ended::Refused(refusal)));
            }
            Answer::Exit(code) => return Ok(Some(Ended::Exit(code))),
        }
    }
}

/// Waits until there is something to read; `false`: whoever is to see it has gone.
fn readable(stream: &UnixStream) -> Result<bool> {
    let out = std::io::stdout();
    let mut fds = [
        PollFd::new(stream.as_fd(), PollFlags::POLLIN),
        // Only its end is of interest.
        PollFd::new(out.as_fd(), PollFlags::empty()),
    ];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => (),
            result => {
                result.context("cannot wait for the guard")?;
                break;
            }
        }
    }
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let left = fds[1].revents().is_some_and(|seen| seen.intersects(gone));
    let more = fds[0].revents().is_some_and(|seen| !seen.is_empty());
    Ok(more || !left)
}

/// Whether whoever was to read stdout has gone.
pub fn nobody_reads() -> bool {
    is_gone(std::io::stdout().as_fd())
}

/// Whether the other end of a connection has been closed.
pub fn is_gone(stream: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::POLLIN)];
    let ended = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    poll(&mut fds, PollTimeout::ZERO).is_err()
        || fds[0].revents().is_some_and(|seen| seen.intersects(ended))
}

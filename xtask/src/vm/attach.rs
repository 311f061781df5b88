//! A person's terminal on a machine's serial console: raw while attached, and as it was before at any end of this.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg, Termios};
use nix::unistd::{read, write};

use crate::failure::Failure;

/// Ctrl-], which telnet and `virsh console` take too.
const ESCAPE: u8 = 0x1d;
pub const ESCAPE_WORDS: &str = "Ctrl-]";

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    ByEscape,
    /// The machine is off, or the terminal is gone.
    Closed,
}

/// A terminal in raw mode, which is as it was before when this is dropped.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// # Errors
    /// Usage, if stdin or stdout is no terminal.
    pub fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !std::io::stdout().is_terminal() {
            return Err(Failure::usage("a console needs a terminal")
                .try_next("cargo xtask vm shell NAME -- COMMAND, for scripts")
                .into());
        }
        let before = tcgetattr(&stdin).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("cannot set the terminal")?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Rows and columns of the terminal; of a usual one if it does not say.
pub fn size() -> (u16, u16) {
    terminal_size::terminal_size().map_or((24, 80), |(width, height)| (height.0, width.0))
}

/// Carries what is typed there and what is said back, until the escape key or the end of one of them. Blocks.
///
/// # Errors
/// If the terminal cannot be read or written.
pub fn bridge(console: &UnixStream) -> Result<Left> {
    let stdin = std::io::stdin();
    let stdout = std::io::stdout();
    let mut chunk = [0u8; 4096];
    loop {
        let mut ready = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(console.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other.context("cannot wait for the terminal")?,
        };
        let [typed, said] = ready.map(|fd| fd.revents().is_some_and(|it| !it.is_empty()));
        if said {
            let count = read(console, &mut chunk).unwrap_or(0);
            if count == 0 {
                return Ok(Left::Closed);
            }
            write_all(&stdout, &chunk[..count])?;
        }
        if typed {
            let count = read(&stdin, &mut chunk).unwrap_or(0);
            if count == 0 {
                return Ok(Left::Closed);
            }
            let (bytes, escaped) = until_escape(&chunk[..count]);
            if write_all(console, bytes).is_err() {
                return Ok(Left::Closed);
            }
            if escaped {
                return Ok(Left::ByEscape);
            }
        }
    }
}

/// What comes before the escape key, and whether it was pressed.
fn until_escape(typed: &[u8]) -> (&[u8], bool) {
    match typed.iter().position(|&byte| byte == ESCAPE) {
        Some(at) => (&typed[..at], true),
        None => (typed, false),
    }
}

fn write_all(to: &impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR | Errno::EAGAIN) => (),
            Err(errno) => return Err(errno).context("cannot write"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_before_the_escape_key_is_still_sent() {
        assert_eq!(until_escape(b"exit\r\x1dq"), (&b"exit\r"[..], true));
        assert_eq!(until_escape(b"\x1b]"), (&b"\x1b]"[..], false));
    }
}

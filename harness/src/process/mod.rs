//! The one place that starts processes on the host. Each runs under a small shell that holds a pipe of ours
//! (`guard.sh`): when this process ends, however it ends, what it started ends too.

mod command;
mod guarded;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::error::{Error, ErrorKind, Result};

pub use command::Output;
pub(crate) use command::{last_lines, Command};
pub use guarded::end_everything;
pub(crate) use guarded::{is_closed, Guarded};

/// A signal by its name, without `SIG`.
pub(crate) fn signal(name: &str) -> Result<nix::sys::signal::Signal> {
    format!("SIG{name}")
        .parse()
        .map_err(|_| Error::new(ErrorKind::State, format!("there is no signal `{name}`")))
}

/// Whether the process was still there to be sent it.
pub(crate) fn send(pid: i32, signal: nix::sys::signal::Signal) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).is_ok()
}

fn code_of(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => -1,
    }
}

//! What can go wrong: a kind to match on, a sentence with object and cause, and the next step.
//! Depends on nothing else in this crate.

use std::fmt;
use std::path::Path;

/// What sort of failure it is, for callers that decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A program or file that the harness needs is not there.
    ToolMissing,
    /// QEMU is there, and older than the snapshots need.
    ToolTooOld,
    /// KVM was asked for, and runs no guest here.
    NoKvm,
    /// The file system has no room for what is to be written.
    NoSpace,
    /// A port that the caller asked for is in use.
    PortTaken,
    /// A package could not be fetched; what was fetched is kept.
    Download,
    /// The image could not be made, for another reason than the download.
    ImageBuild,
    /// QEMU could not be started, or ended on its own.
    MachineDied,
    /// The guest's kernel panicked.
    Panicked,
    /// The guest runs and does not get to where it should within its time.
    TimedOut,
    /// The host has no place for it, or QEMU itself does not answer: nothing is known of the guest.
    Busy,
    /// The machine is not in the state that the call needs (off, frozen, removed).
    State,
    /// A command was started and ended with failure.
    Command,
    /// QEMU or the guest agent refused a request.
    Refused,
    /// A snapshot could not be taken or used.
    Snapshot,
    /// The operating system refused something.
    Io,
}

/// The error of every call of this crate.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    next_step: Option<String>,
    source: Option<std::io::Error>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            next_step: None,
            source: None,
        }
    }

    /// The line after `try:`, a command or an instruction.
    #[must_use]
    pub fn try_next(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }

    /// What was being done goes in front, as in `cannot start web: …`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn next_step(&self) -> Option<&str> {
        self.next_step.as_deref()
    }

    /// An error of the operating system while `doing` something with `path`; a full disk is told apart.
    pub fn io(doing: &str, path: &Path, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::StorageFull => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        };
        let next_step = match source.kind() {
            std::io::ErrorKind::StorageFull => Some(format!(
                "free some space on the file system of {} (a garbage collection of the cache is one way)",
                path.display()
            )),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("give this user the right to it, or use another folder".to_owned())
            }
            _ => None,
        };
        Self {
            kind,
            message: format!("cannot {doing} {}: {source}", path.display()),
            next_step,
            source: Some(source),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of the source is in the message already; this is for callers that look for errno.
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_and_has_a_next_step() {
        let error = Error::io(
            "write",
            Path::new("/cache/disk"),
            std::io::Error::from(std::io::ErrorKind::StorageFull),
        );
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.to_string().starts_with("cannot write /cache/disk: "));
        assert!(error.next_step().unwrap().contains("free some space"));
    }

    #[test]
    fn context_goes_in_front_and_keeps_kind_and_next_step() {
        let error = Error::new(ErrorKind::PortTaken, "port 80 is in use")
            .try_next("another port")
            .context("cannot start web");
        assert_eq!(error.to_string(), "cannot start web: port 80 is in use");
        assert_eq!(error.kind(), ErrorKind::PortTaken);
        assert_eq!(error.next_step(), Some("another port"));
    }
}

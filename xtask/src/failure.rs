//! What a command ends with: exit codes, and errors that carry one and the next step.
//! Knows nothing of what the commands do.

use std::fmt;
use std::process::ExitCode;

/// How the process ends. The numbers are part of the interface (docs/architecture.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Passed = 0,
    /// What was asked for was done and the answer is no: a build failed, a check is red.
    Failed = 1,
    /// The command line, or a name in it, is wrong.
    Usage = 2,
    /// Something that is needed is missing on this machine and cannot be provided.
    Missing = 69,
    Interrupted = 130,
}

impl Exit {
    pub fn passed_if(good: bool) -> Self {
        if good {
            Self::Passed
        } else {
            Self::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with an exit code and, where there is one, the next step to try.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    next_step: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            next_step: None,
        }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Exit::Missing, message)
    }

    /// The line after `try:`, a command or an instruction.
    pub fn try_next(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }

    pub fn next_step(&self) -> Option<&str> {
        self.next_step.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error: that of the innermost `Failure`, else 1.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    find(error).map_or(Exit::Failed, |failure| failure.exit)
}

/// The `Failure` in an error's chain, if there is one.
pub fn find(error: &anyhow::Error) -> Option<&Failure> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

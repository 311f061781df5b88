//! Nix: its arguments, its JSON, its errors. Read with 2.26 and 2.34, whose JSON differs.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::Command;

/// A Nix that was found or installed: the program and how it is configured.
#[derive(Debug, Clone)]
pub struct Nix {
    /// The `nix` program; `nix-store` and the like are links beside it.
    program: PathBuf,
    /// `NIX_CONF_DIR` of a private Nix; none for the machine's own.
    conf_dir: Option<PathBuf>,
}

impl Nix {
    pub fn new(program: PathBuf, conf_dir: Option<PathBuf>) -> Self {
        Self { program, conf_dir }
    }

    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// A `nix` command with the features that flakes need, whatever the machine's nix.conf says.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let command = Command::new(&self.program)
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(args);
        match &self.conf_dir {
            Some(dir) => command.env("NIX_CONF_DIR", dir),
            None => command,
        }
    }

    /// A command that must answer soon, such as a question to the store.
    pub fn question<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        self.command(args).timeout(Duration::from_secs(60))
    }
}

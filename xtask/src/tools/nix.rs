//! Nix: its arguments, its JSON, its errors. Read with 2.26 and 2.34, whose JSON differs.

use std::path::PathBuf;
use std::time::Duration;

use crate::fleet::flake::Flake;
use crate::fleet::stage::Stage;
use crate::process::Command;

/// A Nix that was found or installed: the program and how it is configured.
#[derive(Debug, Clone)]
pub struct Nix {
    /// The `nix` program; `nix-store` and the like are links beside it.
    program: PathBuf,
    /// `NIX_CONF_DIR` of a private Nix; none for the machine's own.
    conf_dir: Option<PathBuf>,
    /// Settings that this machine needs on top of its configuration.
    options: Vec<(&'static str, &'static str)>,
}

impl Nix {
    pub fn new(program: PathBuf, conf_dir: Option<PathBuf>) -> Self {
        Self {
            program,
            conf_dir,
            options: Vec::new(),
        }
    }

    /// With a setting for every command.
    pub fn with_option(mut self, name: &'static str, value: &'static str) -> Self {
        self.options.push((name, value));
        self
    }

    /// The folder that stands in for /etc/nix, if this is a private Nix.
    pub fn conf_dir(&self) -> Option<&std::path::Path> {
        self.conf_dir.as_deref()
    }

    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// A `nix` command with the features that flakes need, whatever the machine's nix.conf says.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program)
            .args(["--extra-experimental-features", "nix-command flakes"]);
        for (name, value) in &self.options {
            command = command.args(["--option", name, value]);
        }
        let command = command.args(args);
        match &self.conf_dir {
            Some(dir) => command.env("NIX_CONF_DIR", dir),
            None => command,
        }
    }

    /// The value of a setting, on stdout. The command's name is the one that Nix 2.18 knows too.
    pub fn setting(&self, name: &str) -> Command {
        self.question(["show-config", name])
    }

    /// `nix eval` of a function of the flake's outputs (`evaluate::apply`), without Nix's own cache of evaluations:
    /// it keeps failures, and xtask keeps what it needs itself.
    pub fn evaluation(&self, flake: &Flake, stage: Stage, expression: &str) -> Command {
        self.command(["eval", "--no-eval-cache", "--show-trace"])
            .args(["--option", "warn-dirty", "false"])
            .args(stage_args(stage))
            // A path that starts with a dot is taken as it is; this one is the root of the outputs.
            .arg(flake.attribute("."))
            .args(flake.override_args())
            .args(["--apply", expression])
    }

    /// A command that must answer soon, such as a question to the store.
    pub fn question<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        self.command(args).timeout(Duration::from_secs(60))
    }
}

/// What every command of a stage takes: the rehearsal stage must neither ask the network nor need a sandbox's shell.
pub fn stage_args(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::Nixos => &[],
        Stage::Rehearsal => &[
            "--option",
            "sandbox",
            "false",
            "--option",
            "substituters",
            "",
        ],
    }
}

//! Nix: its arguments, its JSON, its errors. Read with 2.26 and 2.34, whose JSON differs.

mod build;
pub mod cache;
pub mod config;
pub mod derivation;
pub mod error;
pub mod log;
pub mod path_info;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::failure::{Exit, Failure};
use crate::fleet::flake::Flake;
use crate::fleet::lock::{Lock, Reference};
use crate::fleet::stage::Stage;
use crate::process::{Command, Output, Status};

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
    /// The machine's own, with its own configuration.
    pub fn of_the_machine(program: PathBuf) -> Self {
        Self {
            program,
            conf_dir: None,
            options: Vec::new(),
        }
    }

    /// A private one: `conf_dir` stands in for /etc/nix.
    pub fn private(program: PathBuf, conf_dir: PathBuf) -> Self {
        Self {
            conf_dir: Some(conf_dir),
            ..Self::of_the_machine(program)
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

    /// The value of a setting, on stdout.
    pub fn setting(&self, name: &str) -> Command {
        self.question(["config", "show", name])
    }

    /// `nix eval` of a function of the flake's outputs (`evaluate::apply`), without Nix's own cache of evaluations:
    /// it keeps failures, and xtask keeps what it needs itself.
    pub fn evaluation(&self, flake: &Flake, stage: Stage, expression: &str) -> Command {
        self.command(["eval", "--no-eval-cache", "--show-trace"])
            .args(["--option", "warn-dirty", "false"])
            .args(stage_args(stage))
            // A path that starts with a dot is taken as it is; this one is the root of the outputs.
            .arg(flake.attribute("."))
            .args(override_args(flake))
            .args(["--apply", expression])
            // Deep in a function of its own Nix does not look for signals, and an evaluation leaves nothing behind.
            .grace(Duration::from_millis(500))
            .killed_if_orphaned()
    }

    /// Writes the lock file of a flake in a folder.
    pub fn lock(&self, folder: &std::path::Path) -> Command {
        self.command(["flake", "lock"]).arg(folder)
    }

    /// Writes to `file` the lock file that a flake would have with the newest revisions of these inputs. The flake
    /// itself stays as it is.
    pub fn update(&self, flake: &Flake, inputs: &[String], file: &std::path::Path) -> Command {
        self.command(["flake", "update"])
            .args(inputs)
            .args(["--flake", &flake.reference, "--output-lock-file"])
            .arg(file)
            .timeout(Duration::from_secs(1800))
            .killed_if_orphaned()
    }

    /// `nix flake check` without building anything.
    pub fn flake_check(&self, flake: &Flake, stage: Stage) -> Command {
        self.command(["flake", "check", "--no-build", "--show-trace"])
            .args(["--option", "warn-dirty", "false"])
            .args(stage_args(stage))
            .arg(&flake.reference)
            .args(override_args(flake))
            .killed_if_orphaned()
    }

    /// `nix eval` of an expression on its own, answered in JSON.
    pub fn expression(&self, expression: &str) -> Command {
        self.question(["eval", "--json", "--expr", expression])
    }

    /// What can be built here or on a configured builder.
    pub async fn capabilities(&self) -> Result<config::Capabilities> {
        let output = self
            .question(["config", "show", "--json"])
            .success()
            .await?;
        config::capabilities(&output.stdout, |file| std::fs::read_to_string(file).ok())
    }

    /// Whether the lock file says where every input comes from, so that the same files mean the same inputs.
    pub async fn is_locked(&self, flake: &Flake) -> Result<bool> {
        let output = self
            .command(["flake", "metadata", "--json", "--no-update-lock-file"])
            .args(QUICK)
            .arg(&flake.reference)
            .capture()
            .await?;
        // What cannot be locked, such as a repository with uncommitted changes, only makes Nix say that it will not write.
        Ok(output.status.success() && !output.stderr.contains("will not write lock file"))
    }

    /// What is known of a flake without evaluating it.
    pub async fn metadata(&self, flake: &Flake) -> Result<Metadata> {
        let output = self
            .command(["flake", "metadata", "--json"])
            .args(QUICK)
            .args(override_args(flake))
            .arg(&flake.reference)
            .capture()
            .await?;
        if !output.status.success() {
            let said = output.last_lines(1);
            let said = said.trim_start().trim_start_matches("error: ");
            let message = format!("cannot read the flake {}: {said}", flake.reference);
            let exit = if is_unreachable(said) {
                Exit::Missing
            } else {
                Exit::Usage
            };
            return Err(Failure::new(exit, message).into());
        }
        serde_json::from_slice(&output.stdout).context("cannot read `nix flake metadata`")
    }

    /// Why Nix cannot reach a web server; none if it can. Asks as Nix does when it fetches, with its proxy and its
    /// certificates, for a page of a few bytes that need not exist.
    pub async fn cannot_reach(&self, server: &str) -> Result<Option<String>> {
        let output = self
            .command(["store", "info", "--store", server])
            .args(QUICK)
            .timeout(Duration::from_millis(2500))
            .capture()
            .await?;
        let answered = output.status.success()
            || output
                .stderr
                .contains("does not appear to be a binary cache")
            || output.stderr.contains("HTTP error");
        Ok((!answered).then(|| unreachable(server, &output)))
    }

    /// What tells this Nix from another one, for the names of what is kept from its answers.
    pub fn identity(&self) -> String {
        let program = self
            .program
            .canonicalize()
            .unwrap_or_else(|_| self.program.clone());
        let stamp = std::fs::metadata(&program)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        format!("{} {stamp:?}", program.display())
    }

    /// A command that must answer soon, such as a question to the store.
    pub fn question<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        self.command(args).timeout(Duration::from_secs(60))
    }
}

/// For a server that may not answer: one attempt, and not for long.
const QUICK: [&str; 6] = [
    "--option",
    "connect-timeout",
    "2",
    "--option",
    "download-attempts",
    "1",
];

/// `nix flake metadata --json`, as far as it is used. 2.26 and 2.34 agree on it.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub locked: Reference,
    pub revision: Option<String>,
    pub locks: Lock,
}

/// A server that answers says that a reference is wrong; one that does not says nothing of it.
pub fn is_unreachable(said: &str) -> bool {
    said.contains("unable to download") && !said.contains("HTTP error")
}

/// In a person's words, out of curl's.
fn unreachable(server: &str, output: &Output) -> String {
    let host = server.split("://").nth(1).unwrap_or(server);
    let told = output.stderr.lines().find_map(|line| {
        let (_, reason) = line
            .split_once("unable to download '")?
            .1
            .split_once("': ")?;
        Some(reason.split(" (").next().unwrap_or(reason).to_lowercase())
    });
    match (output.status, told) {
        (Status::TimedOut(_), _) => format!("{host} does not answer"),
        (_, Some(reason)) => format!("{host}: {reason}"),
        (status, None) => format!("{host}: nix store info {status}: {}", output.last_lines(1)),
    }
}

/// What replaces a flake's inputs; a flake that is only looked at keeps its lock file as it is.
fn override_args(flake: &Flake) -> Vec<&str> {
    let mut args = vec!["--no-write-lock-file"];
    for (input, reference) in &flake.overrides {
        args.extend(["--override-input", input, reference]);
    }
    args
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_never_touch_the_lock_file() {
        let mut flake = Flake::folder(std::path::Path::new("/fleet"));
        assert_eq!(override_args(&flake), ["--no-write-lock-file"]);
        flake
            .overrides
            .push(("nixpkgs".to_owned(), "path:/r".to_owned()));
        assert_eq!(
            override_args(&flake),
            [
                "--no-write-lock-file",
                "--override-input",
                "nixpkgs",
                "path:/r"
            ]
        );
    }
}

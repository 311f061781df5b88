//! Nix: its arguments, its JSON, its errors. Read with 2.26 and 2.34, whose JSON differs.

mod build;
mod config;
pub mod derivation;
pub mod log;
pub mod path_info;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::fleet::flake::Flake;
use crate::fleet::lock::{Lock, Reference};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::process::{Command, Output, Status};
use path_info::PathInfo;

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

    /// `nix flake check` without building anything.
    pub fn flake_check(&self, flake: &Flake, stage: Stage) -> Command {
        self.command(["flake", "check", "--no-build", "--show-trace"])
            .args(["--option", "warn-dirty", "false"])
            .args(stage_args(stage))
            .arg(&flake.reference)
            .args(flake.override_args())
    }

    /// Builds derivations without keeping a link to what comes out, going on when one fails.
    pub fn realise<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
    ) -> Command {
        self.command(["build", "--no-link", "--keep-going"])
            .args(stage_args(stage))
            .args(derivations.into_iter().map(|drv| format!("{drv}^*")))
    }

    /// Whether all outputs of a derivation are in the store.
    pub async fn is_built(&self, derivation: &StorePath) -> Result<bool> {
        let output = self
            .question(["path-info", "--offline"])
            .arg(format!("{derivation}^*"))
            .capture()
            .await?;
        Ok(output.status.success())
    }

    /// What the build of a derivation said, on stdout.
    pub fn log(&self, derivation: &StorePath) -> Command {
        self.question(["log"]).arg(derivation.as_str())
    }

    /// `nix eval` of an expression on its own, answered in JSON.
    pub fn expression(&self, expression: &str) -> Command {
        self.question(["eval", "--json", "--expr", expression])
    }

    /// What is known of a flake without evaluating it.
    pub async fn metadata(&self, flake: &Flake) -> Result<Metadata> {
        let output = self
            .command(["flake", "metadata", "--json"])
            .args(QUICK)
            .arg("--no-write-lock-file")
            .arg(&flake.reference)
            .success()
            .await?;
        serde_json::from_slice(&output.stdout).context("cannot read `nix flake metadata`")
    }

    /// Builds derivations for as long as somebody looks at them: nothing keeps the results from being collected.
    pub fn build_unlinked<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
    ) -> Command {
        self.command(["build", "--no-link", "--keep-going"])
            .args(stage_args(stage))
            .args(derivations.into_iter().map(|path| format!("{path}^out")))
    }

    /// What the store knows of a path and all that it refers to.
    pub async fn closure(&self, path: &StorePath) -> Result<BTreeMap<StorePath, PathInfo>> {
        let output = self
            .question(["path-info", "--json", "--recursive", path.as_str()])
            .success()
            .await?;
        path_info::parse(&output.stdout)
    }

    /// Whether all of these are in the store.
    pub async fn are_valid<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<bool> {
        let output = self
            .question(["path-info", "--offline"])
            .args(paths.into_iter().map(StorePath::as_str))
            .capture()
            .await?;
        Ok(output.status.success())
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

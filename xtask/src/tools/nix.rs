//! Nix: its arguments, its JSON, its errors. Read with 2.26 and 2.34, whose JSON differs.

pub mod config;
pub mod derivation;
pub mod log;
pub mod path_info;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::flake::Flake;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
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

    /// Builds derivations and links the results as `root`, `root-1` and so on, going on when one fails, with a log that
    /// `log` reads.
    pub fn build<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
        jobs: u32,
        root: &Path,
    ) -> Command {
        self.command(["build", "--keep-going", "--log-format", "internal-json"])
            // The plan (what will be built and fetched) is told from this level on.
            .arg("--verbose")
            .args(["--max-jobs", &jobs.to_string()])
            // Two builds that need the same derivation look this often whether the other is done.
            .args(["--option", "build-poll-interval", "1"])
            .args(stage_args(stage))
            .arg("--out-link")
            .arg(root)
            .args(derivations.into_iter().map(|path| format!("{path}^out")))
    }

    /// What the store knows of these paths, with their closures' sizes; nothing of a path that is not there.
    pub async fn closures(
        &self,
        paths: &[&StorePath],
    ) -> Result<BTreeMap<StorePath, path_info::PathInfo>> {
        let output = self
            .question(["path-info", "--json", "--closure-size"])
            .args(paths.iter().map(|path| path.as_str()))
            .capture()
            .await?;
        // A path that is not there makes it exit 1 with the answer all the same.
        path_info::parse(&output.stdout)
            .with_context(|| format!("nix path-info {}: {}", output.status, output.last_lines(5)))
    }

    /// Keeps paths that are there from being collected, as long as the links `link`, `link-1` and so on exist.
    pub async fn add_roots(&self, paths: &[&StorePath], link: &Path) -> Result<()> {
        self.question(["build", "--offline", "--out-link"])
            .arg(link)
            .args(paths.iter().map(|path| path.as_str()))
            .success()
            .await?;
        Ok(())
    }

    /// The systems that are built here or on a configured builder.
    pub async fn systems(&self) -> Result<BTreeSet<String>> {
        let output = self
            .question(["config", "show", "--json"])
            .success()
            .await?;
        config::systems(&output.stdout, |file| std::fs::read_to_string(file).ok())
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

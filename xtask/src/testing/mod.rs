//! Everything that the project can test on this machine, in parts.

mod counts;
mod machines;
mod parts;
mod scenarios;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::Global;
use crate::failure::Failure;
use crate::process::Command;
use crate::report;
use crate::setup;
use crate::tools::nix::Nix;

pub use counts::Counts;

/// A part of the tests, by the word that chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Formatting of the Nix files.
    Nixfmt,
    Rustfmt,
    Clippy,
    /// The crates' unit and integration tests; they replay the module system's cases and run real Nix.
    Crates,
    /// The flake's checks that this machine can build.
    Checks,
    /// The rehearsal stage's activation, on a Debian guest with its real systemd.
    Activation,
    /// The tests of the scenarios' interpreter in stage nixos.
    Interpreter,
    /// The harness's own tests with real guests.
    Machines,
    /// Every scenario, played in the rehearsal stage.
    Scenarios,
}

impl Part {
    /// Cheap ones first, so that a slip is told at once.
    pub const ALL: [Self; 9] = [
        Self::Nixfmt,
        Self::Rustfmt,
        Self::Clippy,
        Self::Crates,
        Self::Checks,
        Self::Interpreter,
        Self::Activation,
        Self::Machines,
        Self::Scenarios,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nixfmt => "nixfmt",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::Crates => "crates",
            Self::Checks => "checks",
            Self::Activation => "activation",
            Self::Interpreter => "interpreter",
            Self::Machines => "machines",
            Self::Scenarios => "scenarios",
        }
    }
}

/// What became of a part.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub counts: Counts,
    pub skips: Vec<String>,
    /// What is worth reading of a failure.
    pub failure: Option<String>,
    /// What a person should know besides.
    pub notes: Vec<String>,
    pub wall: Duration,
}

/// The parts with this word in their name; all of them without one.
///
/// # Errors
/// Usage, naming the parts, if there is none.
pub fn select(filter: Option<&str>) -> Result<Vec<Part>, Failure> {
    let filter = filter.unwrap_or_default();
    let parts: Vec<Part> = Part::ALL
        .into_iter()
        .filter(|part| part.name().contains(filter))
        .collect();
    if parts.is_empty() {
        let names = Part::ALL.map(Part::name).join(", ");
        return Err(
            Failure::usage(format!("no part of the tests is called `{filter}`"))
                .try_next(format!("one of {names}")),
        );
    }
    Ok(parts)
}

/// What the tests run with.
#[derive(Debug)]
pub struct Bench<'a> {
    global: &'a Global,
    root: &'a Path,
    began: Instant,
    /// Whether only the core of the tests with virtual machines is played.
    core: bool,
    nix: Nix,
    newer_nix: Option<Nix>,
    deploy_rs: Option<PathBuf>,
    act: Option<PathBuf>,
    prometheus: Option<PathBuf>,
    sops: Option<PathBuf>,
}

impl<'a> Bench<'a> {
    /// Provisions what the tests need.
    ///
    /// # Errors
    /// Missing, if there is no Nix or no git and none can be installed.
    pub async fn prepare(global: &'a Global, root: &'a Path, core: bool) -> Result<Self> {
        let began = Instant::now();
        setup::git(global).await?;
        let nix = setup::nix(global).await?;
        // The tests that need it report that they are skipped.
        let newer_nix = match setup::newer_nix(global).await {
            Ok(nix) => Some(nix),
            Err(error) => {
                report::error(&error);
                None
            }
        };
        let or_none = |program: Result<PathBuf>| match program {
            Ok(program) => Some(program),
            Err(error) => {
                report::error(&error);
                None
            }
        };
        let deploy_rs = or_none(setup::deploy_rs(global).await);
        let act = or_none(setup::act(global).await);
        let prometheus = or_none(setup::prometheus(global).await);
        let sops = or_none(setup::sops(global).await);
        Ok(Self {
            global,
            root,
            began,
            core,
            nix,
            newer_nix,
            deploy_rs,
            act,
            prometheus,
            sops,
        })
    }

    /// Runs one part to its end. A failed test is an outcome, not an error.
    ///
    /// # Errors
    /// If the part could not be run at all.
    pub async fn run(&self, part: Part) -> Result<Outcome> {
        let started = Instant::now();
        let mut outcome = match part {
            Part::Nixfmt => self.nixfmt().await?,
            Part::Rustfmt => self.lint(crate::tools::cargo::RUSTFMT).await?,
            Part::Clippy => self.lint(crate::tools::cargo::CLIPPY).await?,
            Part::Crates => self.crates().await?,
            Part::Checks => self.checks().await?,
            Part::Activation => self.activation().await?,
            Part::Interpreter => self.interpreter().await?,
            Part::Machines => self.machines().await?,
            Part::Scenarios => self.scenarios().await?,
        };
        outcome.wall = started.elapsed();
        Ok(outcome)
    }

    /// The environment of tests that run Nix (docs/testing.md).
    fn with_nix(&self, command: Command) -> Command {
        let mut command = command.env("SLIPWAY_TEST_NIX", self.nix.program());
        if let Some(newer) = &self.newer_nix {
            command = command.env("SLIPWAY_TEST_NIX_NEWER", newer.program());
        }
        if let Some(deploy_rs) = &self.deploy_rs {
            command = command.env("SLIPWAY_TEST_DEPLOY_RS", deploy_rs);
        }
        if let Some(act) = &self.act {
            command = command.env("SLIPWAY_TEST_ACT", act);
        }
        if let Some(prometheus) = &self.prometheus {
            command = command.env("SLIPWAY_TEST_PROMETHEUS", prometheus);
        }
        if let Some(sops) = &self.sops {
            command = command.env("SLIPWAY_TEST_SOPS", sops);
        }
        // Both versions use the store in the same way; the machine's own Nix has its own configuration.
        self.nix.for_children(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_chooses_the_parts_that_have_it_in_their_name() {
        assert_eq!(select(None).unwrap(), Part::ALL);
        assert_eq!(select(Some("fmt")).unwrap(), [Part::Nixfmt, Part::Rustfmt]);
        let failure = select(Some("zzz")).unwrap_err();
        assert_eq!(
            failure.next_step(),
            Some("one of nixfmt, rustfmt, clippy, crates, checks, interpreter, activation, machines, scenarios")
        );
    }
}

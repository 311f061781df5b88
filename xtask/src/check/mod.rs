//! Everything about a fleet that a machine can judge before it is deployed: the flake's checks, formatting, lints.

mod flake;
mod lints;
pub mod render;
mod renovate;
mod workflows;

pub use lints::row as lint;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::Global;
use crate::evaluate::Fleet;
use crate::fleet::stage::Stage;
use crate::process::own;

/// All that was checked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    pub why_stage: String,
    pub passed: bool,
    pub checks: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub name: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "detail", rename_all = "camelCase")]
pub enum Verdict {
    Passed,
    /// The last lines of what it said.
    Failed(String),
    /// Why this machine cannot judge it.
    NotBuilt(String),
}

impl Verdict {
    /// What was found is wrong.
    pub fn of(faults: &[String]) -> Self {
        if faults.is_empty() {
            Self::Passed
        } else {
            Self::Failed(faults.join("\n"))
        }
    }

    pub fn detail(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(detail) | Self::NotBuilt(detail) => detail,
        }
    }
}

impl Row {
    pub fn new(name: &str, verdict: Verdict, wall: Duration) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            seconds: wall.as_secs_f64(),
        }
    }

    fn at_once(name: &str, verdict: Verdict) -> Self {
        Self::new(name, verdict, Duration::ZERO)
    }
}

/// Runs all checks of an opened fleet; a failed check is a row, not an error.
///
/// # Errors
/// If one of the tools cannot be started.
pub async fn run(global: &Global, fleet: Fleet) -> Result<Report> {
    let root = fleet.folder().map(Path::to_owned);
    let mut report = flake_only(fleet).await?;
    if let Some(root) = root {
        report.checks.extend(workflows::run(global, &root).await?);
        report.checks.extend(renovate::run(&root).await?);
        report.checks.extend(lints::run(&root).await?);
    }
    report.judge();
    Ok(report)
}

/// Runs the checks that are in the flake itself.
///
/// # Errors
/// If Nix cannot be started.
pub async fn flake_only(fleet: Fleet) -> Result<Report> {
    let (stage, why_stage) = (fleet.stage, fleet.why.clone());
    let crates = tempfile::tempdir().context("cannot create a temporary folder")?;
    let fleet = match stage {
        // There is no Rust toolchain in the rehearsal stage: the programs in it are those that cargo built.
        Stage::Rehearsal => fleet.with_program("xtask", &own::program(), crates.path())?,
        Stage::Nixos => fleet,
    };
    let machine = fleet.nix.capabilities().await?;
    let mut checks = vec![flake::outputs(&fleet).await?];
    checks.extend(flake::checks(&fleet, &machine).await?);
    let mut report = Report {
        version: 1,
        stage,
        why_stage,
        passed: false,
        checks,
    };
    report.judge();
    Ok(report)
}

impl Report {
    /// What was checked elsewhere.
    pub fn add(&mut self, row: Row) {
        self.checks.push(row);
        self.judge();
    }

    fn judge(&mut self) {
        let failed = |row: &Row| matches!(row.verdict, Verdict::Failed(_));
        self.passed = !self.checks.iter().any(failed);
    }
}

//! Everything about a fleet that a machine can judge before it is deployed: the flake's checks, formatting, lints.

mod flake;
mod lints;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::stage::Stage;

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
    pub fn detail(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(detail) | Self::NotBuilt(detail) => detail,
        }
    }
}

impl Row {
    fn new(name: &str, verdict: Verdict, wall: Duration) -> Self {
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
pub async fn run(fleet: Fleet) -> Result<Report> {
    let (stage, why_stage) = (fleet.stage, fleet.why.clone());
    let crates = tempfile::tempdir()?;
    let fleet = match stage {
        // There is no Rust toolchain in the rehearsal stage: the programs in it are those that cargo built.
        Stage::Rehearsal => {
            lay_out_own_programs(crates.path())?;
            fleet.with_crates(crates.path())
        }
        Stage::Nixos => fleet,
    };
    let machine = flake::Machine::ask(&fleet).await?;
    let mut checks = vec![flake::outputs(&fleet).await?];
    checks.extend(flake::checks(&fleet, &machine).await?);
    if let Some(root) = fleet.folder() {
        checks.extend(lints::run(root).await?);
    }
    let failed = |row: &Row| matches!(row.verdict, Verdict::Failed(_));
    Ok(Report {
        version: 1,
        stage,
        why_stage,
        passed: !checks.iter().any(failed),
        checks,
    })
}

/// `bin/` with this program.
fn lay_out_own_programs(folder: &std::path::Path) -> Result<()> {
    let bin = folder.join("bin");
    let place = |error: std::io::Error| {
        Failure::failed(format!("cannot copy xtask to {}: {error}", bin.display()))
    };
    std::fs::create_dir_all(&bin).map_err(place)?;
    let own = std::env::current_exe().map_err(place)?;
    std::fs::copy(own, bin.join("xtask")).map_err(place)?;
    Ok(())
}

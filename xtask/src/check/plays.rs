//! The plays that are NixOS tests: whether each of them evaluates, in a process of its own.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::flake::quoted;
use super::{Row, Verdict};
use crate::evaluate::Fleet;
use crate::process::{Command, Output};
use crate::report;
use crate::report::words::counted;
use crate::tools::nix::error::{files_of, parse};

/// One row for all `vmTests` of this system; none for a fleet that has none, as in the rehearsal stage.
///
/// One after the other: a play takes up to two gigabytes, which Nix gives back only by ending.
///
/// # Errors
/// If Nix cannot be started.
pub async fn evaluate(fleet: &Fleet, system: &str) -> Result<Option<Row>> {
    let started = Instant::now();
    let row = |verdict, wall: Duration| Ok(Some(Row::new("vmTests", verdict, wall)));
    let listed = names(fleet, system).capture().await?;
    if !listed.status.success() {
        return row(Verdict::Failed(said(fleet, &listed)), started.elapsed());
    }
    let names: Vec<String> = serde_json::from_slice(&listed.stdout)
        .context("cannot read what Nix says of the flake's vmTests")?;
    if names.is_empty() {
        return Ok(None);
    }
    report::say(&format!(
        "vmTests: evaluating {}, one after the other, for its memory",
        counted(names.len(), "play")
    ));
    let mut failed = Vec::new();
    for name in &names {
        let output = derivation(fleet, system, name).capture().await?;
        if !output.status.success() {
            failed.push(format!("{name}: {}", said(fleet, &output)));
        }
    }
    let verdict = if failed.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed(failed.join("\n"))
    };
    row(verdict, started.elapsed())
}

fn names(fleet: &Fleet, system: &str) -> Command {
    let function = format!(
        "outputs: builtins.attrNames ((outputs.vmTests or {{ }}).{} or {{ }})",
        quoted(system)
    );
    fleet
        .nix
        .evaluation(&fleet.flake, fleet.stage, &function)
        .arg("--json")
}

fn derivation(fleet: &Fleet, system: &str, name: &str) -> Command {
    let function = format!(
        "outputs: outputs.vmTests.{}.{}.drvPath",
        quoted(system),
        quoted(name)
    );
    fleet
        .nix
        .evaluation(&fleet.flake, fleet.stage, &function)
        .arg("--raw")
}

fn said(fleet: &Fleet, output: &Output) -> String {
    let error = parse(&output.stderr, files_of(fleet.folder())).to_string();
    // Ended by the kernel for its memory, it says nothing.
    if error.is_empty() {
        format!("nix eval {}", output.status)
    } else {
        error
    }
}

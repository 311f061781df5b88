//! The checks of a flake: which there are, what this machine can build of them, and how each of them ends.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Row, Verdict};
use crate::evaluate::Fleet;
use crate::fleet::store_path::StorePath;
use crate::process::last_lines;
use crate::report::words::counted;
use crate::tools::nix::config::Capabilities;
use crate::tools::nix::error::{files_of, parse};

const FUNCTION: &str = include_str!("checks.nix");

/// What `checks.nix` answers.
#[derive(Debug, Deserialize)]
struct Checks {
    names: Vec<String>,
    elsewhere: BTreeMap<String, Vec<String>>,
    described: BTreeMap<String, Described>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Described {
    drv: StorePath,
    system: String,
    features: BTreeSet<String>,
}

/// `nix flake check` without its builds: every output evaluates and has the form that Nix expects.
///
/// # Errors
/// If Nix cannot be started.
pub async fn outputs(fleet: &Fleet) -> Result<Row> {
    let output = fleet
        .nix
        .flake_check(&fleet.flake, fleet.stage)
        .capture()
        .await?;
    let verdict = if output.status.success() {
        Verdict::Passed
    } else {
        Verdict::Failed(parse(&output.stderr, files_of(fleet.folder())).to_string())
    };
    Ok(Row::new("outputs", verdict, output.wall))
}

/// Every check of the flake, a row each.
///
/// # Errors
/// If Nix cannot be started, or the flake has no outputs that can be read.
pub async fn checks(fleet: &Fleet, machine: &Capabilities) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (checks, broken) = describe(fleet, machine).await?;
    rows.extend(broken);
    let mut buildable = BTreeMap::new();
    for (name, check) in checks.described {
        match machine.lack(&check.system, &check.features) {
            Some(why) => rows.push(Row::at_once(&name, Verdict::NotBuilt(why))),
            None => {
                buildable.insert(name, check.drv);
            }
        }
    }
    rows.extend(build(fleet, &buildable).await?);
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    for (system, names) in &checks.elsewhere {
        if names.is_empty() {
            continue;
        }
        let why = machine
            .lack(system, &BTreeSet::new())
            .unwrap_or_else(|| format!("checked on a machine with {system}"));
        let name = format!("{} ({system})", counted(names.len(), "check"));
        rows.push(Row::at_once(&name, Verdict::NotBuilt(why)));
    }
    Ok(rows)
}

/// All checks in one evaluation; if one of them fails to evaluate, each on its own, so that the others still count.
async fn describe(fleet: &Fleet, machine: &Capabilities) -> Result<(Checks, Vec<Row>)> {
    if let Ok(checks) = evaluate(fleet, machine, None).await? {
        return Ok((checks, Vec::new()));
    }
    // Nothing is called that: the names alone.
    let mut checks = match evaluate(fleet, machine, Some("")).await? {
        Ok(checks) => checks,
        Err(row) => anyhow::bail!("cannot read the flake's checks: {}", row.verdict.detail()),
    };
    let mut broken = Vec::new();
    for name in checks.names.clone() {
        match evaluate(fleet, machine, Some(&name)).await? {
            Ok(one) => checks.described.extend(one.described),
            Err(row) => broken.push(row),
        }
    }
    Ok((checks, broken))
}

async fn evaluate(
    fleet: &Fleet,
    machine: &Capabilities,
    only: Option<&str>,
) -> Result<Result<Checks, Row>> {
    let output = fleet
        .nix
        .evaluation(
            &fleet.flake,
            fleet.stage,
            &expression(&machine.system, only),
        )
        .arg("--json")
        .capture()
        .await?;
    if output.status.success() {
        let checks = serde_json::from_slice(&output.stdout)
            .context("cannot read what Nix says of the flake's checks")?;
        return Ok(Ok(checks));
    }
    let error = parse(&output.stderr, files_of(fleet.folder()));
    let verdict = Verdict::Failed(format!("does not evaluate: {error}"));
    Ok(Err(Row::new(
        only.unwrap_or("checks"),
        verdict,
        output.wall,
    )))
}

fn expression(system: &str, only: Option<&str>) -> String {
    let only = only.map_or_else(|| "null".to_owned(), quoted);
    format!(
        "({FUNCTION}) {{ system = {}; only = {only}; }}",
        quoted(system)
    )
}

/// Names of checks, plays and systems are Nix identifiers or plain words: Rust spells them as Nix does.
fn quoted(text: &str) -> String {
    format!("{text:?}").replace("${", "\\${")
}

/// Builds them all at once, going on after a failure, and then asks for each how it ended.
async fn build(fleet: &Fleet, checks: &BTreeMap<String, StorePath>) -> Result<Vec<Row>> {
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let output = fleet
        .nix
        .build_unlinked(checks.values(), fleet.stage)
        .capture()
        .await?;
    // Building them one by one would be slower; so the time is that of all of them.
    let share = output.wall / u32::try_from(checks.len()).unwrap_or(u32::MAX);
    let mut rows = Vec::new();
    for (name, drv) in checks {
        let verdict = if output.status.success() || fleet.nix.is_built(drv).await? {
            Verdict::Passed
        } else {
            Verdict::Failed(why(fleet, drv, &output.stderr).await?)
        };
        rows.push(Row::new(name, verdict, share));
    }
    Ok(rows)
}

/// The last lines of a check's own log; if it has none, what Nix said of it.
async fn why(fleet: &Fleet, drv: &StorePath, stderr: &str) -> Result<String> {
    const LINES: usize = 10;
    let log = fleet.nix.log(drv).capture().await?;
    let text = log.text();
    let text = if log.status.success() && !text.trim().is_empty() {
        text
    } else {
        stderr.to_owned()
    };
    Ok(last_lines(&text, LINES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_so_that_nix_reads_them_back() {
        let expression = expression("x86_64-linux", Some("a\"${b}"));
        let end = r#"{ system = "x86_64-linux"; only = "a\"\${b}"; }"#;
        assert!(expression.ends_with(end), "{expression}");
    }
}

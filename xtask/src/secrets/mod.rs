//! Who can read the fleet's secrets. Checking reads what files say of themselves and needs no key; encrypting anew is
//! sops's doing.

mod encrypted;
mod finding;
mod judge;
mod plan;
mod recipients;
mod rekey;
pub mod render;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::HostName;
use finding::Finding;
use judge::{Found, RULES};
use plan::Plan;

pub use rekey::run as rekey;

/// All that was looked at, and what is wrong with it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub passed: bool,
    /// The files that hosts use, or name as theirs.
    pub files: Vec<File>,
    /// Files that git tracks, all of which were searched for private keys.
    pub searched: usize,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Relative to the fleet.
    pub path: String,
    pub hosts: BTreeSet<HostName>,
    /// Who is to read it: `host Testing`, `operator laptop`.
    pub readers: Vec<String>,
    pub exists: bool,
}

/// Looks at the inventory, at every file that a host takes secrets from, and at every file that git tracks.
///
/// # Errors
/// Usage, if the fleet is in no git repository on this machine; failed, if a file cannot be read.
pub async fn look(fleet: &Fleet, survey: &Survey) -> Result<Report> {
    Ok(judged(fleet, survey).await?.1)
}

async fn judged(fleet: &Fleet, survey: &Survey) -> Result<(Plan, Report)> {
    let root = root(fleet)?;
    let plan = Plan::of(&survey.inventory);
    let tracked: BTreeSet<String> = fleet.tracked().await?.into_iter().collect();
    let mut findings = plan.findings.clone();
    let mut files = Vec::new();
    for (path, wanted) in &plan.files {
        let text = read(root, path)?;
        let exists = text.is_some();
        let found = match text {
            None => Found::Nothing,
            Some(_) if !tracked.contains(path) => Found::Untracked,
            Some(text) => Found::Text(text),
        };
        findings.extend(judge::used(&plan, path, wanted, &found));
        let readers: BTreeSet<String> = wanted
            .readers
            .iter()
            .map(|(owner, _)| owner.to_string())
            .collect();
        files.push(File {
            path: path.clone(),
            hosts: wanted.hosts.clone(),
            readers: readers.into_iter().collect(),
            exists,
        });
    }
    findings.extend(judge::rules(&plan, read(root, RULES)?.as_deref()));
    for path in &tracked {
        // Deleted, and git does not know it yet.
        let Some(text) = read(root, path)? else {
            continue;
        };
        // Of a host that does not evaluate nobody knows which files it uses.
        if survey.failed.is_empty() && path != RULES && !plan.files.contains_key(path) {
            findings.extend(judge::unused(&plan, path, &text));
        }
        let key = judge::private_key(&text);
        findings.extend(key.map(|kind| judge::tracked_key(path, kind)));
    }
    let report = Report {
        version: 1,
        passed: findings.is_empty(),
        files,
        searched: tracked.len(),
        findings,
    };
    Ok((plan, report))
}

fn root(fleet: &Fleet) -> Result<&Path, Failure> {
    fleet.folder().ok_or_else(|| {
        Failure::usage(format!("{} is not on this machine", fleet.flake.reference))
            .try_next("--flake with a clone of it")
    })
}

/// A file as text, whatever bytes are in it; none if it is not there.
fn read(root: &Path, path: &str) -> Result<Option<String>> {
    match std::fs::read(root.join(path)) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}

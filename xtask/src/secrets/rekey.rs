//! Encrypts files anew, each in a copy that takes its place once it is whole and as the fleet says.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::{Fault, Finding};
use super::judge::{self, RULES};
use super::plan::{Plan, Readers};
use super::{judged, read, root, Report};
use crate::cli::Global;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::process::Command;
use crate::tools::sops;
use crate::{report, setup, whole_file};

/// Writes `.sops.yaml`, and encrypts anew what is not encrypted to whom the fleet says. A file gets another key too: who
/// could read it before can read neither the new file nor, with what they kept, what will be written into it.
///
/// # Errors
/// Failed, if the fleet leaves open to whom, or if sops cannot decrypt a file: with none of the keys of who calls it.
pub async fn run(global: &Global, fleet: &Fleet, survey: &Survey) -> Result<Report> {
    if let Some(host) = survey.failed.keys().next() {
        return Err(Failure::failed(format!(
            "cannot rekey: host {host} does not evaluate, and its secrets would be taken from it"
        ))
        .try_next(format!("cargo xtask build-all {host}"))
        .into());
    }
    let (plan, before) = judged(fleet, survey).await?;
    let open = |finding: &&Finding| finding.fault.is_in_the_way_of_rekey();
    if let Some(finding) = before.findings.iter().find(open) {
        return Err(Failure::failed(format!(
            "cannot rekey: {}: {}",
            finding.subject, finding.message
        ))
        .try_next(finding.next_step.clone())
        .into());
    }
    let root = root(fleet)?;
    let stale = |it: &Finding| it.fault == Fault::StaleRules;
    if before.findings.iter().any(stale) {
        let rules = plan.rules().unwrap_or_default();
        let file = root.join(RULES);
        whole_file::write(&file, rules)
            .with_context(|| format!("cannot write {}", file.display()))?;
        report::say(&format!("wrote {RULES}"));
    }
    let mended = before
        .findings
        .iter()
        .filter(|it| it.fault.is_mended_by_rekey() && !stale(it));
    let files: BTreeSet<&str> = mended.map(|it| it.subject.as_str()).collect();
    if !files.is_empty() {
        let sops = setup::sops(global).await?;
        for file in files {
            anew(&sops, root, &plan, file).await?;
            report::say(&format!("encrypted {file} anew"));
        }
    }
    Ok(judged(fleet, survey).await?.1)
}

async fn anew(program: &Path, root: &Path, plan: &Plan, file: &str) -> Result<()> {
    let bench = tempfile::tempdir().context("cannot create a temporary folder")?;
    let copy = bench.path().join(file);
    let before = std::fs::read(root.join(file)).with_context(|| format!("cannot read {file}"))?;
    whole_file::write(&copy, &before)
        .and_then(|()| std::fs::write(bench.path().join(RULES), plan.rules().unwrap_or_default()))
        .with_context(|| format!("cannot copy {file}"))?;
    let readers = plan
        .files
        .get(file)
        .map_or(&plan.operators, |it| &it.readers);
    for step in [sops::update_keys, sops::rotate] {
        finish(step(program, bench.path(), file), file, readers).await?;
    }
    let text = read(bench.path(), file)?.unwrap_or_default();
    let wrong = judge::readers(plan, file, &text, readers);
    if let Some(finding) = wrong.first() {
        return Err(Failure::failed(format!(
            "cannot rekey {file}: what sops wrote is not as the fleet says, and was thrown away: {}",
            finding.message
        ))
        .into());
    }
    let place = root.join(file);
    let now = std::fs::read(&place).with_context(|| format!("cannot read {file}"))?;
    if now != before {
        return Err(Failure::failed(format!(
            "cannot rekey {file}: somebody changed it meanwhile, and it was left as it is"
        ))
        .try_next(super::finding::REKEY)
        .into());
    }
    whole_file::write(&place, text).with_context(|| format!("cannot write {file}"))
}

async fn finish(command: Command, file: &str, readers: &Readers) -> Result<()> {
    let line = command.line();
    let output = command.capture().await?;
    if output.status.success() {
        return Ok(());
    }
    // Before it are lines of a log, which begin with the time; behind it are all keys that were tried, by the dozen.
    let told = |line: &&str| line.starts_with(|c: char| c.is_alphabetic());
    let cause = output.stderr.lines().find(told);
    let names: BTreeSet<String> = readers.iter().map(|(owner, _)| owner.to_string()).collect();
    let names: Vec<String> = names.into_iter().collect();
    Err(Failure::failed(format!(
        "cannot rekey {file}: `{line}` {}: {}",
        output.status,
        cause.unwrap_or("it said nothing")
    ))
    .try_next(format!(
        "SOPS_AGE_SSH_PRIVATE_KEY_FILE=FILE {}, with a key without a passphrase that can read it; the fleet says {}",
        super::finding::REKEY,
        names.join(", ")
    ))
    .into())
}

//! What changes on the hosts since another revision, whose hosts are built for that.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::outcome::{Change, Host};
use super::{roots, Options, Pass};
use crate::diff;
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::report;

/// Closures that are compared at the same time; each pair is read from the store by a process.
const AT_ONCE: usize = 4;

/// Builds the hosts of `before` and says in each row what changed since; how many of them were evaluated.
///
/// # Errors
/// If that fleet as a whole cannot be evaluated, or two closures cannot be compared.
pub async fn with(before: &Fleet, options: &Options, rows: &mut [Host]) -> Result<usize> {
    let revision = before.source.revision.as_deref().unwrap_or_default();
    let mut pass = Pass::prepare(before, options)
        .await
        .with_context(|| format!("cannot compare with {revision}"))?;
    report::say(&format!("comparing with {revision:.12}"));
    let wanted: BTreeSet<&HostName> = rows.iter().map(|row| &row.host).collect();
    let select = |all: &[HostName]| {
        let hosts = all.iter().filter(|host| wanted.contains(host));
        Ok(hosts.cloned().collect())
    };
    let options = Options {
        at: Some(format!("{revision:.10}")),
        // Those were this tree's.
        entries: BTreeMap::new(),
        ..options.clone()
    };
    let done = pass.build(&options, select).await?;
    let (old, evaluated) = (done.rows, done.evaluation.evaluated);
    let missing: BTreeSet<&HostName> = (old.iter())
        .filter(|row| !row.outcome.is_built())
        .map(|row| &row.host)
        .collect();
    for row in old.iter().filter(|row| missing.contains(&row.host)) {
        if let Some(error) = &row.error {
            report::say(&format!("warning: at {revision:.12}: {}", error.message));
        }
    }
    let built: BTreeMap<&HostName, &StorePath> = old
        .iter()
        .filter(|row| row.outcome.is_built())
        .filter_map(|row| Some((&row.host, row.toplevel.as_ref()?)))
        .collect();
    let mut comparing = JoinSet::new();
    let mut changes = BTreeMap::new();
    for row in rows.iter().filter(|row| row.outcome.is_built()) {
        let Some(new) = row.toplevel.clone() else {
            continue;
        };
        let Some(old) = built.get(&row.host).map(|path| (*path).clone()) else {
            let change = if missing.contains(&row.host) {
                Change::unknown()
            } else {
                Change::new()
            };
            changes.insert(row.host.clone(), change);
            continue;
        };
        if comparing.len() >= AT_ONCE {
            if let Some(done) = comparing.join_next().await {
                changes.extend([done??]);
            }
        }
        comparing.spawn(one(before.clone(), row.host.clone(), old, new));
    }
    while let Some(done) = comparing.join_next().await {
        changes.extend([done??]);
    }
    for row in rows {
        row.change = changes.remove(&row.host);
    }
    // The next comparison is with another commit.
    roots::prune(&pass.roots(), &BTreeSet::new());
    Ok(evaluated)
}

async fn one(
    fleet: Fleet,
    host: HostName,
    old: StorePath,
    new: StorePath,
) -> Result<(HostName, Change)> {
    if old == new {
        return Ok((host, Change::none(old)));
    }
    let diff = diff::closures(&fleet.nix, &old, &new)
        .await
        .with_context(|| format!("cannot compare the closures of host {host}"))?;
    let change = Change {
        changed: Some(true),
        summary: diff.short(),
        reboot_needed: diff.reboot_needed(),
        before: Some(old),
    };
    Ok((host, change))
}

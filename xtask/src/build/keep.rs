//! After the build: closures are kept from being collected, linked where they are wanted, and it is recorded where they
//! came from.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::outcome::{Host, Report};
use super::provenance::Origin;
use super::reuse::Kept;
use super::roots;
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::report;

/// Keeps what was built from being collected, and records where it came from.
pub async fn closures(
    fleet: &Fleet,
    known: &Kept,
    rows: &[Host],
    roots: &Path,
    links: &Path,
) -> Result<()> {
    let built: Vec<(&HostName, &StorePath)> = rows
        .iter()
        .filter(|row| row.outcome.is_built())
        .filter_map(|row| Some((&row.host, row.toplevel.as_ref()?)))
        .collect();
    let kept: BTreeSet<StorePath> = roots::kept(roots)
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    let missing: Vec<&StorePath> = built
        .iter()
        .map(|(_, path)| *path)
        .filter(|path| !kept.contains(*path))
        .collect();
    if !missing.is_empty() {
        fleet.nix.add_roots(&missing, &links.join("known")).await?;
    }
    let last = known.last().chain(built.iter().map(|(_, path)| *path));
    roots::prune(roots, &last.cloned().collect());

    // A clock before 1970 is no reason to fail.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    for (host, toplevel) in built {
        let origin = Origin {
            toplevel: toplevel.clone(),
            host: host.clone(),
            stage: fleet.stage,
            flake: fleet.flake.reference.clone(),
            revision: fleet.source.revision.clone(),
            dirty: fleet.source.dirty,
            built_at: now.as_secs(),
        };
        origin.record(&fleet.cache.closures())?;
    }
    Ok(())
}

/// Links each built closure under its host's name. A host that failed keeps the link of its last build.
///
/// # Errors
/// The first link that cannot be made; the others are made all the same.
pub async fn link(fleet: &Fleet, dir: &Path, built: &Report) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut all = Ok(());
    for row in built.hosts.iter().filter(|row| row.outcome.is_built()) {
        let Some(toplevel) = &row.toplevel else {
            continue;
        };
        let name = row.host.file_name();
        if name != row.host.as_str() {
            report::say(&format!(
                "the name of host `{}` is no file's: its link is {name}",
                row.host
            ));
        }
        let link = dir.join(name);
        let linked = fleet.nix.add_roots(&[toplevel], &link).await;
        all = all.and(linked.with_context(|| format!("cannot link {}", link.display())));
    }
    report::say(&format!("links to the closures are in {}", dir.display()));
    all
}

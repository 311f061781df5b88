//! After the build: closures are kept from being collected, linked where they are wanted, and it is recorded where they
//! came from.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::outcome::Host;
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
pub async fn link(fleet: &Fleet, dir: &Path, rows: &[Host]) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for row in rows.iter().filter(|row| row.outcome.is_built()) {
        if let Some(toplevel) = &row.toplevel {
            fleet
                .nix
                .add_roots(&[toplevel], &dir.join(&row.host))
                .await?;
        }
    }
    report::say(&format!("links to the closures are in {}", dir.display()));
    Ok(())
}

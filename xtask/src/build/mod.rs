//! Evaluates hosts in worker processes and builds each the moment it is evaluated.

mod builds;
mod evaluations;
mod failures;
mod isolation;
pub mod memory;
pub mod outcome;
mod progress;
mod provenance;
mod reuse;
mod roots;
mod run;
mod slots;
mod survey;
mod worker;
mod workers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::evaluate::apply::Overview;
use crate::evaluate::source::{Fingerprint, Source};
use crate::evaluate::{kept, Fleet};
use crate::fleet::host::{self, HostName};
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::live::Live;

use memory::Memory;
use outcome::{Host, Report};
use provenance::Origin;
use reuse::{Kept, Reuse};
use run::{Request, Run};

/// How hosts are built.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these; all if empty.
    pub hosts: Vec<String>,
    pub jobs: u32,
    /// Bytes that all evaluations together may take.
    pub memory: u64,
    pub cores: usize,
    /// A folder for a link to each host's closure.
    pub out_links: Option<PathBuf>,
    /// Earlier evaluations are not used.
    pub fresh: bool,
    /// Live lines instead of plain ones.
    pub live: bool,
}

/// Under this name a fleet's evaluations are kept.
const KIND: &str = "hosts";

/// Evaluates and builds a fleet's hosts. A host that fails is part of the report.
///
/// # Errors
/// Usage, if a wanted host is not in the fleet; failed, if the fleet as a whole cannot be evaluated.
pub async fn build_all(fleet: &Fleet, options: &Options) -> Result<Report> {
    let started = Instant::now();
    let name = name_of(fleet);
    let before: Option<Kept> = if options.fresh {
        None
    } else {
        kept::read(&fleet.cache, KIND, &name)
    };
    let isolated = before
        .as_ref()
        .is_some_and(|kept| is_isolated(fleet, &kept.overview));
    let overview = match &before {
        Some(kept) if kept.overview_holds(&fleet.source, isolated) => kept.overview.clone(),
        _ => fleet.overview().await?,
    };
    let hosts = host::select(&overview.hosts, &options.hosts)?;
    let mut reuse = Reuse::plan(fleet.source.clone(), overview, before, &hosts, isolated);
    let valid = fleet.nix.valid(&reuse.outputs()).await?;
    reuse.forget_collected(&valid, |path| path.as_path().exists());

    let roots = fleet.cache.roots().join(name.as_str());
    let links = roots::folder(&roots)?;
    let width = hosts
        .iter()
        .map(|host| host.as_str().len())
        .max()
        .unwrap_or(0);
    let request = Request {
        hosts: hosts.clone(),
        jobs: options.jobs,
        memory: Memory::new(options.memory, options.cores),
        roots: links.clone(),
    };
    let live = Live::new(options.live, hosts.len(), width);
    let mut done = Run::new(fleet.clone(), request, reuse, live)
        .finish()
        .await?;
    kept::write(&fleet.cache, KIND, &name, &done.kept)?;

    let rows: Vec<Host> = hosts
        .iter()
        .filter_map(|host| done.hosts.remove(host))
        .collect();
    keep(fleet, &done.kept, &rows, &roots, &links).await?;
    if let Some(dir) = &options.out_links {
        link(fleet, dir, &rows).await?;
    }
    Ok(Report {
        version: 1,
        stage: fleet.stage,
        flake: fleet.flake.reference.clone(),
        revision: fleet.source.revision.clone(),
        dirty: fleet.source.dirty,
        changed_since: None,
        seconds: started.elapsed().as_secs_f64(),
        evaluation: done.evaluation,
        hosts: rows,
    })
}

/// A fleet's evaluations and links are found again by its reference and its stage.
fn name_of(fleet: &Fleet) -> Fingerprint {
    Source::opaque(&fleet.flake.reference)
        .with_context(&[&fleet.stage.to_string()])
        .whole()
}

fn is_isolated(fleet: &Fleet, overview: &Overview) -> bool {
    let (Some(root), Some(dir)) = (fleet.folder(), &overview.hosts_dir) else {
        return false;
    };
    overview.hermetic && isolation::is_isolated(root, dir, &overview.hosts, fleet.source.paths())
}

/// Keeps what was built from being collected, and records where it came from.
async fn keep(
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
async fn link(fleet: &Fleet, dir: &Path, rows: &[Host]) -> Result<()> {
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

//! Evaluates hosts in worker processes and builds each the moment it is evaluated.

mod builds;
mod closures;
mod compare;
mod doing;
mod evaluations;
mod failures;
mod guard;
mod keep;
pub mod memory;
pub mod outcome;
mod progress;
pub mod provenance;
pub mod render;
mod request;
mod reuse;
mod roots;
mod run;
mod slots;
mod survey;
mod worker;
mod workers;

pub use closures::closures;
pub use keep::link;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::evaluate::apply::Overview;
use crate::evaluate::source::{Fingerprint, Source};
use crate::evaluate::{kept, Fleet};
use crate::fleet::host::{self, HostName};
use crate::fleet::inventory;
use crate::fleet::store_path::StorePath;
use crate::report::{self, live::Live};

use memory::Memory;
use outcome::{Evaluation, Host, Report};
use request::{Finished, Request};
use reuse::{Kept, Reuse};
use run::Run;

/// How hosts are built.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these; all if empty.
    pub hosts: Vec<String>,
    pub jobs: u32,
    /// Bytes that all evaluations together may take.
    pub memory: u64,
    pub cores: usize,
    /// The hosts of this revision are built too, and compared.
    pub changed_since: Option<String>,
    /// The revision that these hosts are of, where others' lines stand above theirs.
    pub at: Option<String>,
    /// What deploy-rs copies is evaluated with each host, in the same process.
    pub profiles: bool,
    /// Inventory entries of this very tree, as far as they are known: they are not asked for again.
    pub entries: BTreeMap<HostName, inventory::Host>,
    /// Earlier evaluations are not used.
    pub fresh: bool,
    /// Live lines instead of plain ones.
    pub live: bool,
}

impl Options {
    /// These hosts, all if there is none, with what this machine has.
    pub fn of(hosts: Vec<String>, live: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            hosts,
            jobs: u32::try_from(cores).unwrap_or(1),
            memory: memory::of_this_machine(),
            cores,
            changed_since: None,
            at: None,
            profiles: false,
            entries: BTreeMap::new(),
            fresh: false,
            live,
        }
    }
}

/// Under this name a fleet's evaluations are kept.
const KIND: &str = "hosts";

/// Builds hosts that something else is made of, and tells the person what failed.
///
/// # Errors
/// As `build_all`.
pub async fn build_and_tell(fleet: &Fleet, options: &Options) -> Result<Report> {
    let report = build_all(fleet, options).await?;
    let errors = render::errors(&report);
    if !errors.is_empty() {
        crate::report::say(errors.trim_end());
    }
    Ok(report)
}

/// Evaluates and builds a fleet's hosts, and compares them with another revision's if that is wanted. A host that fails
/// is part of the report.
///
/// # Errors
/// Usage, if a wanted host or the revision does not exist; failed, if the fleet as a whole cannot be evaluated.
pub async fn build_all(fleet: &Fleet, options: &Options) -> Result<Report> {
    let started = Instant::now();
    // A revision that does not exist is told before anything is built.
    let before = match &options.changed_since {
        Some(revision) => Some(fleet.at(revision).await?),
        None => None,
    };
    let mut pass = Pass::prepare(fleet, options).await?;
    let select = |all: &[HostName]| Ok(host::select(all, &options.hosts)?);
    let mut done = pass.build(options, select).await?;
    let mut rows = done.rows;
    let changed_since = match before {
        Some(before) => {
            done.evaluation.evaluated_before = compare::with(&before, options, &mut rows).await?;
            before.source.revision
        }
        None => None,
    };
    Ok(Report {
        version: 1,
        stage: fleet.stage,
        flake: fleet.flake.reference.clone(),
        revision: fleet.source.revision.clone(),
        dirty: fleet.source.dirty,
        changed_since,
        seconds: started.elapsed().as_secs_f64(),
        evaluation: done.evaluation,
        hosts: rows,
    })
}

/// Lets the closures of a fleet that nobody comes back to be collected.
pub fn let_go(fleet: &Fleet) {
    let roots = fleet.cache.roots().join(name_of(fleet).as_str());
    roots::prune(&roots, &BTreeSet::new());
}

/// One fleet at one revision: what is known of it, and then its hosts.
struct Pass<'a> {
    fleet: &'a Fleet,
    name: Fingerprint,
    before: Option<Kept>,
    overview: Overview,
    /// The overview is an earlier tree's.
    assumed: bool,
}

struct Done {
    /// In the order that was asked for.
    rows: Vec<Host>,
    evaluation: Evaluation,
}

impl<'a> Pass<'a> {
    async fn prepare(fleet: &'a Fleet, options: &Options) -> Result<Self> {
        let name = name_of(fleet);
        let read = |name: &Fingerprint| kept::read(&fleet.cache, KIND, name);
        let before: Option<Kept> = if options.fresh {
            None
        } else {
            // Of a revision that is new here, most is as it was in another, or in the working tree.
            let others = || {
                let tree = fleet.flake.of_any_revision();
                read(&name_of_revisions(fleet)?).or_else(|| read(&named(fleet, &tree)))
            };
            read(&name).or_else(others)
        };
        let same = before.as_ref().is_some_and(|it| it.is_same(&fleet.source));
        let (overview, assumed) = match &before {
            Some(kept) if same || kept.overview_holds(&fleet.source) => {
                (kept.overview.clone(), false)
            }
            // The first worker tells whether that is right, which costs no process of its own.
            Some(kept) if kept.overview_is_likely(&fleet.source) => (kept.overview.clone(), true),
            _ => (fleet.overview().await?, false),
        };
        Ok(Self {
            assumed,
            fleet,
            name,
            before,
            overview,
        })
    }

    /// Builds the hosts that `select` chooses among the fleet's.
    async fn build(
        &mut self,
        options: &Options,
        select: impl Fn(&[HostName]) -> Result<Vec<HostName>>,
    ) -> Result<Done> {
        loop {
            let hosts = select(&self.overview.hosts)?;
            if let Some(done) = self.try_build(&hosts, options).await? {
                return Ok(done);
            }
        }
    }

    /// Where the links are that keep its closures.
    fn roots(&self) -> PathBuf {
        self.fleet.cache.roots().join(self.name.as_str())
    }

    /// Builds the hosts that `select` names. None if the fleet is not made of what was assumed, which is known now.
    async fn try_build(&mut self, hosts: &[HostName], options: &Options) -> Result<Option<Done>> {
        let fleet = self.fleet;
        let known = self.before.take();
        let mut reuse = Reuse::plan(
            fleet.source.clone(),
            self.overview.clone(),
            known.clone(),
            hosts,
            &options.entries,
        );
        let roots = self.roots();
        let valid = valid(fleet, &roots, reuse.outputs()).await?;
        reuse.forget_collected(&valid, |path| path.as_path().exists());

        let links = roots::Links::of_run(&roots)?;
        let width = hosts.iter().map(|host| host.as_str().len()).max();
        let request = Request {
            hosts: hosts.to_vec(),
            jobs: options.jobs,
            memory: Memory::new(options.memory, options.cores),
            roots: links.dir().to_owned(),
            profiles: options.profiles,
            entries: options.entries.clone(),
        };
        let live = Live::new(options.live, "hosts", hosts.len(), width.unwrap_or(0));
        let live = live.at(options.at.as_deref());
        let assumed = self.assumed.then(|| self.overview.clone());
        let run = Run::new(fleet.clone(), request, reuse, live, assumed);
        let mut done = match run.finish().await? {
            Finished::Done(done) => done,
            Finished::Other(overview) => {
                self.overview = overview;
                self.assumed = false;
                self.before = known;
                return Ok(None);
            }
        };
        if known.as_ref() != Some(&done.kept) {
            // Without a cache the answers are the same, only slower the next time.
            for name in std::iter::once(self.name.clone()).chain(name_of_revisions(fleet)) {
                if let Err(error) = kept::write(&fleet.cache, KIND, &name, &done.kept) {
                    report::say(&format!("warning: cannot keep the evaluations: {error:#}"));
                }
            }
        }
        let rows: Vec<Host> = hosts
            .iter()
            .filter_map(|host| done.hosts.remove(host))
            .collect();
        let kept = keep::closures(fleet, &done.kept, &rows, &roots, links.dir()).await;
        if let Err(error) = kept {
            report::say(&format!(
                "warning: cannot keep or record every closure: {error:#}"
            ));
        }
        Ok(Some(Done {
            rows,
            evaluation: done.evaluation,
        }))
    }
}

/// Which of these paths are in the store. What a link of ours keeps from being collected is there if its file is, and
/// costs no question; Nix is asked for the others.
async fn valid(fleet: &Fleet, roots: &Path, paths: Vec<&StorePath>) -> Result<BTreeSet<StorePath>> {
    let kept: BTreeSet<StorePath> = roots::kept(roots)
        .into_iter()
        .map(|(_, path)| path)
        .filter(|path| path.as_path().exists())
        .collect();
    let (known, unknown): (Vec<&StorePath>, Vec<&StorePath>) =
        paths.into_iter().partition(|path| kept.contains(*path));
    let mut valid = fleet.nix.valid(&unknown).await?;
    valid.extend(known.into_iter().cloned());
    Ok(valid)
}

/// A fleet's evaluations and links are found again by its reference and its stage.
fn name_of(fleet: &Fleet) -> Fingerprint {
    named(fleet, &fleet.flake.reference)
}

/// The same for all revisions of a repository; none for what is no revision.
fn name_of_revisions(fleet: &Fleet) -> Option<Fingerprint> {
    let tree = fleet.flake.of_any_revision();
    (tree != fleet.flake.reference).then(|| named(fleet, &format!("{tree} revisions")))
}

fn named(fleet: &Fleet, reference: &str) -> Fingerprint {
    Source::opaque(reference)
        .with_context(&[&fleet.stage.to_string()])
        .whole()
}

//! The build processes that run: which hosts each is for, how far it is, and what it left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::doing::Doing;
use super::failures;
use super::outcome::{Host, Outcome};
use super::progress::{Progress, Step};
use super::run::seconds_since;
use super::slots::Situation;
use super::worker::{BuildTask, Built, Id};
use crate::evaluate::apply::Toplevel;
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::tools::nix::derivation::Derivation;
use crate::tools::nix::log::Event;

#[derive(Debug, Default)]
pub struct Builds {
    running: BTreeMap<Id, Build>,
    /// The rows of hosts that are not built yet.
    rows: BTreeMap<HostName, Host>,
}

#[derive(Debug)]
struct Build {
    toplevels: Vec<(HostName, Toplevel)>,
    jobs: u32,
    started: Instant,
    progress: Progress,
}

impl Builds {
    /// A host is evaluated; this row is completed when it is built.
    pub fn expect(&mut self, row: Host) {
        self.rows.insert(row.host.clone(), row);
    }

    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    pub fn situation(&self, jobs: u32, more_to_come: bool) -> Situation {
        let running = || self.running.values();
        Situation {
            jobs,
            taken: running().map(|build| build.jobs).sum(),
            youngest: running().map(|build| build.started.elapsed()).min(),
            more_to_come,
        }
    }

    pub fn start(
        &mut self,
        id: Id,
        fleet: &Fleet,
        toplevels: Vec<(HostName, Toplevel)>,
        jobs: u32,
        root: PathBuf,
    ) -> BuildTask {
        let derivations = toplevels
            .iter()
            .map(|(host, toplevel)| (host.clone(), toplevel.drv.clone()))
            .collect();
        let task = BuildTask {
            id,
            fleet: fleet.clone(),
            toplevels: toplevels.iter().map(|(_, it)| it.clone()).collect(),
            jobs,
            root,
        };
        let build = Build {
            toplevels,
            jobs,
            started: Instant::now(),
            progress: Progress::new(derivations),
        };
        self.running.insert(id, build);
        task
    }

    /// What the hosts do now, if that changed.
    pub fn said(&mut self, id: Id, event: Event) -> Vec<(HostName, Doing)> {
        let Some(build) = self.running.get_mut(&id) else {
            return Vec::new();
        };
        // A derivation that cannot be read counts for no host, and Nix says itself what is wrong with it.
        let read = |path: &_| Derivation::read(path).ok();
        if !build.progress.take(event, read) {
            return Vec::new();
        }
        build
            .toplevels
            .iter()
            .filter_map(|(host, _)| {
                let doing = match build.progress.step(host)? {
                    Step::Copying { done, all } => Doing::Copying { done, all },
                    Step::Building { done, all } => Doing::Building { done, all },
                };
                Some((host.clone(), doing))
            })
            .collect()
    }

    /// The completed rows of a process's hosts.
    pub fn ended(&mut self, id: Id, built: Built, nix_words: &str) -> Vec<Host> {
        let Some(build) = self.running.remove(&id) else {
            return Vec::new();
        };
        let seconds = seconds_since(build.started);
        let counts = build.progress.counts();
        build
            .toplevels
            .into_iter()
            .filter_map(|(host, toplevel)| {
                let mut row = self.rows.remove(&host)?;
                let (paths_built, paths_fetched) = counts.get(&host).copied().unwrap_or_default();
                row.paths_built = paths_built;
                row.paths_fetched = paths_fetched;
                let worked = paths_built + paths_fetched > 0;
                row.build_seconds = worked.then_some(seconds);
                match built.closures.get(&toplevel.out) {
                    Some(info) => {
                        row.closure_size = info.closure_size;
                        row.outcome = if worked {
                            Outcome::Built
                        } else {
                            Outcome::AlreadyBuilt
                        };
                    }
                    None => {
                        let failure = build.progress.failure(&host);
                        row.outcome = Outcome::BuildFailed;
                        row.build_seconds = Some(seconds);
                        row.error = Some(failures::build(
                            &host,
                            failure.as_ref(),
                            built.output.status,
                            nix_words,
                        ));
                    }
                }
                Some(row)
            })
            .collect()
    }
}

//! What one `nix build` of several hosts has done so far, host by host, out of its log. Pure but for the reader of
//! derivations that it is given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::tools::nix::derivation::Derivation;
use crate::tools::nix::log::{self, Activity, Event};

/// Lines of a failed derivation's log that are told.
const LOG_LINES: usize = 15;

/// How far a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying from a substituter: paths there, of all.
    Copying { done: usize, all: usize },
    /// Building: derivations done, of all.
    Building { done: usize, all: usize },
}

/// Why a host's closure is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The derivation that failed itself, not one above it.
    pub derivation: Option<StorePath>,
    /// As Nix words it.
    pub message: String,
    /// The last lines of the derivation's log.
    pub log: Vec<String>,
}

#[derive(Debug, Default)]
struct Host {
    builds: BTreeSet<StorePath>,
    fetches: BTreeSet<StorePath>,
}

/// The state of one build process.
#[derive(Debug, Default)]
pub struct Progress {
    toplevels: BTreeMap<HostName, StorePath>,
    hosts: BTreeMap<HostName, Host>,
    will_build: BTreeSet<StorePath>,
    will_fetch: BTreeSet<StorePath>,
    running: BTreeMap<Activity, StorePath>,
    started: BTreeSet<StorePath>,
    stopped: BTreeSet<StorePath>,
    lines: BTreeMap<StorePath, VecDeque<String>>,
    errors: Vec<(Option<StorePath>, String)>,
    planned: bool,
}

impl Progress {
    pub fn new(toplevels: BTreeMap<HostName, StorePath>) -> Self {
        Self {
            toplevels,
            ..Self::default()
        }
    }

    /// Takes one event of the log. True if a host's step may have changed.
    pub fn take(&mut self, event: Event, read: impl Fn(&StorePath) -> Option<Derivation>) -> bool {
        match event {
            Event::WillBuild(path) => {
                self.will_build.insert(path);
                false
            }
            Event::WillFetch(path) => {
                self.will_fetch.insert(path);
                false
            }
            Event::BuildStarted(id, path) | Event::FetchStarted(id, path) => {
                self.plan(read);
                self.started.insert(path.clone());
                self.running.insert(id, path);
                true
            }
            Event::Stopped(id) => match self.running.remove(&id) {
                Some(path) => self.stopped.insert(path),
                None => false,
            },
            Event::BuilderLine(id, line) => {
                if let Some(path) = self.running.get(&id) {
                    let lines = self.lines.entry(path.clone()).or_default();
                    if lines.len() == LOG_LINES {
                        lines.pop_front();
                    }
                    lines.push_back(line);
                }
                false
            }
            // Told by the coordinator; no host is further for it.
            Event::Waiting(_) => false,
            Event::Error(text) => {
                self.errors.push((log::failed_derivation(&text), text));
                false
            }
        }
    }

    /// Once the plan is complete: which part of it each host waits for.
    fn plan(&mut self, read: impl Fn(&StorePath) -> Option<Derivation>) {
        if std::mem::replace(&mut self.planned, true) {
            return;
        }
        let mut known = BTreeMap::new();
        for (name, toplevel) in &self.toplevels {
            let host = if self.toplevels.len() == 1 {
                Host {
                    builds: self.will_build.clone(),
                    fetches: self.will_fetch.clone(),
                }
            } else {
                self.reach(toplevel, &mut known, &read)
            };
            self.hosts.insert(name.clone(), host);
        }
    }

    /// What of the plan a derivation needs. Nix plans a derivation only if one that needs it is planned, so that the way
    /// to each goes through planned ones. A fetched path's own references are not followed: they count for nobody.
    fn reach(
        &self,
        toplevel: &StorePath,
        known: &mut BTreeMap<StorePath, Option<Derivation>>,
        read: &impl Fn(&StorePath) -> Option<Derivation>,
    ) -> Host {
        let mut host = Host::default();
        let mut next = vec![toplevel.clone()];
        while let Some(path) = next.pop() {
            let derivation = known.entry(path.clone()).or_insert_with(|| read(&path));
            let Some(derivation) = derivation else {
                continue;
            };
            for output in &derivation.outputs {
                if self.will_fetch.contains(output) {
                    host.fetches.insert(output.clone());
                }
            }
            if !self.will_build.contains(&path) || !host.builds.insert(path) {
                continue;
            }
            host.fetches.extend(
                derivation
                    .input_sources
                    .iter()
                    .filter(|source| self.will_fetch.contains(*source))
                    .cloned(),
            );
            let inputs = &derivation.input_derivations;
            next.extend(inputs.difference(&host.builds).cloned());
        }
        host
    }

    /// How far a host is; none before Nix has started anything.
    pub fn step(&self, name: &HostName) -> Option<Step> {
        let host = self.hosts.get(name)?;
        let count = |set: &BTreeSet<StorePath>| Step::Copying {
            done: set.intersection(&self.stopped).count(),
            all: set.len(),
        };
        let running = |path: &StorePath| self.running.values().any(|other| other == path);
        let builds = host.builds.iter().any(running);
        let copies = host.fetches.iter().any(running);
        if copies && !builds {
            return Some(count(&host.fetches));
        }
        Some(Step::Building {
            done: host.builds.intersection(&self.stopped).count(),
            all: host.builds.len(),
        })
    }

    /// Paths built and fetched for each host, without builds that failed; one that several hosts need counts for the first of them, and a fetched
    /// path that is a reference of another one for the batch's first host that fetched anything.
    pub fn counts(&self) -> BTreeMap<HostName, (usize, usize)> {
        // Counted already, for nobody.
        let mut counted: BTreeSet<&StorePath> = (self.errors.iter())
            .filter(|(_, text)| !log::is_consequence(text))
            .filter_map(|(derivation, _)| derivation.as_ref())
            .collect();
        let mut counts: BTreeMap<HostName, (usize, usize)> = BTreeMap::new();
        for (name, host) in &self.hosts {
            let mut count = |set: &'_ BTreeSet<StorePath>| {
                set.iter()
                    .filter_map(|path| self.started.get(path))
                    .filter(|path| counted.insert(path))
                    .count()
            };
            let pair = (count(&host.builds), count(&host.fetches));
            counts.insert(name.clone(), pair);
        }
        let rest = self
            .started
            .iter()
            .filter(|path| self.will_fetch.contains(path) && !counted.contains(path))
            .count();
        let first = counts
            .iter()
            .find(|(_, (_, fetched))| *fetched > 0)
            .or(counts.iter().next())
            .map(|(name, _)| name.clone());
        if let Some((_, fetched)) = first.and_then(|name| counts.get_mut(&name)) {
            *fetched += rest;
        }
        counts
    }

    /// Why a host failed, if Nix has said so; else the first error that is nobody's.
    pub fn failure(&self, name: &HostName) -> Option<Failure> {
        let own = |derivation: &StorePath| {
            self.toplevels.get(name) == Some(derivation)
                || (self.hosts.get(name)).is_some_and(|host| host.builds.contains(derivation))
        };
        let of_host = self
            .errors
            .iter()
            .filter(|(derivation, _)| derivation.as_ref().is_some_and(own));
        let (derivation, message) = of_host
            .clone()
            .find(|(_, text)| !log::is_consequence(text))
            .or_else(|| self.errors.iter().find(|(path, _)| path.is_none()))
            .or_else(|| of_host.into_iter().next())
            .or_else(|| self.errors.first())?;
        let lines = derivation.as_ref().and_then(|path| self.lines.get(path));
        Some(Failure {
            derivation: derivation.clone(),
            message: message.clone(),
            log: lines.into_iter().flatten().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: [&str; 2] = [
        include_str!("../tools/nix/recorded/build-2.26.log"),
        include_str!("../tools/nix/recorded/build-2.34.log"),
    ];

    /// host-a needs tool; host-b needs tool and bad-unit; tool refers to lib1.
    fn read_from<'a>(
        paths: &'a BTreeSet<StorePath>,
    ) -> impl Fn(&StorePath) -> Option<Derivation> + 'a {
        move |path| {
            let find = |name: &str| paths.iter().find(|path| path.name() == name).cloned();
            let tool = find("tool").into_iter();
            let inputs = match path.name() {
                "host-b.drv" => find("bad-unit.drv").into_iter().collect(),
                _ => BTreeSet::new(),
            };
            Some(Derivation {
                outputs: Vec::new(),
                input_derivations: inputs,
                input_sources: tool.collect(),
            })
        }
    }

    fn replay(log: &str) -> Progress {
        let events: Vec<Event> = log.lines().filter_map(log::parse).collect();
        let paths: BTreeSet<StorePath> = events
            .iter()
            .filter_map(|event| match event {
                Event::WillBuild(path) | Event::WillFetch(path) => Some(path.clone()),
                _ => None,
            })
            .collect();
        let toplevels = ["host-a", "host-b"].map(|name| {
            let drv = format!("{name}.drv");
            let path = paths.iter().find(|path| path.name() == drv).unwrap();
            (HostName::known(name), path.clone())
        });
        let mut progress = Progress::new(toplevels.into());
        for event in events {
            progress.take(event, read_from(&paths));
        }
        progress
    }

    #[test]
    fn each_host_has_its_own_share_of_the_plan() {
        for log in RECORDED {
            let progress = replay(log);
            let step = |name| progress.step(&HostName::known(name)).unwrap();
            assert_eq!(step("host-a"), Step::Building { done: 1, all: 1 });
            // The one that fails is done too; the toplevel above it never starts.
            assert_eq!(step("host-b"), Step::Building { done: 1, all: 2 });
        }
    }

    #[test]
    fn shared_paths_count_once() {
        for log in RECORDED {
            let counts = replay(log).counts();
            assert_eq!(counts[&HostName::known("host-a")], (1, 2));
            // bad-unit was tried, and is not built.
            assert_eq!(counts[&HostName::known("host-b")], (0, 0));
        }
    }

    #[test]
    fn the_failure_is_the_derivation_that_failed_itself_with_its_log() {
        for log in RECORDED {
            let progress = replay(log);
            let failure = progress.failure(&HostName::known("host-b")).unwrap();
            assert_eq!(failure.derivation.unwrap().name(), "bad-unit.drv");
            assert!(failure.message.contains("failed with exit code 7"));
            assert_eq!(failure.log, ["one", "two"]);
        }
    }

    #[test]
    fn a_process_without_a_log_knows_nothing() {
        let path = StorePath::parse(&format!("{}-x.drv", "0".repeat(32))).unwrap();
        let name = HostName::known("host-a");
        let progress = Progress::new([(name.clone(), path)].into());
        assert_eq!(progress.step(&name), None);
        assert_eq!(progress.failure(&name), None);
        assert!(progress.counts().is_empty());
    }
}

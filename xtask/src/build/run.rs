//! The coordinator: starts workers and builds as `evaluations` and `slots` say, and keeps what becomes of each host.

mod hear;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::builds::Builds;
use super::evaluations::Evaluations;
use super::guard::Guard;
use super::outcome::{Evaluation, Host};
use super::request::{Done, Finished, Request};
use super::reuse::Reuse;
use super::slots::{self, Start};
use super::worker::{Id, Message};
use super::workers::Workers;
use crate::evaluate::apply::{HostEvaluation, Overview, Wanted};
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::fleet::inventory;
use crate::report::live::Live;

pub struct Run {
    fleet: Fleet,
    request: Request,
    reuse: Reuse,
    live: Live,
    evaluations: Evaluations,
    assumed: Option<Overview>,
    /// A worker was told to say what the fleet is made of.
    asked: bool,
    /// What it said, if that is not what was assumed.
    other: Option<Overview>,
    workers: Workers,
    builds: Builds,
    /// Evaluated, and not yet given to a build process.
    ready: Vec<HostName>,
    evaluated: BTreeMap<HostName, HostEvaluation>,
    /// The inventory entries that were known, of what is evaluated, and of changed hosts that could not be evaluated further.
    entries: BTreeMap<HostName, inventory::Host>,
    hosts: BTreeMap<HostName, Host>,
    systems: Option<BTreeSet<String>>,
    /// What builds wait for, as it was told.
    waits: BTreeSet<String>,
    guard: Guard,
    next_id: Id,
    tell: UnboundedSender<Message>,
    heard: UnboundedReceiver<Message>,
    /// Dropped with the run, which ends every process of it.
    tasks: JoinSet<()>,
}

impl Run {
    /// `assumed`: what the fleet is made of was true of an earlier tree, and is to be held against this one.
    pub fn new(
        fleet: Fleet,
        request: Request,
        reuse: Reuse,
        live: Live,
        assumed: Option<Overview>,
    ) -> Self {
        let (tell, heard) = unbounded_channel();
        let to_evaluate: Vec<HostName> = (request.hosts.iter())
            .filter(|host| !reuse.holds(host))
            .cloned()
            .collect();
        let entries = request.entries.clone();
        Self {
            evaluations: Evaluations::new(to_evaluate, request.memory.clone()),
            assumed,
            asked: false,
            other: None,
            fleet,
            request,
            reuse,
            live,
            workers: Workers::default(),
            builds: Builds::default(),
            ready: Vec::new(),
            evaluated: BTreeMap::new(),
            entries,
            hosts: BTreeMap::new(),
            systems: None,
            waits: BTreeSet::new(),
            guard: Guard::default(),
            next_id: 0,
            tell,
            heard,
            tasks: JoinSet::new(),
        }
    }

    /// Evaluates and builds. A host that fails is no error of the run.
    ///
    /// # Errors
    /// If the fleet as a whole cannot be evaluated, or Nix cannot be started.
    pub async fn finish(mut self) -> Result<Finished> {
        let result = self.work().await;
        self.live.finish();
        if let Some(overview) = self.other {
            return Ok(Finished::Other(overview));
        }
        result?;
        let sizes = (self.hosts.values())
            .filter_map(|row| Some((row.toplevel.clone()?, row.closure_size?)))
            .collect();
        Ok(Finished::Done(Box::new(Done {
            evaluation: Evaluation {
                evaluated_before: 0,
                evaluated: self.evaluated.len(),
                workers: self.evaluations.memory.workers(),
                budget_bytes: self.evaluations.memory.budget(),
                peak_bytes: self.guard.peak(),
            },
            kept: self.reuse.keep(&self.evaluated, &self.entries, &sizes),
            hosts: self.hosts,
        })))
    }

    async fn work(&mut self) -> Result<()> {
        for known in self.reuse.certain() {
            self.take_known(known).await?;
        }
        loop {
            if self.evaluations.is_done() {
                self.settle().await?;
            }
            if self.other.is_some() {
                return Ok(());
            }
            self.start_workers();
            let wait = self.start_builds();
            if self.hosts.len() == self.request.hosts.len() {
                return Ok(());
            }
            if self.workers.is_empty() && self.builds.is_idle() {
                anyhow::bail!("nothing is left to do, and not all hosts are done");
            }
            let wait = if self.workers.is_empty() {
                wait
            } else {
                wait.min(self.guard.tick(&self.evaluations.memory))
            };
            // Whatever happens, we look again after a while: nothing is lost by an event that never comes.
            match tokio::time::timeout(wait, self.heard.recv()).await {
                Ok(Some(message)) => self.hear(message).await?,
                Ok(None) => anyhow::bail!("the build's tasks are gone"),
                Err(_) => (),
            }
            self.guard
                .look(&mut self.workers, &mut self.evaluations.memory);
        }
    }

    /// All that had to be evaluated is: what earlier runs found holds, or the rest is evaluated too.
    async fn settle(&mut self) -> Result<()> {
        let missing = self.reuse.missing_entries(&self.entries);
        if !missing.is_empty() {
            self.entries.extend(self.fleet.entries(&missing).await?);
        }
        for (host, evaluation) in self.reuse.settle(&self.entries) {
            match evaluation {
                Some(known) => self.take_known(known).await?,
                None => self.evaluations.add([host]),
            }
        }
        Ok(())
    }

    fn start_workers(&mut self) {
        while let Some(batch) = self.evaluations.next() {
            let id = self.id();
            let wanted = Wanted {
                // What the fleet is made of, before any host.
                overview: self.assumed.is_some() && !std::mem::replace(&mut self.asked, true),
                profile: self.request.profiles,
                ..Wanted::default()
            };
            let task = self.workers.start(id, &self.fleet, batch, wanted);
            self.tasks.spawn(task.run(self.tell.clone()));
        }
    }

    /// Starts what can be started; how long to wait before asking again.
    fn start_builds(&mut self) -> Duration {
        const LONG: Duration = Duration::from_secs(60);
        while !self.ready.is_empty() {
            let more = !self.evaluations.is_done() || self.reuse.is_open();
            let situation = self.builds.situation(self.request.jobs, more);
            match slots::start(situation) {
                Start::WhenFree => return LONG,
                Start::After(wait) => return wait,
                Start::Now { hosts, jobs } => {
                    let id = self.id();
                    let hosts = self.ready.drain(..hosts.min(self.ready.len()));
                    let hosts: Vec<HostName> = hosts.collect();
                    let toplevels = hosts
                        .into_iter()
                        .filter_map(|host| {
                            let toplevel = self.evaluation(&host)?.toplevel.clone()?;
                            Some((host, toplevel))
                        })
                        .collect();
                    let root = self.request.roots.join(format!("{id}"));
                    let task = self.builds.start(id, &self.fleet, toplevels, jobs, root);
                    self.tasks.spawn(task.run(self.tell.clone()));
                }
            }
        }
        LONG
    }

    fn evaluation(&self, host: &HostName) -> Option<&HostEvaluation> {
        self.evaluated.get(host).or_else(|| self.reuse.known(host))
    }

    fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }
}

/// Since when a host is evaluated or built.
pub fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

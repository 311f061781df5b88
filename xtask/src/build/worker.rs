//! Worker processes: one `nix eval` over a batch of hosts, and one `nix build` over the hosts that are ready. Each runs
//! in a task that sends what happens to the coordinator and decides nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use tokio::sync::mpsc::UnboundedSender;

use crate::evaluate::apply::{self, Wanted};
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::process::Output;
use crate::tools::nix::log;
use crate::tools::nix::path_info::PathInfo;

/// Numbers the workers and builds of one run.
pub type Id = usize;

/// What a task tells the coordinator.
#[derive(Debug)]
pub enum Message {
    /// An evaluation's process is there.
    WorkerStarted(Id, i32),
    WorkerSaid(Id, Box<apply::Event>),
    WorkerEnded(Id, Result<Output>),
    BuildSaid(Id, log::Event),
    BuildEnded(Id, Result<Built>),
}

/// What a build process left behind.
#[derive(Debug)]
pub struct Built {
    pub output: Output,
    /// What the store knows of the closures that are there now.
    pub closures: BTreeMap<StorePath, PathInfo>,
    /// Why nothing keeps them from being collected.
    pub unkept: Option<anyhow::Error>,
}

pub struct EvaluationTask {
    pub id: Id,
    pub fleet: Fleet,
    pub hosts: Vec<HostName>,
    pub wanted: Wanted,
    /// Bytes of heap; Nix ends with `out of memory` when it needs more.
    pub heap: u64,
}

impl EvaluationTask {
    pub async fn run(self, tell: UnboundedSender<Message>) {
        let Self {
            id, fleet, hosts, ..
        } = self;
        let expression = apply::expression(&hosts, self.wanted);
        let ended = fleet
            .nix
            .evaluation(&fleet.flake, fleet.stage, &expression)
            .env("GC_MAXIMUM_HEAP_SIZE", self.heap.to_string())
            // Workers share the cores; a collector that takes all of them for each worker slows every one down.
            .env("GC_MARKERS", "1")
            .watch(
                |pid| send(&tell, Message::WorkerStarted(id, pid)),
                |line| {
                    if let Some(event) = apply::event(line) {
                        send(&tell, Message::WorkerSaid(id, Box::new(event)));
                    }
                },
            )
            .await;
        send(&tell, Message::WorkerEnded(id, ended));
    }
}

pub struct BuildTask {
    pub id: Id,
    pub fleet: Fleet,
    /// Derivation and output of each host's toplevel.
    pub toplevels: Vec<apply::Toplevel>,
    pub jobs: u32,
    /// The first of the links that keep the closures from being collected; Nix numbers the others.
    pub root: PathBuf,
}

impl BuildTask {
    pub async fn run(self, tell: UnboundedSender<Message>) {
        let id = self.id;
        let ended = self.build(&tell).await;
        send(&tell, Message::BuildEnded(id, ended));
    }

    async fn build(self, tell: &UnboundedSender<Message>) -> Result<Built> {
        let nix = &self.fleet.nix;
        let derivations = self.toplevels.iter().map(|toplevel| &toplevel.drv);
        let output = nix
            .build(derivations, self.fleet.stage, self.jobs, &self.root)
            .stream(|line| {
                if let Some(event) = log::parse(line) {
                    send(tell, Message::BuildSaid(self.id, event));
                }
            })
            .await?;
        let outputs: Vec<&StorePath> = self.toplevels.iter().map(|it| &it.out).collect();
        let closures = nix.closures(&outputs).await?;
        let mut unkept = None;
        if !output.status.success() && !closures.is_empty() {
            // Nix makes no links for what it built when something else failed.
            let there: Vec<&StorePath> = closures.keys().collect();
            unkept = nix.add_roots(&there, &self.root).await.err();
        }
        Ok(Built {
            output,
            closures,
            unkept,
        })
    }
}

fn send(tell: &UnboundedSender<Message>, message: Message) {
    // The coordinator is gone only when the whole run is given up.
    let _ = tell.send(message);
}

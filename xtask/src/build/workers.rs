//! The evaluation workers that run: how far each is, what it takes, and how it ended.

use std::collections::BTreeMap;
use std::time::Instant;

use super::evaluations::{Batch, Ending};
use super::memory::Memory;
use super::run::seconds_since;
use super::worker::{EvaluationTask, Id};
use crate::evaluate::apply::{Event, HostEvaluation, Overview, Wanted};
use crate::evaluate::Fleet;
use crate::fleet::host::HostName;
use crate::process::{self, Output, Status};
use crate::report::words::counted;

/// Warnings of one host that are told; a trace in a loop would bury everything else.
const WARNINGS: usize = 20;

#[derive(Debug, Default)]
pub struct Workers(BTreeMap<Id, Worker>);

#[derive(Debug)]
struct Worker {
    batch: Batch,
    pid: Option<i32>,
    started: Instant,
    done: usize,
    begun: Option<Instant>,
    /// Warnings since the last host was done.
    warnings: usize,
    /// Resident bytes now, and when the last host was done.
    resident: u64,
    at_last_host: Option<u64>,
    /// We end it, for this reason.
    asked: Option<Ending>,
}

/// What a worker's word means.
#[derive(Debug, Default)]
pub struct Said {
    pub begun: Option<HostName>,
    /// Seconds that it took to begin its first host.
    pub start: Option<f64>,
    pub overview: Option<Overview>,
    /// An evaluated host and the seconds it took.
    pub done: Option<(HostEvaluation, f64)>,
    pub warning: Option<String>,
    /// That there were more warnings than were told.
    pub more_warnings: Option<String>,
}

/// A worker that ended, and what it left.
#[derive(Debug)]
pub struct Ended {
    pub batch: Batch,
    pub done: usize,
    pub begun: bool,
    pub ending: Ending,
    pub more_warnings: Option<String>,
    output: Output,
}

impl Workers {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `wanted` is what the worker says beside each host's toplevel and inventory entry.
    pub fn start(&mut self, id: Id, fleet: &Fleet, batch: Batch, wanted: Wanted) -> EvaluationTask {
        let task = EvaluationTask {
            id,
            fleet: fleet.clone(),
            hosts: batch.hosts.clone(),
            wanted: Wanted {
                inventory: true,
                toplevel: true,
                ..wanted
            },
            heap: batch.heap,
        };
        let worker = Worker {
            batch,
            pid: None,
            started: Instant::now(),
            done: 0,
            begun: None,
            warnings: 0,
            resident: 0,
            at_last_host: None,
            asked: None,
        };
        self.0.insert(id, worker);
        task
    }

    pub fn started(&mut self, id: Id, pid: i32) {
        if let Some(worker) = self.0.get_mut(&id) {
            worker.pid = Some(pid);
        }
    }

    pub fn pids(&self) -> impl Iterator<Item = (Id, i32)> + '_ {
        self.0
            .iter()
            .filter_map(|(&id, worker)| Some((id, worker.pid?)))
    }

    /// A worker's resident bytes as they are now.
    pub fn saw(&mut self, id: Id, bytes: u64, memory: &mut Memory) {
        if let Some(worker) = self.0.get_mut(&id) {
            worker.resident = bytes;
            memory.saw_resident(bytes, worker.batch.heap);
        }
    }

    /// A worker must be gone at once, because all of them together take too much.
    pub fn give_up(&mut self, id: Id) {
        if let Some(worker) = self.0.get_mut(&id) {
            worker.asked = Some(Ending::Memory);
            if let Some(pid) = worker.pid {
                process::kill(pid);
            }
        }
    }

    pub fn said(&mut self, id: Id, event: Event, memory: &mut Memory) -> Said {
        let Some(worker) = self.0.get_mut(&id) else {
            return Said::default();
        };
        match event {
            Event::Overview(overview) => Said {
                overview: Some(overview),
                ..Said::default()
            },
            Event::Warning(text) => {
                worker.warnings += 1;
                Said {
                    warning: (worker.warnings <= WARNINGS).then_some(text),
                    ..Said::default()
                }
            }
            Event::Begin(host) => {
                worker.begun = Some(Instant::now());
                let first = worker.done == 0;
                Said {
                    start: first.then(|| seconds_since(worker.started)),
                    begun: Some(host),
                    ..Said::default()
                }
            }
            Event::Done(evaluation) => {
                let seconds = worker.begun.take().map_or(0.0, seconds_since);
                worker.done += 1;
                worker.learn(memory);
                Said {
                    more_warnings: worker.more_warnings(Some(&evaluation.host)),
                    done: Some((evaluation, seconds)),
                    ..Said::default()
                }
            }
        }
    }

    pub fn ended(&mut self, id: Id, output: Output) -> Option<Ended> {
        let mut worker = self.0.remove(&id)?;
        let complete = worker.done == worker.batch.hosts.len();
        let ending = match worker.asked {
            // It had nothing left to do when it was asked.
            _ if complete && output.status.success() => Ending::Complete,
            Some(asked) => asked,
            None if ran_out_of_memory(&output) => Ending::Memory,
            None => Ending::Error,
        };
        let current = worker.batch.hosts.get(worker.done).cloned();
        Some(Ended {
            more_warnings: worker.more_warnings(current.as_ref()),
            done: worker.done,
            begun: worker.begun.is_some(),
            ending,
            batch: worker.batch,
            output,
        })
    }
}

impl Worker {
    /// How many warnings of a host were not told, if any; counts anew from here.
    fn more_warnings(&mut self, host: Option<&HostName>) -> Option<String> {
        let more = std::mem::take(&mut self.warnings).saturating_sub(WARNINGS);
        let host = host?;
        let warnings = counted(more, "more warning");
        (more > 0).then(|| format!("warning: {warnings} of host {host} not shown"))
    }

    /// A host is done: how much it grew, and whether there is room for another one.
    fn learn(&mut self, memory: &mut Memory) {
        if let Some(before) = self.at_last_host {
            memory.saw_growth(self.resident.saturating_sub(before));
        }
        self.at_last_host = Some(self.resident);
        let more = self.done < self.batch.hosts.len();
        if more && memory.is_full(self.resident, self.batch.alone) {
            self.asked = Some(Ending::Recycled);
            if let Some(pid) = self.pid {
                process::ask_to_end(pid);
            }
        }
    }
}

impl Ended {
    /// What went wrong, with file and line where Nix tells them.
    pub fn message(&self, fleet: &Fleet) -> String {
        fleet.worded(&fleet.error(&self.output))
    }
}

/// Nix 2.26 and 2.34 say `error: out of memory` when the heap's limit is reached; the kernel kills.
fn ran_out_of_memory(output: &Output) -> bool {
    let said = output
        .stderr
        .lines()
        .any(|line| line.trim_start().starts_with("error: out of memory"));
    let collector = || output.stderr.contains("GC Warning: Out of Memory!");
    match output.status {
        Status::Signal(9) => true,
        // The collector may leave Nix with a null pointer.
        Status::Signal(6 | 11) => collector(),
        Status::Code(0) => false,
        _ => said,
    }
}

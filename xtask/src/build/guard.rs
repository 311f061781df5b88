//! Keeps the evaluation workers within the memory budget: a heap's limit bounds most of a worker's memory, and this
//! bounds the rest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::worker::Id;
use super::workers::Workers;
use crate::process::usage;

/// How often the workers are looked at, and how often when they come near the budget: Nix can touch a gigabyte in a
/// second.
const TICK: Duration = Duration::from_millis(50);
const SHORT_TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub struct Guard {
    looked: Option<Instant>,
    /// Bytes that all workers had resident, when they were looked at last and at most.
    resident: u64,
    peak: u64,
}

impl Guard {
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// When to look again.
    pub fn tick(&self, memory: &Memory) -> Duration {
        if memory.is_near(self.resident) {
            SHORT_TICK
        } else {
            TICK
        }
    }

    /// Measures the workers, and gives up the largest if all together are about to take too much.
    pub fn look(&mut self, workers: &mut Workers, memory: &mut Memory) {
        // Every line that a worker or a build prints leads here.
        let just_looked = self.looked.is_some_and(|at| at.elapsed() < SHORT_TICK);
        if just_looked || workers.is_empty() {
            return;
        }
        self.looked = Some(Instant::now());
        let resident: BTreeMap<Id, u64> = workers
            .pids()
            .filter_map(|(id, pid)| Some((id, usage::resident(pid)?)))
            .collect();
        let sum: u64 = resident.values().sum();
        self.peak = self.peak.max(sum);
        for (&id, &bytes) in &resident {
            workers.saw(id, bytes, memory);
        }
        let before = std::mem::replace(&mut self.resident, sum);
        if memory.will_exceed(before, sum) {
            if let Some((&largest, _)) = resident.iter().max_by_key(|(_, bytes)| **bytes) {
                workers.give_up(largest);
            }
        }
    }
}

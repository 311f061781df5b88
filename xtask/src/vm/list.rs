//! The machines there are: those that run, those that are off and keep their disk, those that failed plays left.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use harness::{Harness, KeptAs};
use serde::Serialize;

use super::name::Name;
use super::place::{Place, Port};
use super::wire::{Answer, Ask, Line};
use crate::cache_dir::CacheDir;
use crate::scenarios::ground::worded;

/// A holder answers in milliseconds, if it answers.
const ANSWER: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    Running,
    /// It stands still: its kernel panicked, or its disk on this machine is full.
    Paused,
    /// Off, and its disk is kept.
    Stopped,
    /// A failed play's machine, with all that ran on it.
    Frozen,
    /// A failed play's machine that was off, or had panicked.
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub name: String,
    pub condition: Condition,
    pub generation: Option<String>,
    /// How long it has been running, or kept.
    pub seconds: u64,
    /// Resident.
    pub memory_bytes: Option<u64>,
    /// What is kept of it.
    pub disk_bytes: Option<u64>,
    pub ports: Vec<Port>,
    pub pid: Option<i32>,
}

/// What `vm list --json` prints.
#[derive(Debug, Serialize)]
pub struct Document {
    version: u32,
    machines: Vec<Machine>,
}

impl Document {
    pub fn of(machines: Vec<Machine>) -> Self {
        Self {
            version: 1,
            machines,
        }
    }
}

/// # Errors
/// If the cache cannot be read.
pub fn list(cache: &CacheDir) -> Result<Vec<Machine>> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let harness = Harness::without_tools(&cache.machines()).map_err(worded)?;
    let kept = harness.kept().map_err(worded)?;
    let bytes_of = |name: &Name| {
        let own = kept.iter().find(|kept| Name::of_kept(kept) == *name);
        own.map(harness::Kept::bytes)
    };
    let mut machines = Vec::new();
    let running = Place::running(cache)?;
    for state in &running {
        let status = Line::connect(state).and_then(|mut line| line.ask(&Ask::Status, ANSWER));
        let (memory, runs) = match status {
            Ok(Answer::Status { memory, running }) => (memory, running),
            // Its holder is busy; it is there all the same.
            _ => (None, true),
        };
        machines.push(Machine {
            name: state.name.to_string(),
            condition: match runs {
                true => Condition::Running,
                false => Condition::Paused,
            },
            generation: state.generation.clone(),
            seconds: now.saturating_sub(state.since),
            memory_bytes: memory,
            disk_bytes: bytes_of(&state.name),
            ports: state.ports.clone(),
            pid: Some(state.pid),
        });
    }
    for kept in &kept {
        let name = Name::of_kept(kept);
        if running.iter().any(|state| state.name == name) {
            continue;
        }
        machines.push(Machine {
            name: name.to_string(),
            condition: match kept.how {
                _ if name.is_host() => Condition::Stopped,
                KeptAs::Frozen => Condition::Frozen,
                KeptAs::Off => Condition::Off,
            },
            generation: kept.notes.get("generation").cloned(),
            seconds: now.saturating_sub(kept.since),
            memory_bytes: None,
            disk_bytes: Some(kept.bytes()),
            ports: Vec::new(),
            pid: None,
        });
    }
    machines.sort_by(|a, b| (a.condition, &a.name).cmp(&(b.condition, &b.name)));
    Ok(machines)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn of_a_cache_that_is_not_there_nothing_is_listed_and_nothing_made() {
        // Nobody makes a folder there, root included.
        let cache = CacheDir::at(Path::new("/sys/slipway"));
        assert_eq!(list(&cache).unwrap(), []);
    }
}

//! The verbs of a step's table: that there is exactly one, and that what stands beside it belongs to it.

use std::collections::BTreeMap;

use super::fault::{Fault, Result};
use super::model::Verb;
use super::nearest::listed;
use super::spot::Spot;
use super::tables::{NetworkTable, PointHere, StateTable, StepTable, Word};
use super::words::{DiskWord, NetworkWord, WordOr};

/// A verb with its value as written.
pub enum Written<'a> {
    Run(&'a Word),
    Wait(&'a PointHere),
    State(&'a Spot<BTreeMap<Word, Spot<StateTable>>>),
    /// A verb whose value is a machine.
    Machine(fn(String) -> Verb, &'a Word),
    Network(&'a Spot<WordOr<NetworkWord, NetworkTable>>),
    Disk(DiskWord),
    Clock(&'a Spot<i64>),
    Kill(&'a Word),
    Play(&'a Word),
}

impl Written<'_> {
    /// What a step is called that has no name.
    pub fn name(&self, verb: &str) -> String {
        let value = match self {
            Self::Run(word) | Self::Machine(_, word) | Self::Kill(word) | Self::Play(word) => {
                word.value.clone()
            }
            Self::Wait(Spot {
                value: WordOr::Word(point),
                ..
            }) => point.clone(),
            Self::Network(Spot {
                value: WordOr::Word(word),
                ..
            }) => word.to_string(),
            Self::Disk(word) => word.to_string(),
            Self::Clock(seconds) => seconds.value.to_string(),
            Self::Wait(_) | Self::State(_) | Self::Network(_) => return verb.to_owned(),
        };
        format!("{verb} {value}")
    }
}

fn verbs(table: &StepTable) -> Vec<(&'static str, Written<'_>)> {
    [
        ("run", table.run.as_ref().map(Written::Run)),
        ("wait", table.wait.as_ref().map(Written::Wait)),
        ("state", table.state.as_ref().map(Written::State)),
        ("reboot", of_machine(&table.reboot, Verb::Reboot)),
        ("power-cut", of_machine(&table.power_cut, Verb::PowerCut)),
        ("power-on", of_machine(&table.power_on, Verb::PowerOn)),
        ("freeze", of_machine(&table.freeze, Verb::Freeze)),
        ("thaw", of_machine(&table.thaw, Verb::Thaw)),
        ("network", table.network.as_ref().map(Written::Network)),
        ("disk", table.disk.map(Written::Disk)),
        ("clock", table.clock.as_ref().map(Written::Clock)),
        ("kill", table.kill.as_ref().map(Written::Kill)),
        ("play", table.play.as_ref().map(Written::Play)),
    ]
    .into_iter()
    .filter_map(|(verb, written)| Some((verb, written?)))
    .collect()
}

fn of_machine(word: &Option<Word>, verb: fn(String) -> Verb) -> Option<Written<'_>> {
    word.as_ref().map(|word| Written::Machine(verb, word))
}

pub fn only_verb(table: &Spot<StepTable>) -> Result<(&'static str, Written<'_>)> {
    let mut verbs = verbs(table);
    let two: Vec<&str> = verbs.iter().map(|(verb, _)| *verb).collect();
    match (verbs.pop(), two.len()) {
        (Some(only), 1) => Ok(only),
        (None, _) => Err(Fault::new(
            table.line,
            "has no verb, such as `run`, `wait` or `state`",
        )),
        _ => Err(Fault::new(
            table.line,
            format!("has more than one verb: {}", listed(&two)),
        )),
    }
}

/// Refuses what belongs to another verb.
pub fn beside(table: &Spot<StepTable>, verb: &str) -> Result<()> {
    let line = |word: &Option<Word>| word.as_ref().map(|word| word.line);
    let there = [
        ("on", line(&table.on)),
        ("user", line(&table.user)),
        ("expect", table.expect.as_ref().map(|expect| expect.line)),
        ("during", table.during.as_ref().map(|during| during.line)),
        ("at", line(&table.at)),
        ("signal", line(&table.signal)),
        ("within", table.within.as_ref().map(|within| within.line)),
        ("fails", line(&table.fails)),
    ];
    for (key, line) in there {
        let (Some(line), Some(verbs)) = (line, verbs_with(key)) else {
            continue;
        };
        if !verbs.contains(&verb) {
            let cause = format!(
                "`{key}` does not go with `{verb}`; it goes with {}",
                listed(verbs)
            );
            return Err(Fault::new(line, cause));
        }
    }
    if verb == "play" {
        if let Some(line) = line(&table.fails).or(table.within.as_ref().map(|within| within.line)) {
            let cause =
                "`within` and `fails` do not go with `play`; the steps of the block have their own";
            return Err(Fault::new(line, cause));
        }
    }
    match (&table.at, table.disk) {
        (Some(at), Some(DiskWord::ReadOnly | DiskWord::Writable)) => Err(Fault::new(
            at.line,
            "`at` does not go with `read-only` and `writable`, which mean all file systems",
        )),
        _ => Ok(()),
    }
}

/// The verbs that a key stands beside; None: all but `play`.
fn verbs_with(key: &str) -> Option<&'static [&'static str]> {
    match key {
        "on" => Some(&["run", "wait", "network", "disk", "clock", "kill"]),
        "user" | "expect" | "during" => Some(&["run"]),
        "at" => Some(&["disk"]),
        "signal" => Some(&["kill"]),
        _ => None,
    }
}

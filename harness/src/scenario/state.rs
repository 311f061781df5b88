//! The states that a step asks for or makes: of machines, networks and disks.

use std::collections::BTreeMap;

use super::condition::{Disk, Fact, Network};
use super::fault::{Fault, Result};
use super::model::LONGEST;
use super::names::Names;
use super::spot::Spot;
use super::tables::{NetworkTable, StateTable, Word};
use super::words::{DiskWord, NetworkWord, WordOr};

pub fn state(
    names: &Names<'_>,
    machines: &Spot<BTreeMap<Word, Spot<StateTable>>>,
) -> Result<BTreeMap<String, Vec<Fact>>> {
    if machines.is_empty() {
        return Err(Fault::new(machines.line, "`state` names no machine"));
    }
    let states = machines.iter().map(|(machine, state)| {
        let name = names.machine(machine)?;
        let of = |fault: Fault| fault.of(format!("state.{name}"));
        let facts = facts(names, machine.line, &name, state).map_err(of)?;
        Ok((name, facts))
    });
    states.collect()
}

fn facts(names: &Names<'_>, line: usize, machine: &str, state: &StateTable) -> Result<Vec<Fact>> {
    names.host_machine(line, machine, "state that could be told")?;
    let generation = |word: &Option<Word>, fact: fn(String) -> Fact| match word {
        Some(word) => Ok(Some(fact(names.generation(machine, word)?))),
        None => Ok(None),
    };
    let facts: Vec<Fact> = [
        generation(&state.running, Fact::Running)?,
        generation(&state.booted, Fact::Booted)?,
        generation(&state.boot_default, Fact::BootDefault)?,
        generation(&state.profile, Fact::Profile)?,
        state.reachable.map(Fact::Reachable),
        state.failed_units.clone().map(Fact::FailedUnits),
    ]
    .into_iter()
    .flatten()
    .collect();
    match facts.is_empty() {
        true => Err(Fault::new(line, "says nothing of the machine")),
        false => Ok(facts),
    }
}

pub fn network(written: &Spot<WordOr<NetworkWord, NetworkTable>>) -> Result<Network> {
    let refuse = |cause: String| Err(Fault::new(written.line, cause));
    match &written.value {
        WordOr::Word(NetworkWord::Cut) => Ok(Network::Cut),
        WordOr::Word(NetworkWord::Restored) => Ok(Network::Restored),
        WordOr::Word(NetworkWord::Unplugged) => Ok(Network::Unplugged),
        WordOr::Table(table) if !(0.0..=1.0).contains(&table.loss) => refuse(format!(
            "`loss` is {}, and a share is from 0 to 1",
            table.loss
        )),
        WordOr::Table(table) if table.delay_ms > LONGEST * 1000 => refuse(format!(
            "`delay-ms` is {}, and a day has {} ms",
            table.delay_ms,
            LONGEST * 1000
        )),
        WordOr::Table(table) if table.bytes_per_second == Some(0) => {
            refuse("no bytes in a second is `network = \"cut\"`".to_owned())
        }
        WordOr::Table(table) => Ok(Network::Shaped {
            delay_ms: table.delay_ms,
            loss: table.loss,
            bytes_per_second: table.bytes_per_second,
        }),
    }
}

pub fn disk(written: DiskWord) -> Disk {
    match written {
        DiskWord::Full => Disk::Full,
        DiskWord::Freed => Disk::Freed,
        DiskWord::ReadOnly => Disk::ReadOnly,
        DiskWord::Writable => Disk::Writable,
    }
}

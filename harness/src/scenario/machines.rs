//! What a machine is, from its table.

use super::condition::CONTROLLER;
use super::fault::{Fault, Result};
use super::model::{GenerationOf, HostMachine, Machine, AS_CONFIGURED, HELPERS};
use super::nearest::hint;
use super::resolve::Known;
use super::tables::{MachineTable, Word};
use crate::machine::is_machine_name;

/// The machine that the table `[machines.NAME]` declares.
pub fn declared(
    name: &Word,
    table: &MachineTable,
    scenario: &str,
    known: &Known,
) -> Result<Machine> {
    let refuse = |line, cause: String| Err(Fault::new(line, cause));
    if name.value == CONTROLLER {
        return refuse(
            name.line,
            "the controller is always there, and is not declared".to_owned(),
        );
    }
    if !is_machine_name(&name.value) {
        return refuse(
            name.line,
            "a machine's name has letters, digits and `-`, at most 48 of them".to_owned(),
        );
    }
    if table.helper {
        let first = table.generations.as_ref().and_then(|list| list.first());
        for (key, word) in [
            ("host", table.host.as_ref()),
            ("generations", first),
            ("in-store", table.in_store.first()),
        ] {
            if let Some(word) = word {
                return refuse(word.line, format!("a helper has no `{key}`"));
            }
        }
        return match HELPERS.contains(&name.value.as_str()) {
            true => Ok(Machine::Helper),
            false => Err(Fault::unknown(name.line, "helper", &name.value, HELPERS)),
        };
    }
    let host = table.host.as_ref().unwrap_or(name);
    if !known.hosts.contains(&host.value) {
        return match &table.host {
            Some(_) => Err(Fault::unknown(host.line, "host", &host.value, &known.hosts)),
            None => refuse(
                host.line,
                format!(
                    "no host is called so{} (a plain machine has `helper = true`)",
                    hint(name, &known.hosts)
                ),
            ),
        };
    }
    let mut generations: Vec<String> = Vec::new();
    for generation in table.generations.iter().flatten() {
        if generations.contains(&generation.value) {
            return refuse(
                generation.line,
                format!("the generation `{}` is here twice", generation.value),
            );
        }
        has_files(generation, scenario, known)?;
        generations.push(generation.value.clone());
    }
    if let (Some([]), true) = (table.generations.as_deref(), generations.is_empty()) {
        return refuse(
            name.line,
            "`generations` is empty, so nothing would be installed".to_owned(),
        );
    }
    if generations.is_empty() {
        generations.push(AS_CONFIGURED.to_owned());
    }
    let in_store = table
        .in_store
        .iter()
        .map(|word| match word.split_once('.') {
            Some((machine, generation)) => GenerationOf {
                machine: machine.to_owned(),
                generation: generation.to_owned(),
            },
            None => GenerationOf {
                machine: name.value.clone(),
                generation: word.value.clone(),
            },
        });
    Ok(Machine::Host(HostMachine {
        host: host.value.clone(),
        generations,
        in_store: in_store.collect(),
    }))
}

/// Each part of the name, which `+` joins, has a file.
fn has_files(generation: &Word, scenario: &str, known: &Known) -> Result<()> {
    let mut parts = generation.value.split('+');
    parts.try_for_each(|part| has_file(generation.line, part, scenario, known))
}

fn has_file(line: usize, name: &str, scenario: &str, known: &Known) -> Result<()> {
    if name == AS_CONFIGURED || (known.generations.contains(name) && name != "address") {
        return Ok(());
    }
    let cause = match name == "address" {
        true => "no generation can be called `address`: `{{MACHINE.address}}` is the machine's"
            .to_owned(),
        false => {
            let names = known
                .generations
                .iter()
                .map(String::as_str)
                .chain([AS_CONFIGURED]);
            format!(
                "unknown generation `{name}`: there is neither scenarios/{scenario}/{name}.nix nor generations/{name}.nix in \
                 tests/{}",
                hint(name, names)
            )
        }
    };
    Err(Fault::new(line, cause))
}

//! The names of one cell: its machines and their generations, points and blocks; which of them are used.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Place, CONTROLLER};
use super::each::Cell;
use super::fault::{Fault, Result};
use super::machines::declared;
use super::model::{GenerationOf, HostMachine, Machine};
use super::nearest::{hint, listed};
use super::resolve::Known;
use super::tables::{ScenarioTable, Word};

/// Everything that a step may name, for one cell.
pub struct Names<'a> {
    pub table: &'a ScenarioTable,
    pub machines: BTreeMap<String, Machine>,
    pub uses: &'a Uses,
    pub known: &'a Known,
}

/// What was named so far, in any cell.
#[derive(Debug, Default)]
pub struct Uses {
    generations: RefCell<BTreeSet<GenerationOf>>,
    words: RefCell<BTreeSet<(&'static str, String)>>,
}

impl Uses {
    pub fn generation(&self, machine: &str, generation: &str) {
        self.generations.borrow_mut().insert(GenerationOf {
            machine: machine.to_owned(),
            generation: generation.to_owned(),
        });
    }

    /// `what` is `point` or `block`.
    pub fn word(&self, what: &'static str, name: &str) {
        self.words.borrow_mut().insert((what, name.to_owned()));
    }

    fn has_word(&self, what: &'static str, name: &str) -> bool {
        self.words.borrow().contains(&(what, name.to_owned()))
    }
}

impl<'a> Names<'a> {
    pub fn of(
        table: &'a ScenarioTable,
        scenario: &str,
        known: &'a Known,
        uses: &'a Uses,
    ) -> Result<Self> {
        let mut machines = BTreeMap::new();
        for (name, machine) in &table.machines {
            let of = |fault: Fault| fault.of(format!("machine {}", name.value));
            machines.insert(
                name.value.clone(),
                declared(name, machine, scenario, known).map_err(of)?,
            );
        }
        let names = Self {
            table,
            machines,
            uses,
            known,
        };
        names.one_machine_a_host()?;
        names.in_stores()?;
        Ok(names)
    }

    /// Addresses are the hosts', so that closures need not differ from scenario to scenario.
    fn one_machine_a_host(&self) -> Result<()> {
        let mut by_host = BTreeMap::new();
        for name in self.table.machines.keys() {
            if let Some(Machine::Host(HostMachine { host, .. })) = self.machines.get(&name.value) {
                if let Some(other) = by_host.insert(host, &name.value) {
                    let cause = format!("`{other}` is the host {host} already, and two machines would have one address");
                    return Err(Fault::new(name.line, cause).of(format!("machine {}", name.value)));
                }
            }
        }
        Ok(())
    }

    fn in_stores(&self) -> Result<()> {
        for (name, table) in &self.table.machines {
            for word in &table.in_store {
                let (machine, generation) = match word.split_once('.') {
                    Some((machine, generation)) => (machine, generation),
                    None => (name.value.as_str(), word.as_str()),
                };
                self.generation_at(word.line, machine, generation)
                    .map_err(|fault| fault.of(format!("machine {}, in-store", name.value)))?;
            }
        }
        Ok(())
    }

    pub fn machine(&self, name: &Word) -> Result<String> {
        if self.machines.contains_key(&name.value) {
            return Ok(name.value.clone());
        }
        if name.value == CONTROLLER {
            return Err(Fault::new(
                name.line,
                "the controller is where commands start, and this needs a machine of the scenario",
            ));
        }
        Err(Fault::unknown(
            name.line,
            "machine",
            &name.value,
            self.machines.keys(),
        ))
    }

    pub fn place(&self, name: &Word) -> Result<Place> {
        if name.value == CONTROLLER {
            return Ok(Place::Controller);
        }
        let names = self.machines.keys().map(String::as_str).chain([CONTROLLER]);
        match self.machines.contains_key(&name.value) {
            true => Ok(Place::Machine(name.value.clone())),
            false => Err(Fault::unknown(name.line, "machine", &name.value, names)),
        }
    }

    /// What is meant where no machine is said.
    pub fn only_machine(&self, line: usize) -> Result<String> {
        let names: Vec<&String> = self.machines.keys().collect();
        match names[..] {
            [name] => Ok(name.clone()),
            [] => Err(Fault::new(
                line,
                "the scenario has no machines to do this on",
            )),
            _ => Err(Fault::new(
                line,
                format!("`on` is missing: it may be {}", listed(&names)),
            )),
        }
    }

    /// The name of a host's machine; helpers are refused for `what`.
    pub fn host_machine(&self, line: usize, machine: &str, what: &str) -> Result<&HostMachine> {
        match self.machines.get(machine) {
            Some(Machine::Host(host)) => Ok(host),
            Some(Machine::Helper) => Err(Fault::new(
                line,
                format!("`{machine}` is a helper, which has no {what}"),
            )),
            None => Err(Fault::unknown(
                line,
                "machine",
                machine,
                self.machines.keys(),
            )),
        }
    }

    /// A generation of this machine; it counts as used.
    pub fn generation(&self, machine: &str, generation: &Word) -> Result<String> {
        self.generation_at(generation.line, machine, &generation.value)
    }

    pub fn generation_at(&self, line: usize, machine: &str, generation: &str) -> Result<String> {
        let host = self.host_machine(line, machine, "generations")?;
        if !host.generations.iter().any(|known| known == generation) {
            let hint = hint(generation, &host.generations);
            return Err(Fault::new(
                line,
                format!("machine {machine} has no generation `{generation}`{hint}"),
            ));
        }
        self.uses.generation(machine, generation);
        Ok(generation.to_owned())
    }

    /// `{{machine.address}}`, `{{machine.generation}}` or `{{machine.generation.profile}}`.
    pub fn placeholder(&self, line: usize, word: &str, cell: &Cell) -> Result<()> {
        let parts: Vec<&str> = word.split('.').collect();
        let known = match parts[..] {
            [machine, "address"] => self.machines.contains_key(machine),
            [machine, generation] | [machine, generation, "profile"] => {
                self.generation_at(line, machine, generation).is_ok()
            }
            _ => false,
        };
        match known {
            true => Ok(()),
            false => Err(Fault::new(
                line,
                format!(
                    "unknown placeholder `{{{{{word}}}}}`{}",
                    hint(word, self.placeholders(cell))
                ),
            )),
        }
    }

    fn placeholders(&self, cell: &Cell) -> Vec<String> {
        let mut words: Vec<String> = cell.keys().map(str::to_owned).collect();
        for (name, machine) in &self.machines {
            words.push(format!("{name}.address"));
            if let Machine::Host(host) = machine {
                for generation in &host.generations {
                    words.push(format!("{name}.{generation}"));
                    words.push(format!("{name}.{generation}.profile"));
                }
            }
        }
        words
    }

    pub fn hosts(&self) -> impl Iterator<Item = (&String, &HostMachine)> {
        self.machines
            .iter()
            .filter_map(|(name, machine)| match machine {
                Machine::Host(host) => Some((name, host)),
                Machine::Helper => None,
            })
    }

    /// What is declared in this cell and named in none. The first generation runs and is thereby used.
    pub fn unused(&self) -> Result<()> {
        for (name, table) in &self.table.machines {
            for generation in table.generations.iter().flatten().skip(1) {
                let used = GenerationOf {
                    machine: name.value.clone(),
                    generation: generation.value.clone(),
                };
                if !self.uses.generations.borrow().contains(&used) {
                    let cause = format!(
                        "nothing names the generation `{0}`: no deployment (`./{0}#{1}`), no state, point or placeholder, no \
                         `in-store`",
                        generation.value, name.value
                    );
                    return Err(
                        Fault::new(generation.line, cause).of(format!("machine {}", name.value))
                    );
                }
            }
        }
        let unused = |what: &'static str, name: &Word| {
            let fault = || {
                Fault::new(
                    name.line,
                    format!("nothing names the {what} `{}`", name.value),
                )
            };
            match self.uses.has_word(what, &name.value) {
                true => Ok(()),
                false => Err(fault()),
            }
        };
        self.table
            .points
            .keys()
            .try_for_each(|name| unused("point", name))?;
        self.table
            .blocks
            .keys()
            .try_for_each(|name| unused("block", name))
    }
}

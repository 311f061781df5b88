//! From a step's table to a step: its one verb, what may stand beside it, and the names in it.

use super::condition::Place;
use super::expect::expect;
use super::fault::{Fault, Result};
use super::model::{During, Run, RunBy, Step, Verb, LONGEST};
use super::names::Names;
use super::points::{point, Use};
use super::spot::Spot;
use super::state::{disk, network, state};
use super::tables::{DuringTable, StepTable, Word};
use super::verbs::{beside, only_verb, Written};

/// The steps of a scenario or a block, with what is put in from blocks.
pub struct Steps<'a> {
    pub names: &'a Names<'a>,
    /// The file's text, line by line.
    pub text: &'a [&'a str],
}

/// Where a list of steps stands.
#[derive(Clone, Default)]
struct Within {
    /// The names of the steps that play the blocks around it, outermost first.
    outer: Vec<String>,
    /// Those blocks.
    blocks: Vec<String>,
    during: bool,
}

impl Steps<'_> {
    pub fn all(&self) -> Result<Vec<Step>> {
        let steps = self.list(&self.names.table.steps, &Within::default())?;
        for (at, step) in steps.iter().enumerate() {
            if let Some(first) = steps.iter().take(at).find(|first| first.name == step.name) {
                let cause = format!("the step of line {} has that name, too", first.line);
                return Err(Fault::new(step.line, cause).of(format!("step \"{}\"", step.name)));
            }
        }
        Ok(steps)
    }

    fn list(&self, tables: &[Spot<StepTable>], within: &Within) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for table in tables {
            let (verb, written) =
                only_verb(table).map_err(|fault| fault.of(called(table, "step")))?;
            let name = match &table.name {
                Some(name) => name.value.clone(),
                None if within.blocks.is_empty() && !within.during => {
                    return Err(Fault::new(
                        table.line,
                        format!("a step with `{verb}` has no name"),
                    ));
                }
                None => written.name(verb),
            };
            let named = |fault: Fault| fault.of(format!("step \"{name}\""));
            beside(table, verb).map_err(named)?;
            match written {
                Written::Play(block) => {
                    steps.extend(self.block(block, &name, within).map_err(named)?)
                }
                _ => steps.push(
                    self.step(table, verb, written, &name, within)
                        .map_err(named)?,
                ),
            }
        }
        Ok(steps)
    }

    fn block(&self, block: &Word, name: &str, within: &Within) -> Result<Vec<Step>> {
        let blocks = &self.names.table.blocks;
        let Some((_, tables)) = blocks.iter().find(|(known, _)| *known == block) else {
            let known = blocks.keys().map(|name| name.value.as_str());
            return Err(Fault::unknown(block.line, "block", block, known));
        };
        if within.blocks.contains(&block.value) {
            return Err(Fault::new(
                block.line,
                format!("the block `{}` plays itself", block.value),
            ));
        }
        self.names.uses.word("block", block);
        let mut inside = within.clone();
        inside.outer.push(name.to_owned());
        inside.blocks.push(block.value.clone());
        self.list(tables, &inside)
    }

    fn step(
        &self,
        table: &Spot<StepTable>,
        verb: &str,
        written: Written<'_>,
        name: &str,
        within: &Within,
    ) -> Result<Step> {
        let seconds = match &table.within {
            Some(seconds) if seconds.value == 0 => {
                return Err(Fault::new(
                    seconds.line,
                    "`within` is 0, and nothing happens in no time",
                ));
            }
            Some(seconds) if seconds.value > LONGEST => {
                return Err(Fault::new(
                    seconds.line,
                    format!("`within` is {}, and a day has {LONGEST} s", seconds.value),
                ));
            }
            Some(seconds) => seconds.value,
            None => usual_time(verb),
        };
        if let Some(text) = table.fails.as_ref().filter(|text| text.trim().is_empty()) {
            return Err(Fault::new(
                text.line,
                "`fails` is empty, and every failure has that in it",
            ));
        }
        let mut path = within.outer.clone();
        path.push(name.to_owned());
        Ok(Step {
            name: path.join(": "),
            within: seconds,
            fails: table.fails.as_ref().map(|text| text.value.clone()),
            verb: self.verb(table, written, within)?,
            line: table.line,
            written: self
                .text
                .get(table.line - 1..table.last)
                .unwrap_or_default()
                .join("\n"),
        })
    }

    fn verb(&self, table: &Spot<StepTable>, written: Written<'_>, within: &Within) -> Result<Verb> {
        let names = self.names;
        let on = || match &table.on {
            Some(on) => names.machine(on),
            None => names.only_machine(table.line),
        };
        Ok(match written {
            Written::Run(command) => Verb::Run(Box::new(self.run(table, command, within)?)),
            Written::Wait(written) => {
                Verb::Wait(point(names, written, Use::Wait(table.on.as_ref()))?)
            }
            Written::State(machines) => Verb::State(state(names, machines)?),
            Written::Machine(verb, machine) => verb(names.machine(machine)?),
            Written::Network(condition) => Verb::Network {
                on: on()?,
                condition: network(condition)?,
            },
            Written::Disk(condition) => Verb::Disk {
                on: on()?,
                at: match &table.at {
                    Some(at) if !at.starts_with('/') => {
                        return Err(Fault::new(
                            at.line,
                            format!("`{}` is no place: it begins with /", at.value),
                        ))
                    }
                    Some(at) => at.value.clone(),
                    None => "/".to_owned(),
                },
                condition: disk(condition),
            },
            Written::Clock(seconds) => Verb::Clock {
                on: on()?,
                seconds: seconds.value,
            },
            Written::Kill(pattern) => Verb::Kill {
                on: table
                    .on
                    .as_ref()
                    .map_or(Ok(Place::Controller), |on| names.place(on))?,
                pattern: pattern.value.clone(),
                signal: match &table.signal {
                    Some(signal) => known_signal(signal)?,
                    None => "KILL".to_owned(),
                },
            },
            Written::Play(block) => {
                return Err(Fault::new(
                    block.line,
                    "a block is put in, not played as one step",
                ))
            }
        })
    }

    fn run(&self, table: &StepTable, command: &Word, within: &Within) -> Result<Run> {
        self.names.deployments(command.line, command)?;
        let by = match table
            .on
            .as_ref()
            .map_or(Ok(Place::Controller), |on| self.names.place(on))?
        {
            Place::Machine(machine) => RunBy::User {
                machine,
                user: table.user.as_ref().map_or("root", |user| user).to_owned(),
            },
            Place::Controller => match &table.user {
                Some(user) => {
                    return Err(Fault::new(
                        user.line,
                        "the controller has no other users: `user` is for machines",
                    ))
                }
                None => RunBy::Controller,
            },
        };
        let during = match &table.during {
            Some(during) if within.during => {
                return Err(Fault::new(
                    during.line,
                    "a step of `then` cannot have a `during` of its own",
                ));
            }
            Some(during) => Some(
                self.during(during, within)
                    .map_err(|fault| fault.of("during"))?,
            ),
            None => None,
        };
        Ok(Run {
            command: command.value.clone(),
            by,
            expect: expect(self.names, table.expect.as_deref())
                .map_err(|fault| fault.of("expect"))?,
            during,
        })
    }

    fn during(&self, during: &Spot<DuringTable>, within: &Within) -> Result<During> {
        if during.then.is_empty() {
            return Err(Fault::new(during.line, "`then` has no steps"));
        }
        let inside = Within {
            outer: Vec::new(),
            blocks: within.blocks.clone(),
            during: true,
        };
        Ok(During {
            when: point(self.names, &during.when, Use::During)?,
            before: match &during.before {
                Some(before) => Some(point(self.names, before, Use::During)?),
                None => None,
            },
            then: self.list(&during.then, &inside)?,
        })
    }
}

/// What a step is called in errors.
fn called(table: &StepTable, otherwise: &str) -> String {
    match &table.name {
        Some(name) => format!("step \"{}\"", name.value),
        None => otherwise.to_owned(),
    }
}

fn usual_time(verb: &str) -> u64 {
    match verb {
        "wait" => 30,
        "state" => 5,
        // Stopping all units, firmware, loader, kernel and the units again.
        "reboot" | "disk" => 300,
        "power-on" => 200,
        _ => 60,
    }
}

/// A signal's name, without `SIG`.
fn known_signal(word: &Word) -> Result<String> {
    if crate::process::signal(word).is_ok() {
        return Ok(word.value.clone());
    }
    let all: Vec<&str> = nix::sys::signal::Signal::iterator()
        .map(|signal| signal.as_str().trim_start_matches("SIG"))
        .collect();
    Err(Fault::unknown(word.line, "signal", &word.value, &all))
}

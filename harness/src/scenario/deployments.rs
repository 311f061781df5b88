//! What a command deploys, as far as a scenario's words tell: the generations and machines that it names.

use std::collections::BTreeSet;

use super::each::is_name_char;
use super::fault::{Fault, Result};
use super::names::Names;

impl Names<'_> {
    /// The generations whose flakes a command names, as in `deploy ./good#Niko`; without a machine, those of all. What
    /// `deploy` is told has to be there; of another command's files only those that are called so are generations. A
    /// fleet is made of `Niko=good`.
    pub fn deployments(&self, line: usize, command: &str) -> Result<()> {
        self.assigned(line, command)?;
        for (at, path) in command.match_indices("./") {
            let before = &command[..at];
            let last = before.chars().next_back();
            if last.is_some_and(|c| is_name_char(c) || c == '.' || c == '/') {
                continue;
            }
            let deploys = is_of_deploy(before);
            let (generation, rest) = generation_of(&command[at + path.len()..]);
            let having: Vec<&String> = self
                .hosts()
                .filter(|(_, host)| host.generations.iter().any(|known| known == generation))
                .map(|(machine, _)| machine)
                .collect();
            match rest.strip_prefix('#').map(name_of) {
                Some((node, _)) if !node.is_empty() => {
                    if deploys || self.machines.contains_key(node) || !having.is_empty() {
                        self.generation_at(line, node, generation)?;
                        self.deployed(line, node)?;
                    }
                }
                _ if deploys && having.is_empty() => {
                    let all = self.hosts().flat_map(|(_, host)| &host.generations);
                    let all: BTreeSet<&String> = all.collect();
                    return Err(Fault::unknown(line, "generation", generation, all));
                }
                _ => having
                    .iter()
                    .for_each(|machine| self.uses.generation(machine, generation)),
            }
        }
        Ok(())
    }

    /// What `sh fleet.sh Niko=good` gives to machines.
    fn assigned(&self, line: usize, command: &str) -> Result<()> {
        let words = command.split(|c: char| !is_name_char(c) && !"+=./".contains(c));
        for (machine, generation) in words.filter_map(|word| word.split_once('=')) {
            if self.hosts().any(|(name, _)| name == machine) {
                self.generation_at(line, machine, generation)?;
                self.deployed(line, machine)?;
            }
        }
        Ok(())
    }

    /// Whether there is something to deploy to a machine.
    fn deployed(&self, line: usize, machine: &str) -> Result<()> {
        let host = &self.host_machine(line, machine, "generations")?.host;
        match self.known.not_deployed.contains(host) {
            true => Err(Fault::new(
                line,
                format!("machine {machine} is the host {host}, which is never deployed"),
            )),
            false => Ok(()),
        }
    }
}

/// Whether what follows belongs to `deploy`, and not to another command of the same line.
fn is_of_deploy(before: &str) -> bool {
    let own = before.rsplit(['\n', ';', '|', '&', '(']).next();
    let mut words = own.unwrap_or_default().split_whitespace();
    // Variables may stand in front of it.
    words.find(|word| !word.contains('=')) == Some("deploy")
}

/// The name that a text begins with, and what follows it.
fn name_of(text: &str) -> (&str, &str) {
    begin(text, is_name_char)
}

/// The same for a generation, whose name may be made of several.
fn generation_of(text: &str) -> (&str, &str) {
    begin(text, |c| is_name_char(c) || c == '+')
}

fn begin(text: &str, belongs: fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

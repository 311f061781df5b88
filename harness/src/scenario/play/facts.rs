//! What is true of a machine: asked over the control channel, put into the scenario's words, held against what is
//! expected. Paths of the store become names of generations here and nowhere else.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::controller::Desk;
use super::ground::Closures;
use crate::error::{Error, ErrorKind, Result};
use crate::machine::{Exec, Machine};
use crate::scenario::Fact;

/// Guest seconds for one look.
const LOOK: Duration = Duration::from_secs(20);

/// A fact, and what is the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub holds: bool,
    pub expected: String,
    pub found: String,
}

/// An entry in `bootctl list --json=short`: what firmware and loader would take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BootEntry {
    id: String,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    options: Option<String>,
}

/// The closures of a play, asked by path or by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub closures: &'a Closures,
    pub machine: &'a str,
}

/// The link that says it; for the boot default, the loader is asked.
const RUNNING: &str = "/run/current-system";
const BOOTED: &str = "/run/booted-system";
const PROFILE: &str = "/nix/var/nix/profiles/system";

/// Whoever looks at a machine.
pub(super) struct Look<'a> {
    pub machine: &'a Machine,
    pub names: Names<'a>,
    pub desk: &'a Desk,
    /// As whom `reachable` logs in.
    pub user: &'a str,
}

impl Look<'_> {
    /// All facts, in their order. Reachability takes a second and is asked only if all else holds.
    pub fn at(&self, facts: &[Fact]) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut all_hold = true;
        for fact in facts.iter().filter(|fact| !is_slow(fact)) {
            let finding = self.one(fact)?;
            all_hold &= finding.holds;
            findings.push(finding);
        }
        if all_hold {
            for fact in facts.iter().filter(|fact| is_slow(fact)) {
                findings.push(self.one(fact)?);
            }
        }
        Ok(findings)
    }

    fn one(&self, fact: &Fact) -> Result<Finding> {
        Ok(match fact {
            Fact::Running(generation) => {
                self.generation("running", generation, self.link(RUNNING)?)
            }
            Fact::Booted(generation) => self.generation("booted", generation, self.link(BOOTED)?),
            Fact::Profile(generation) => {
                self.generation("profile", generation, self.link(PROFILE)?)
            }
            Fact::BootDefault(generation) => {
                self.generation("boot-default", generation, self.boot_default()?)
            }
            Fact::Reachable(wanted) => {
                let within = self.machine.host_time(LOOK);
                let reached = self.desk.reaches(self.user, self.machine.name(), within)?;
                plain("reachable", wanted, &reached)
            }
            Fact::FailedUnits(wanted) => {
                let mut wanted = wanted.clone();
                wanted.sort();
                let text = self.ask(&[
                    "systemctl",
                    "list-units",
                    "--state=failed",
                    "--plain",
                    "--no-legend",
                    "--full",
                ])?;
                plain("failed-units", &wanted, &failed_units(&text))
            }
        })
    }

    fn generation(&self, what: &str, wanted: &str, found: Place) -> Finding {
        let holds = match &found {
            Place::Closure(path) => self.names.is(wanted, path),
            Place::Elsewhere(_) => false,
        };
        let found = match found {
            Place::Closure(path) => self.names.of(&path),
            Place::Elsewhere(said) => said,
        };
        Finding {
            holds,
            expected: format!("{what} = {wanted}"),
            found: format!("{what} = {found}"),
        }
    }

    fn link(&self, link: &str) -> Result<Place> {
        let output = self
            .machine
            .exec(Exec::new(["readlink", "-e", link]).timeout(LOOK))?;
        Ok(match output.success() {
            true => Place::Closure(output.text()),
            false => Place::Elsewhere("nothing".to_owned()),
        })
    }

    /// What the loader would start if nobody chose.
    fn boot_default(&self) -> Result<Place> {
        let listed = self.ask(&["bootctl", "list", "--json=short"])?;
        let found = default_entry(&listed)?;
        let Place::Closure(init) = &found else {
            return Ok(found);
        };
        let Some(folder) = init.strip_suffix("/init") else {
            return Ok(Place::Elsewhere(format!("an entry that starts {init}")));
        };
        if self.names.knows(folder) {
            return Ok(Place::Closure(folder.to_owned()));
        }
        // A tree of links around the toplevel, perhaps.
        match self.link(init)? {
            Place::Closure(real) => Ok(Place::Closure(
                real.strip_suffix("/init").unwrap_or(&real).to_owned(),
            )),
            Place::Elsewhere(_) => Ok(Place::Elsewhere(format!(
                "an entry that starts {init}, which does not exist"
            ))),
        }
    }

    fn ask(&self, argv: &[&str]) -> Result<String> {
        let output = self
            .machine
            .exec(Exec::new(argv.iter().copied()).timeout(LOOK))?;
        match output.success() {
            true => Ok(output.text()),
            false => Err(Error::new(
                ErrorKind::Command,
                format!(
                    "`{}` exited {} on {}: {}",
                    argv.join(" "),
                    output.code,
                    self.machine.name(),
                    output.last_lines(3)
                ),
            )),
        }
    }
}

fn is_slow(fact: &Fact) -> bool {
    matches!(fact, Fact::Reachable(_))
}

/// Where a link or an entry leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Closure(String),
    /// Said in words.
    Elsewhere(String),
}

fn plain<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: &T) -> Finding {
    Finding {
        holds: wanted == found,
        expected: format!("{what} = {wanted:?}"),
        found: format!("{what} = {found:?}"),
    }
}

fn failed_units(text: &str) -> Vec<String> {
    let mut units: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    units.sort();
    units
}

/// The init that the default entry names.
fn default_entry(json: &str) -> Result<Place> {
    let entries: Vec<BootEntry> = serde_json::from_str(json).map_err(|e| {
        Error::new(
            ErrorKind::Command,
            format!("`bootctl list --json=short` said something else: {e}"),
        )
    })?;
    let Some(entry) = entries.into_iter().find(|entry| entry.is_default) else {
        return Ok(Place::Elsewhere("no entry at all".to_owned()));
    };
    let init = entry
        .options
        .as_deref()
        .unwrap_or_default()
        .split_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix("init="));
    Ok(match init {
        Some(init) => Place::Closure(init.to_owned()),
        None => Place::Elsewhere(format!("the entry {}, which names no generation", entry.id)),
    })
}

impl Names<'_> {
    /// Whether this path is that generation of the machine, be it what runs or what a deployment copies.
    pub fn is(&self, generation: &str, path: &str) -> bool {
        let path = Path::new(path);
        self.closures.iter().any(|(of, closure)| {
            of.machine == self.machine
                && of.generation == generation
                && (closure.toplevel == path || closure.profile == path)
        })
    }

    fn knows(&self, path: &str) -> bool {
        let path = Path::new(path);
        self.closures
            .values()
            .any(|closure| closure.toplevel == path || closure.profile == path)
    }

    /// The names of a path, this machine's own before others'.
    pub fn of(&self, path: &str) -> String {
        let at = Path::new(path);
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (of, closure) in self.closures {
            if closure.toplevel == at || closure.profile == at {
                match of.machine == self.machine {
                    true => own.push(of.generation.clone()),
                    false => others.push(format!("{}.{}", of.machine, of.generation)),
                }
            }
        }
        match (own.is_empty(), others.is_empty()) {
            (false, _) => own.join(" or "),
            (true, false) => others.join(" or "),
            (true, true) => format!("an unknown closure {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::play::ground::Closure;
    use crate::scenario::GenerationOf;

    fn closures() -> Closures {
        [
            ("Niko", "good", "1"),
            ("Niko", "bad", "2"),
            ("Other", "good", "3"),
        ]
        .map(|(machine, generation, hash)| {
            (
                GenerationOf {
                    machine: machine.to_owned(),
                    generation: generation.to_owned(),
                },
                Closure {
                    toplevel: format!("/nix/store/{hash}-nixos").into(),
                    profile: format!("/nix/store/{hash}-activatable").into(),
                    host: "null".to_owned(),
                },
            )
        })
        .into()
    }

    #[test]
    fn a_path_has_the_name_of_its_generation() {
        let closures = closures();
        let names = Names {
            closures: &closures,
            machine: "Niko",
        };
        assert_eq!(names.of("/nix/store/2-activatable"), "bad");
        assert_eq!(names.of("/nix/store/3-nixos"), "Other.good");
        assert_eq!(
            names.of("/nix/store/9-nixos"),
            "an unknown closure /nix/store/9-nixos"
        );
        assert!(names.is("good", "/nix/store/1-nixos"));
        assert!(names.is("good", "/nix/store/1-activatable"));
        assert!(!names.is("good", "/nix/store/3-nixos"));
    }

    #[test]
    fn the_default_is_what_the_loader_would_start() {
        let listed = r#"[
            {"id":"nixos-generation-2.conf","isDefault":false,"options":"init=/nix/store/2-nixos/init"},
            {"id":"nixos-generation-1.conf","isDefault":true,"options":"init=/nix/store/1-nixos/init loglevel=4"}]"#;
        assert_eq!(
            default_entry(listed).unwrap(),
            Place::Closure("/nix/store/1-nixos/init".to_owned())
        );
        let other = r#"[{"id":"debian.conf","isDefault":true,"options":"root=/dev/vda2"}]"#;
        assert_eq!(
            default_entry(other).unwrap(),
            Place::Elsewhere("the entry debian.conf, which names no generation".to_owned())
        );
        assert!(default_entry("nothing").is_err());
    }

    #[test]
    fn failed_units_are_read_from_plain_lines() {
        let text = "b.service loaded failed failed Two\na.service loaded failed failed One\n";
        assert_eq!(failed_units(text), ["a.service", "b.service"]);
        let finding = plain("failed-units", &vec!["a".to_owned()], &Vec::new());
        assert!(!finding.holds);
        assert_eq!(finding.expected, "failed-units = [\"a\"]");
    }
}

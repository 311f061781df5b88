//! What each stage's player cannot do, from the one table that both players and the NixOS tests read
//! (tests/nixos/capabilities.toml).

use std::path::Path;

use anyhow::{Context, Result};
use harness::scenario::{Network, Play, Point, Sight, Step, Verb};
use serde::Deserialize;

use crate::failure::Failure;
use crate::fleet::stage::Stage;

const FILE: &str = "tests/nixos/capabilities.toml";

/// For a fleet that has no table of its own.
const EMBEDDED: &str = include_str!("../../../tests/nixos/capabilities.toml");

/// The table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// What steps may do at all; the NixOS tests fail at anything else.
    #[serde(rename = "verbs")]
    _verbs: Vec<String>,
    #[serde(default)]
    cannot: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    player: Stage,
    verb: Option<String>,
    /// Only with this value.
    value: Option<String>,
    /// Instead of a verb: a unit that is waited for.
    unit: Option<String>,
    because: String,
}

impl Capabilities {
    /// The fleet's own table, else ours.
    ///
    /// # Errors
    /// Usage, if the fleet's own is not right.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        let own = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()))
            }
        };
        toml::from_str(own.as_deref().unwrap_or(EMBEDDED))
            .map_err(|error| Failure::usage(format!("{FILE}: {error}")).into())
    }

    /// Why a stage's player cannot play this; none if it can.
    pub fn lack(&self, stage: Stage, play: &Play) -> Option<String> {
        let mut reasons: Vec<&str> = Vec::new();
        for row in self.cannot.iter().filter(|row| row.player == stage) {
            let needed = play.steps.iter().any(|step| needs(row, step));
            if needed && !reasons.contains(&row.because.as_str()) {
                reasons.push(&row.because);
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

fn needs(row: &Row, step: &Step) -> bool {
    let (verb, value) = words(&step.verb);
    let of_verb = row.verb.as_deref() == Some(verb)
        && row
            .value
            .as_deref()
            .is_none_or(|wanted| value == Some(wanted));
    let during = match &step.verb {
        Verb::Run(run) => run.during.as_ref(),
        _ => None,
    };
    let mut points: Vec<&Point> = Vec::new();
    if let Verb::Wait(point) = &step.verb {
        points.push(point);
    }
    if let Some(during) = during {
        points.push(&during.when);
        points.extend(&during.before);
    }
    let unit = |point: &Point| match point {
        Point::Seen {
            sight: Sight::Unit(unit),
            ..
        } => row.unit.as_ref() == Some(unit),
        _ => false,
    };
    let inside = during.is_some_and(|during| during.then.iter().any(|step| needs(row, step)));
    of_verb || inside || points.into_iter().any(unit)
}

/// A verb as it is written, and its value if that is one of a few words.
fn words(verb: &Verb) -> (&'static str, Option<&'static str>) {
    match verb {
        Verb::Run(_) => ("run", None),
        Verb::Wait(_) => ("wait", None),
        Verb::State(_) => ("state", None),
        Verb::Reboot(_) => ("reboot", None),
        Verb::PowerCut(_) => ("power-cut", None),
        Verb::PowerOn(_) => ("power-on", None),
        Verb::Freeze(_) => ("freeze", None),
        Verb::Thaw(_) => ("thaw", None),
        Verb::Network { condition, .. } => {
            let value = match condition {
                Network::Cut => "cut",
                Network::Restored => "restored",
                Network::Unplugged => "unplugged",
                Network::Shaped { .. } => "shaped",
            };
            ("network", Some(value))
        }
        Verb::Disk { condition, .. } => {
            use harness::scenario::Disk;
            let value = match condition {
                Disk::Full => "full",
                Disk::Freed => "freed",
                Disk::ReadOnly => "read-only",
                Disk::Writable => "writable",
            };
            ("disk", Some(value))
        }
        Verb::Clock { .. } => ("clock", None),
        Verb::Kill { .. } => ("kill", None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn play(verb: Verb) -> Play {
        let step = Step {
            name: "a step".to_owned(),
            within: 5,
            fails: None,
            verb,
            line: 1,
            written: String::new(),
        };
        Play {
            steps: vec![step],
            ..samples::play("one")
        }
    }

    fn network(condition: Network) -> Play {
        play(Verb::Network {
            on: "Niko".to_owned(),
            condition,
        })
    }

    #[test]
    fn a_lossy_link_is_not_for_nixos_and_a_cut_one_is() {
        let table = Capabilities::read(Path::new("/nowhere")).unwrap();
        let lossy = network(Network::Shaped {
            delay_ms: 0,
            loss: 0.5,
            bytes_per_second: None,
        });
        let why = table.lack(Stage::Nixos, &lossy).unwrap();
        assert!(why.contains("slow it or lose"), "{why}");
        assert_eq!(table.lack(Stage::Rehearsal, &lossy), None);
        assert_eq!(table.lack(Stage::Nixos, &network(Network::Cut)), None);
    }

    #[test]
    fn a_unit_that_a_stage_lacks_is_found_where_it_is_waited_for() {
        let table: Capabilities = toml::from_str(
            "verbs = []\n[[cannot]]\nplayer = \"rehearsal\"\nunit = \"x.service\"\nbecause = \"no x\"\n",
        )
        .unwrap();
        let waits = |unit: &str| {
            play(Verb::Wait(Point::Seen {
                on: harness::scenario::Place::Machine("Niko".to_owned()),
                sight: Sight::Unit(unit.to_owned()),
            }))
        };
        let lack = |unit: &str| table.lack(Stage::Rehearsal, &waits(unit));
        assert_eq!(lack("x.service").as_deref(), Some("no x"));
        assert_eq!(lack("y.service"), None);
    }
}

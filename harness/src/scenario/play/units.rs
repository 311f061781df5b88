//! What became of a machine's units while a command ran: two looks at systemd, compared. The comparison is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::machine::{Exec, Machine};
use crate::scenario::{Step, Units, Verb};

use super::expect::Mismatch;

const LOOK: Duration = Duration::from_secs(30);

/// A unit at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    exists: bool,
    active: bool,
    /// Another one each time that it is started.
    invocation: String,
    /// Changes at a reload, too.
    changed: String,
}

pub(super) type Seen = BTreeMap<String, Unit>;

/// The units that are spoken of, as systemd sees them now.
pub(super) fn look(machine: &Machine, spoken_of: &Units) -> Result<Seen> {
    let mut argv: Vec<String> = [
        "systemctl",
        "show",
        "--property=Id,LoadState,ActiveState,InvocationID,StateChangeTimestampMonotonic",
        "--",
    ]
    .map(str::to_owned)
    .into();
    argv.extend(names(spoken_of).map(str::to_owned));
    let output = machine.exec(Exec::new(argv).timeout(LOOK))?;
    if !output.success() {
        return Err(Error::new(
            ErrorKind::Command,
            format!(
                "cannot ask for the units of {}: {}",
                machine.name(),
                output.last_lines(3)
            ),
        ));
    }
    // An alias has the name of its unit here: what is spoken of comes back in the order of the question.
    Ok(names(spoken_of)
        .map(str::to_owned)
        .zip(parse(&output.text()))
        .collect())
}

fn names(units: &Units) -> impl Iterator<Item = &str> {
    [
        &units.restarted,
        &units.reloaded,
        &units.started,
        &units.stopped,
        &units.untouched,
    ]
    .into_iter()
    .flatten()
    .map(String::as_str)
}

fn parse(text: &str) -> Vec<Unit> {
    text.split("\n\n")
        .map(|block| {
            let value = |key: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                    .unwrap_or_default()
                    .to_owned()
            };
            Unit {
                exists: value("LoadState") != "not-found",
                active: matches!(value("ActiveState").as_str(), "active" | "reloading"),
                invocation: value("InvocationID"),
                changed: value("StateChangeTimestampMonotonic"),
            }
        })
        .collect()
}

/// What became of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Restarted,
    Reloaded,
    Started,
    Stopped,
    Untouched,
}

fn fate(before: &Unit, after: &Unit) -> Fate {
    let again = before.invocation != after.invocation && !after.invocation.is_empty();
    match (before.active, after.active) {
        (true, true) if again => Fate::Restarted,
        (true, true) if before.changed != after.changed => Fate::Reloaded,
        (true, false) => Fate::Stopped,
        (false, true) => Fate::Started,
        // It ran and is done.
        (false, false) if again => Fate::Started,
        _ => Fate::Untouched,
    }
}

/// The units of a machine that steps say to be started, stopped or the like: there are such, if not always.
pub(super) fn moved<'a>(steps: &'a [Step], machine: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for step in steps {
        let Verb::Run(run) = &step.verb else {
            continue;
        };
        if let Some(units) = run.expect.units.get(machine) {
            let all = [
                &units.restarted,
                &units.reloaded,
                &units.started,
                &units.stopped,
            ];
            found.extend(all.into_iter().flatten().map(String::as_str));
        }
        if let Some(during) = &run.during {
            found.extend(moved(&during.then, machine));
        }
    }
    found
}

/// The first unit with another fate than expected. One that neither look found is left alone only if it is among the
/// `moved`; any other is misspelt, and would be left alone whatever happened.
pub(super) fn mismatch(
    expected: &Units,
    moved: &BTreeSet<&str>,
    before: &Seen,
    after: &Seen,
) -> Option<Mismatch> {
    let wanted = [
        (&expected.restarted, Fate::Restarted),
        (&expected.reloaded, Fate::Reloaded),
        (&expected.started, Fate::Started),
        (&expected.stopped, Fate::Stopped),
        (&expected.untouched, Fate::Untouched),
    ];
    let none = Unit::default();
    for (names, wanted) in wanted {
        for name in names {
            let before = before.get(name).unwrap_or(&none);
            let after = after.get(name).unwrap_or(&none);
            let may_be_nowhere = wanted == Fate::Untouched && moved.contains(name.as_str());
            if !before.exists && !after.exists && !may_be_nowhere {
                return Some(Mismatch {
                    expected: format!("{name} {}", words(wanted)),
                    found: format!("no such unit, neither before nor after: {name}"),
                });
            }
            let found = fate(before, after);
            if found != wanted {
                return Some(Mismatch {
                    expected: format!("{name} {}", words(wanted)),
                    found: format!("{name} {}", words(found)),
                });
            }
        }
    }
    None
}

fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Restarted => "restarted",
        Fate::Reloaded => "reloaded",
        Fate::Started => "started",
        Fate::Stopped => "stopped",
        Fate::Untouched => "untouched",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: bool, invocation: &str, changed: &str) -> Unit {
        Unit {
            exists: true,
            active,
            invocation: invocation.to_owned(),
            changed: changed.to_owned(),
        }
    }

    fn untouched(name: &str) -> Units {
        Units {
            untouched: vec![name.to_owned()],
            ..Units::default()
        }
    }

    fn step(units: Units) -> Step {
        let expect = crate::scenario::Expect {
            exit: crate::scenario::Exit::Any,
            output: Vec::new(),
            output_lacks: Vec::new(),
            stdout: None,
            json: BTreeMap::new(),
            units: [("Niko".to_owned(), units)].into(),
        };
        Step {
            name: "s".to_owned(),
            within: 5,
            fails: None,
            verb: Verb::Run(Box::new(crate::scenario::Run {
                command: "true".to_owned(),
                by: crate::scenario::RunBy::Controller,
                expect,
                during: None,
            })),
            line: 1,
            written: String::new(),
        }
    }

    #[test]
    fn a_unit_that_nobody_has_is_not_left_alone() {
        let before: Seen = names(&untouched("sshd.servcie"))
            .map(str::to_owned)
            .zip(parse(
                "Id=sshd.servcie\nLoadState=not-found\nActiveState=inactive\n",
            ))
            .collect();
        let wrong = |expected: &Units, moved: &[&str]| {
            let moved = moved.iter().copied().collect();
            mismatch(expected, &moved, &before, &before).map(|wrong| wrong.found)
        };
        let nowhere = Some("no such unit, neither before nor after: sshd.servcie".to_owned());
        assert_eq!(wrong(&untouched("sshd.servcie"), &[]), nowhere);
        // It comes in another step.
        assert_eq!(wrong(&untouched("sshd.servcie"), &["sshd.servcie"]), None);
        let started = Units {
            started: vec!["sshd.servcie".to_owned()],
            ..Units::default()
        };
        assert_eq!(wrong(&started, &["sshd.servcie"]), nowhere);
    }

    #[test]
    fn what_another_step_starts_or_stops_is_a_unit() {
        let steps = [
            step(untouched("stays.service")),
            step(Units {
                started: vec!["comes.service".to_owned()],
                stopped: vec!["goes.service".to_owned()],
                ..Units::default()
            }),
        ];
        let units = moved(&steps, "Niko");
        assert_eq!(units, BTreeSet::from(["comes.service", "goes.service"]));
        assert!(moved(&steps, "client").is_empty());
    }

    #[test]
    fn blocks_of_systemctl_are_read_in_order() {
        let text = "Id=a.service\nActiveState=active\nInvocationID=1\nStateChangeTimestampMonotonic=10\n\n\
                    Id=b.service\nActiveState=inactive\nInvocationID=\nStateChangeTimestampMonotonic=0";
        assert_eq!(parse(text), [unit(true, "1", "10"), unit(false, "", "0")]);
    }

    #[test]
    fn each_fate_is_told_from_the_others() {
        let up = unit(true, "1", "10");
        let down = unit(false, "", "0");
        assert_eq!(fate(&up, &unit(true, "2", "20")), Fate::Restarted);
        assert_eq!(fate(&up, &unit(true, "1", "20")), Fate::Reloaded);
        assert_eq!(fate(&up, &up), Fate::Untouched);
        assert_eq!(fate(&up, &unit(false, "1", "20")), Fate::Stopped);
        assert_eq!(fate(&down, &up), Fate::Started);
        assert_eq!(fate(&down, &unit(false, "1", "20")), Fate::Started);
        assert_eq!(fate(&down, &down), Fate::Untouched);
    }

    #[test]
    fn the_first_unit_with_another_fate_is_named() {
        let expected = untouched("a.service");
        let none = BTreeSet::new();
        let before: Seen = [("a.service".to_owned(), unit(true, "1", "1"))].into();
        let after: Seen = [("a.service".to_owned(), unit(true, "2", "2"))].into();
        assert_eq!(mismatch(&expected, &none, &before, &before), None);
        let wrong = mismatch(&expected, &none, &before, &after).unwrap();
        assert_eq!(wrong.expected, "a.service untouched");
        assert_eq!(wrong.found, "a.service restarted");
    }
}

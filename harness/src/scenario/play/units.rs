//! What became of a machine's units while a command ran: two looks at systemd, compared. The comparison is pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::machine::{Exec, Machine};
use crate::scenario::Units;

use super::expect::Mismatch;

const LOOK: Duration = Duration::from_secs(30);

/// A unit at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
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
        "--property=Id,ActiveState,InvocationID,StateChangeTimestampMonotonic",
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

/// The first unit with another fate than expected.
pub(super) fn mismatch(expected: &Units, before: &Seen, after: &Seen) -> Option<Mismatch> {
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
            let found = fate(
                before.get(name).unwrap_or(&none),
                after.get(name).unwrap_or(&none),
            );
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
            active,
            invocation: invocation.to_owned(),
            changed: changed.to_owned(),
        }
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
        let expected = Units {
            untouched: vec!["a.service".to_owned()],
            ..Units::default()
        };
        let before: Seen = [("a.service".to_owned(), unit(true, "1", "1"))].into();
        let after: Seen = [("a.service".to_owned(), unit(true, "2", "2"))].into();
        assert_eq!(mismatch(&expected, &before, &before), None);
        let wrong = mismatch(&expected, &before, &after).unwrap();
        assert_eq!(wrong.expected, "a.service untouched");
        assert_eq!(wrong.found, "a.service restarted");
    }
}

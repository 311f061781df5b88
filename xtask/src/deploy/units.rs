//! What a switch does to systemd's units, foretold from the two systems alone. Pure; the rules are those of NixOS's
//! switch-to-configuration, which looks only at units that run: what is foretold here holds for those that do.

mod unit_file;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::diff::changes::Records;

use unit_file::{files, flag, is_wanted, parse, Unit};

/// What becomes of units at a switch, each name in one list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitPlan {
    /// Stopped and started again, in one step or two.
    pub restart: Vec<String>,
    pub reload: Vec<String>,
    /// New ones that a target wants.
    pub start: Vec<String>,
    pub stop: Vec<String>,
    /// Changed, and left as they run until a reboot.
    pub keep: Vec<String>,
}

impl UnitPlan {
    /// From the units of the running system and those of the new one (`diff::system` reads them).
    pub fn between(old: &Records, new: &Records) -> Self {
        let mut plan = Self::default();
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let list = match fate(name, old, new) {
                Fate::Restart => &mut plan.restart,
                Fate::Reload => &mut plan.reload,
                Fate::Start => &mut plan.start,
                Fate::Stop => &mut plan.stop,
                Fate::Keep => &mut plan.keep,
                Fate::Nothing => continue,
            };
            list.push(name.clone());
        }
        plan
    }

    /// Each list with the verb of its units.
    pub fn lists(&self) -> [(&'static str, &[String]); 5] {
        [
            ("restart", &self.restart),
            ("reload", &self.reload),
            ("start", &self.start),
            ("stop", &self.stop),
            ("keep", &self.keep),
        ]
    }
}

enum Fate {
    Nothing,
    Restart,
    Reload,
    Start,
    Stop,
    Keep,
}

/// What only asks for a reload, and what for a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    None,
    Reload,
    Restart,
}

const MASK: &str = "/dev/null";

fn fate(name: &str, old: &Records, new: &Records) -> Fate {
    let (before, after) = (files(name, old), files(name, new));
    let there = |files: &[&String]| !files.is_empty();
    let masked = after.first().is_some_and(|text| *text == MASK);
    if there(&before) && (!there(&after) || masked) {
        let was_masked = before.first().is_some_and(|text| *text == MASK);
        let stays = !flag(&parse(&before), "Unit", "X-StopOnRemoval", true);
        return if was_masked || stays {
            Fate::Nothing
        } else {
            Fate::Stop
        };
    }
    if masked || name.ends_with(".target") {
        return Fate::Nothing;
    }
    if !is_wanted(name, old) && is_wanted(name, new) {
        return Fate::Start;
    }
    if !there(&before) || !there(&after) {
        return Fate::Nothing;
    }
    let unit = parse(&after);
    match compare(&parse(&before), &unit) {
        Change::None => Fate::Nothing,
        Change::Reload => Fate::Reload,
        Change::Restart => changed(name, &unit),
    }
}

/// What a change that asks for a restart really leads to.
fn changed(name: &str, unit: &Unit) -> Fate {
    let suffix = name.rsplit('.').next().unwrap_or_default();
    match suffix {
        // They take their new settings when systemd reloads; sockets keep listening.
        "path" | "slice" | "socket" => return Fate::Nothing,
        "mount" if name == "-.mount" || name == "nix.mount" => return Fate::Reload,
        "mount" => return Fate::Restart,
        _ => (),
    }
    // Restarting the bus takes down everything that is connected to it.
    let bus = ["dbus.service", "dbus-broker.service"].contains(&name);
    if flag(unit, "Service", "X-ReloadIfChanged", false) {
        Fate::Reload
    } else if bus
        || !flag(unit, "Service", "X-RestartIfChanged", true)
        || flag(unit, "Unit", "RefuseManualStop", false)
        || flag(unit, "Unit", "X-OnlyManualStart", false)
    {
        Fate::Keep
    } else {
        Fate::Restart
    }
}

/// What running units need not be told of.
const HARMLESS: [&str; 12] = [
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "IgnoreOnIsolate",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "CollectMode",
    "SourcePath",
];

fn compare(old: &Unit, new: &Unit) -> Change {
    let nothing = BTreeMap::new();
    let mut change = Change::None;
    let sections: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for section in sections {
        let (before, after) = (
            old.get(section).unwrap_or(&nothing),
            new.get(section).unwrap_or(&nothing),
        );
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let values =
                |of: &BTreeMap<String, Vec<String>>| of.get(key).cloned().unwrap_or_default();
            if values(before) == values(after) {
                continue;
            }
            let asks = match (section.as_str(), key.as_str()) {
                ("Unit", key) if HARMLESS.contains(&key) => Change::None,
                ("Unit", "X-Reload-Triggers") | ("Mount", "Options") => Change::Reload,
                ("Service", "ExecReload") if values(after).is_empty() => Change::None,
                ("Service", "ExecReload") => Change::Reload,
                _ => Change::Restart,
            };
            change = change.max(asks);
        }
    }
    change
}

#[cfg(test)]
mod tests;

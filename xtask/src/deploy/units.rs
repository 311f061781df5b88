//! What a switch does to systemd's units, foretold from the two systems alone. Pure; the rules are those of NixOS's
//! switch-to-configuration, which looks only at units that run: what is foretold here holds for those that do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::diff::changes::Records;

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

/// The texts that make a unit, its own file before its drop-ins, those of its template before its own.
fn files<'a>(name: &str, units: &'a Records) -> Vec<&'a String> {
    let template = template(name);
    let names = template.as_deref().into_iter().chain([name]);
    let records: Vec<(&str, &BTreeMap<String, String>)> = names
        .filter_map(|name| units.get_key_value(name))
        .map(|(name, fields)| (name.as_str(), fields))
        .collect();
    let own = records
        .iter()
        .filter_map(|(name, fields)| fields.get(*name));
    let drop_ins = records.iter().flat_map(|(name, fields)| {
        fields
            .iter()
            .filter(move |(field, _)| field.as_str() != *name && field.ends_with(".conf"))
            .map(|(_, text)| text)
    });
    own.chain(drop_ins).collect()
}

/// `getty@.service` of `getty@tty1.service`.
fn template(name: &str) -> Option<String> {
    let (before, after) = name.split_once('@')?;
    let (instance, suffix) = after.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{before}@.{suffix}"))
}

/// Whether a target of the system pulls it in.
fn is_wanted(name: &str, units: &Records) -> bool {
    units.get(name).is_some_and(|fields| {
        fields.keys().any(|field| {
            ["wanted by ", "required by ", "upheld by "]
                .iter()
                .any(|relation| field.starts_with(relation))
        })
    })
}

/// Sections of keys, each with its values in order; an empty value clears those before it.
type Unit = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn parse(files: &[&String]) -> Unit {
    let mut unit = Unit::new();
    for text in files {
        let mut section = String::new();
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            if section == "Install" {
                continue;
            }
            let values = unit
                .entry(section.clone())
                .or_default()
                .entry(key.trim_end().to_owned())
                .or_default();
            match value.trim_start() {
                "" => values.clear(),
                value => values.push(value.to_owned()),
            }
        }
    }
    unit
}

fn flag(unit: &Unit, section: &str, key: &str, default: bool) -> bool {
    let values = unit.get(section).and_then(|keys| keys.get(key));
    match values.and_then(|values| values.last()) {
        Some(value) => ["1", "yes", "true", "on"]
            .iter()
            .any(|yes| value.eq_ignore_ascii_case(yes)),
        None => default,
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
mod tests {
    use super::*;

    /// `NAME FIELD TEXT`; the field of a unit's own file is its name.
    fn units(entries: &[(&str, &str, &str)]) -> Records {
        let mut units = Records::new();
        for (name, field, text) in entries {
            let fields = units.entry((*name).to_owned()).or_default();
            fields.insert((*field).to_owned(), (*text).to_owned());
        }
        units
    }

    fn one(name: &str, old: &str, new: &str) -> UnitPlan {
        UnitPlan::between(&units(&[(name, name, old)]), &units(&[(name, name, new)]))
    }

    fn told(plan: &UnitPlan) -> String {
        let mut words = Vec::new();
        for (verb, units) in plan.lists() {
            words.extend(units.iter().map(|unit| format!("{verb} {unit}")));
        }
        words.join(", ")
    }

    #[test]
    fn a_changed_service_is_restarted_reloaded_or_kept() {
        for (old, new, wanted) in [
            ("[Service]\nExecStart=a", "[Service]\nExecStart=a", ""),
            (
                "[Service]\nExecStart=a",
                "# why\n[Service]\n\nExecStart = a",
                "",
            ),
            (
                "[Service]\nExecStart=a",
                "[Service]\nExecStart=b",
                "restart x.service",
            ),
            ("[Unit]\nDescription=a", "[Unit]\nDescription=b", ""),
            ("[Install]\nWantedBy=a", "[Install]\nWantedBy=b", ""),
            (
                "[Unit]\nX-Reload-Triggers=a",
                "[Unit]\nX-Reload-Triggers=b",
                "reload x.service",
            ),
            (
                "[Unit]\nX-Restart-Triggers=a",
                "[Unit]\nX-Restart-Triggers=b",
                "restart x.service",
            ),
            (
                "[Service]\nExecReload=a",
                "[Service]\nExecReload=b",
                "reload x.service",
            ),
            ("[Service]\nExecReload=a", "[Service]", ""),
            (
                "[Service]\nExecStart=a",
                "[Service]\nExecStart=b\nX-RestartIfChanged=false",
                "keep x.service",
            ),
            (
                "[Service]\nExecStart=a",
                "[Service]\nExecStart=b\nX-ReloadIfChanged=true",
                "reload x.service",
            ),
            (
                "[Service]\nExecStart=a",
                "[Service]\nExecStart=b\n[Unit]\nRefuseManualStop=yes",
                "keep x.service",
            ),
            (
                "[Service]\nExecStart=a\\\nb",
                "[Service]\nExecStart=a b",
                "",
            ),
            ("[Service]\nA=1\nA=\nA=2", "[Service]\nA=2", ""),
        ] {
            assert_eq!(
                told(&one("x.service", old, new)),
                wanted,
                "{old:?} → {new:?}"
            );
        }
    }

    #[test]
    fn other_kinds_have_rules_of_their_own() {
        let (old, new) = ("[Mount]\nWhat=a\n", "[Mount]\nWhat=b\n");
        for (name, wanted) in [
            ("multi-user.target", ""),
            ("x.socket", ""),
            ("x.path", ""),
            ("x.slice", ""),
            ("x.timer", "restart x.timer"),
            ("data.mount", "restart data.mount"),
            ("-.mount", "reload -.mount"),
            ("dbus.service", "keep dbus.service"),
        ] {
            assert_eq!(told(&one(name, old, new)), wanted, "{name}");
        }
        let options = one("data.mount", "[Mount]\nOptions=a", "[Mount]\nOptions=b");
        assert_eq!(told(&options), "reload data.mount");
    }

    #[test]
    fn units_come_and_go() {
        let text = "[Service]\nExecStart=a";
        let old = units(&[
            ("gone.service", "gone.service", text),
            (
                "left.service",
                "left.service",
                "[Unit]\nX-StopOnRemoval=false",
            ),
            ("masked.service", "masked.service", text),
            ("known.service", "known.service", text),
        ]);
        let new = units(&[
            ("masked.service", "masked.service", MASK),
            ("new.service", "new.service", text),
            ("new.service", "wanted by multi-user.target", ""),
            ("by-hand.service", "by-hand.service", text),
            ("known.service", "known.service", text),
            ("known.service", "wanted by multi-user.target", ""),
        ]);
        assert_eq!(
            told(&UnitPlan::between(&old, &new)),
            "start known.service, start new.service, stop gone.service, stop masked.service"
        );
        assert_eq!(UnitPlan::between(&old, &old), UnitPlan::default());
    }

    #[test]
    fn drop_ins_and_templates_are_part_of_a_unit() {
        let unit = |drop_in| {
            units(&[
                ("getty@.service", "getty@.service", "[Service]\nExecStart=a"),
                ("getty@.service", "overrides.conf", drop_in),
                ("getty@tty1.service", "wanted by getty.target", ""),
            ])
        };
        let plan = UnitPlan::between(&unit("[Service]\nNice=1"), &unit("[Service]\nNice=2"));
        assert_eq!(
            told(&plan),
            "restart getty@.service, restart getty@tty1.service"
        );
    }
}

//! A unit as systemd reads it: which files make it, and what stands in them.

use std::collections::BTreeMap;

use crate::diff::changes::Records;

/// The texts that make a unit, its own file before its drop-ins, those of its template before its own.
pub fn files<'a>(name: &str, units: &'a Records) -> Vec<&'a String> {
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
pub fn is_wanted(name: &str, units: &Records) -> bool {
    units.get(name).is_some_and(|fields| {
        fields.keys().any(|field| {
            ["wanted by ", "required by ", "upheld by "]
                .iter()
                .any(|relation| field.starts_with(relation))
        })
    })
}

/// Sections of keys, each with its values in order; an empty value clears those before it.
pub type Unit = BTreeMap<String, BTreeMap<String, Vec<String>>>;

pub fn parse(files: &[&String]) -> Unit {
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

pub fn flag(unit: &Unit, section: &str, key: &str, default: bool) -> bool {
    let values = unit.get(section).and_then(|keys| keys.get(key));
    match values.and_then(|values| values.last()) {
        Some(value) => ["1", "yes", "true", "on"]
            .iter()
            .any(|yes| value.eq_ignore_ascii_case(yes)),
        None => default,
    }
}

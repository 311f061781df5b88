//! What came, went or changed among named things, and among lines. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named things that came, went, or are not what they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// With what about it changed.
    pub changed: BTreeMap<String, Vec<String>>,
}

/// Lines of a file, without their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineChanges {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

/// Things by name, each with what is known of it by field.
pub type Records = BTreeMap<String, BTreeMap<String, String>>;

impl Changes {
    pub fn between(old: &Records, new: &Records) -> Self {
        let only = |a: &Records, b: &Records| {
            a.keys()
                .filter(|name| !b.contains_key(*name))
                .cloned()
                .collect()
        };
        let changed = new
            .iter()
            .filter_map(|(name, now)| {
                let before = old.get(name)?;
                let mut fields: Vec<String> = now
                    .iter()
                    .filter(|(field, value)| before.get(*field) != Some(value))
                    .map(|(field, _)| field.clone())
                    .chain(
                        before
                            .keys()
                            .filter(|field| !now.contains_key(*field))
                            .cloned(),
                    )
                    .collect();
                fields.sort();
                (!fields.is_empty()).then(|| (name.clone(), fields))
            })
            .collect();
        Self {
            added: only(new, old),
            removed: only(old, new),
            changed,
        }
    }

    pub fn count(&self) -> usize {
        self.added.len() + self.removed.len() + self.changed.len()
    }
}

impl LineChanges {
    /// Compares lines that are not empty and no comments; how often a line is there does not count.
    pub fn between(old: &str, new: &str) -> Self {
        let lines = |text: &'_ str| -> Vec<String> {
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !is_comment(line))
                .map(str::to_owned)
                .collect()
        };
        let (old, new) = (lines(old), lines(new));
        let only = |a: &[String], b: &[String]| {
            let mut lines: Vec<String> = Vec::new();
            for line in a {
                if !b.contains(line) && !lines.contains(line) {
                    lines.push(line.clone());
                }
            }
            lines
        };
        Self {
            added: only(&new, &old),
            removed: only(&old, &new),
        }
    }

    pub fn count(&self) -> usize {
        self.added.len() + self.removed.len()
    }
}

/// In sudoers, `#include` and `#1000` (a user by number) are no comments.
fn is_comment(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| {
        !rest.starts_with("include") && !rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(entries: &[(&str, &[(&str, &str)])]) -> Records {
        let fields = |fields: &[(&str, &str)]| {
            fields
                .iter()
                .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
                .collect()
        };
        entries
            .iter()
            .map(|(name, all)| ((*name).to_owned(), fields(all)))
            .collect()
    }

    #[test]
    fn records_are_compared_field_by_field() {
        let old = records(&[
            ("gone", &[]),
            ("same", &[("a", "1")]),
            ("other", &[("a", "1"), ("b", "1")]),
        ]);
        let new = records(&[
            ("new", &[]),
            ("same", &[("a", "1")]),
            ("other", &[("a", "2"), ("c", "1")]),
        ]);
        let changes = Changes::between(&old, &new);
        assert_eq!(changes.added, ["new"]);
        assert_eq!(changes.removed, ["gone"]);
        assert_eq!(changes.changed["other"], ["a", "b", "c"]);
        assert_eq!(changes.count(), 3);
    }

    #[test]
    fn sudoers_are_compared_without_comments() {
        let changes = LineChanges::between(
            "# old\nroot ALL=(ALL) ALL\n",
            "# new\n\n  root ALL=(ALL) ALL\n#1000 ALL=(ALL) ALL\n",
        );
        assert_eq!(changes.added, ["#1000 ALL=(ALL) ALL"]);
        assert!(changes.removed.is_empty());
    }
}

//! What differs between two lock files: inputs by their paths, with the revisions that they had and have. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use guard::time::Time;
use serde::Serialize;

use super::{Edge, Lock, Node};
use crate::fleet::refs;

/// An input that came, went, or is at another revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InputChange {
    /// `nixpkgs`, `deploy-rs/utils`.
    pub input: String,
    /// None if it came.
    pub old: Option<Version>,
    /// None if it went.
    pub new: Option<Version>,
}

/// Which state of its source an input is locked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// None of a source without commits, such as a folder.
    pub revision: Option<String>,
    pub modified: Option<Time>,
    pub nar_hash: Option<String>,
}

impl Version {
    fn of(node: &Node) -> Option<Self> {
        let locked = node.locked.as_ref()?;
        Some(Self {
            revision: locked.rev.clone(),
            modified: locked.last_modified.map(Time::from_unix),
            nar_hash: locked.nar_hash.clone(),
        })
    }

    /// The same content; that a folder was written to anew is no news.
    fn is(&self, other: &Self) -> bool {
        (&self.revision, &self.nar_hash) == (&other.revision, &other.nar_hash)
    }
}

/// `c69ae8fb8f (2026-08-18)`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHORT: usize = "sha256-0123456789".len();
        match (&self.revision, &self.nar_hash) {
            (Some(revision), _) => f.write_str(refs::short(revision))?,
            (None, Some(hash)) => f.write_str(hash.get(..SHORT).unwrap_or(hash))?,
            (None, None) => f.write_str("unknown")?,
        }
        match self.modified {
            Some(time) => {
                let time = time.to_string();
                write!(f, " ({})", time.split('T').next().unwrap_or_default())
            }
            None => Ok(()),
        }
    }
}

impl Lock {
    /// The flake's own inputs that follow no other.
    pub fn names(&self) -> Vec<&str> {
        let root = self.nodes.get(&self.root);
        let own = root.into_iter().flat_map(|root| &root.inputs);
        own.filter(|(_, edge)| matches!(edge, Edge::Node(_)))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The paths of all inputs, each the shortest that leads there.
    pub fn paths(&self) -> BTreeSet<String> {
        self.by_path().into_keys().collect()
    }

    /// What the other lock file has otherwise.
    pub fn changes(&self, new: &Self) -> Vec<InputChange> {
        let (before, after) = (self.by_path(), new.by_path());
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let change = |input: &String| {
            let version = |nodes: &BTreeMap<String, &Node>| Version::of(nodes.get(input)?);
            let (old, new) = (version(&before), version(&after));
            let same = match (&old, &new) {
                (Some(old), Some(new)) => old.is(new),
                (None, None) => true,
                _ => false,
            };
            (!same).then(|| InputChange {
                input: input.clone(),
                old,
                new,
            })
        };
        all.into_iter().filter_map(change).collect()
    }

    fn by_path(&self) -> BTreeMap<String, &Node> {
        let mut found = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut waiting = VecDeque::from([(&self.root, String::new())]);
        while let Some((key, prefix)) = waiting.pop_front() {
            let inputs = self.nodes.get(key).into_iter().flat_map(|it| &it.inputs);
            for (name, edge) in inputs {
                let Edge::Node(child) = edge else { continue };
                let Some(node) = self.nodes.get(child) else {
                    continue;
                };
                if seen.insert(child) {
                    found.insert(format!("{prefix}{name}"), node);
                    waiting.push_back((child, format!("{prefix}{name}/")));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(inputs: &[(&str, &str)], more: &str) -> Lock {
        let edges: Vec<String> = inputs
            .iter()
            .map(|(name, _)| format!(r#""{name}":"{name}""#))
            .collect();
        let nodes: Vec<String> = inputs
            .iter()
            .map(|(name, locked)| format!(r#""{name}":{{"locked":{{"type":"x",{locked}}}{more}}}"#))
            .collect();
        let text = format!(
            r#"{{"root":"root","version":7,"nodes":{{"root":{{"inputs":{{{}}}}},{}}}}}"#,
            edges.join(","),
            nodes.join(",")
        );
        Lock::parse(&text).unwrap()
    }

    const OLD: &str = r#""rev":"c69ae8fb8faeb3472fd11234ba55a70ac3601f9b","lastModified":1787042014,"narHash":"sha256-a""#;
    const NEW: &str = r#""rev":"16901271e5b30b591e56f7a84f25f186fb20f3e1","lastModified":1787142014,"narHash":"sha256-b""#;

    fn told(changes: &[InputChange]) -> Vec<String> {
        let words =
            |it: &Option<Version>| it.as_ref().map_or("none".to_owned(), ToString::to_string);
        let line =
            |it: &InputChange| format!("{}: {} → {}", it.input, words(&it.old), words(&it.new));
        changes.iter().map(line).collect()
    }

    #[test]
    fn what_moved_came_and_went_is_told() {
        let before = lock(&[("gone", OLD), ("nixpkgs", OLD), ("same", OLD)], "");
        let after = lock(
            &[
                ("nixpkgs", NEW),
                ("same", OLD),
                ("tree", r#""narHash":"sha256-0123456789abcdef=""#),
            ],
            "",
        );
        assert_eq!(
            told(&before.changes(&after)),
            [
                "gone: c69ae8fb8f (2026-08-18) → none",
                "nixpkgs: c69ae8fb8f (2026-08-18) → 16901271e5 (2026-08-19)",
                "tree: none → sha256-0123456789",
            ]
        );
        assert!(after.changes(&after).is_empty());
    }

    #[test]
    fn a_folder_that_was_only_touched_is_the_same() {
        let at = |time: u32| {
            let locked = format!(r#""lastModified":{time},"narHash":"sha256-a""#);
            lock(&[("tree", &locked)], "")
        };
        assert!(at(1).changes(&at(2)).is_empty());
    }

    #[test]
    fn inputs_are_named_by_their_shortest_path_even_in_a_circle() {
        let circle = lock(
            &[("a", OLD), ("b", OLD)],
            r#","inputs":{"x":"a","y":["b"]}"#,
        );
        assert_eq!(circle.names(), ["a", "b"]);
        let paths: Vec<String> = circle.paths().into_iter().collect();
        assert_eq!(paths, ["a", "b"]);
    }
}

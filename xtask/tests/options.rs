//! Every option that the stand-in declares is NixOS' own: same name, same type, same plain default.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// More than this, and the stand-in is no longer a stand-in.
const MOST_EXCEPTIONS: usize = 15;

#[derive(Debug, Deserialize)]
struct OptionFacts {
    #[serde(rename = "type")]
    kind: String,
    /// Absent where the default is computed, or where there is none.
    default: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    differs: String,
    reason: String,
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> BTreeMap<String, T> {
    let path = support::repository().join("tests/options").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How an option differs from NixOS' own; empty if it does not.
fn difference(ours: &OptionFacts, theirs: Option<&OptionFacts>) -> String {
    let Some(theirs) = theirs else {
        return "absent".to_owned();
    };
    let differs = [
        (ours.kind != theirs.kind, "type"),
        (ours.default != theirs.default, "default"),
    ];
    let words: Vec<&str> = differs
        .into_iter()
        .filter_map(|(differs, word)| differs.then_some(word))
        .collect();
    words.join(" and ")
}

#[test]
fn declared_options_are_those_of_nixos() {
    let Some(nix) = support::nix() else {
        return;
    };
    let output = nix
        .command()
        .args(["eval", "--json", "--file"])
        .arg(support::repository().join("tests/options/declared.nix"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let declared: BTreeMap<String, OptionFacts> = serde_json::from_slice(&output.stdout).unwrap();
    let recorded: BTreeMap<String, OptionFacts> = read("nixos-options.json");
    let exceptions: BTreeMap<String, Exception> = read("exceptions.json");
    assert!(!declared.is_empty());

    let mut wrong = Vec::new();
    for (name, ours) in &declared {
        let theirs = recorded.get(name);
        let differs = difference(ours, theirs);
        let excepted = exceptions
            .get(name)
            .map_or("", |exception| &exception.differs);
        if differs != excepted {
            wrong.push(format!(
                "{name}: `{differs}` differs and `{excepted}` is excepted\n  ours:   {ours:?}\n  NixOS': {theirs:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let names: BTreeSet<&String> = declared.keys().collect();
    let stale: Vec<&String> = exceptions
        .keys()
        .filter(|name| !names.contains(name))
        .collect();
    assert!(
        stale.is_empty(),
        "exceptions for options that are not declared: {stale:?}"
    );
}

#[test]
fn exceptions_are_few_and_each_has_its_reason() {
    let exceptions: BTreeMap<String, Exception> = read("exceptions.json");
    assert!(
        exceptions.len() <= MOST_EXCEPTIONS,
        "{} exceptions",
        exceptions.len()
    );
    for (name, exception) in &exceptions {
        assert!(exception.reason.len() > 10, "{name}: no reason");
    }
}

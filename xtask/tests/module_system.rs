//! The stand-in's module system and `lib` against what nixpkgs' own gave (tests/module-system/README.md).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

type Suites<T> = BTreeMap<String, BTreeMap<String, T>>;

/// What a case must come to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Expected {
    Error {
        error: String,
        option: Option<String>,
    },
    Value {
        value: Value,
    },
}

/// What a case comes to, as `replay.nix` tells it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Replayed {
    Value { value: Value },
    Failed { failed: bool },
}

/// How an error's message is read.
#[derive(Deserialize)]
struct Kinds {
    message: String,
    option: String,
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
    regex: String,
}

fn folder() -> PathBuf {
    support::repository().join("tests/module-system")
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn expected() -> Suites<Expected> {
    let mut suites: Suites<Expected> = read("expected.json");
    suites.extend(read::<Suites<Expected>>("more-expected.json"));
    suites
}

#[test]
fn no_case_was_lost() {
    let suites: Suites<Expected> = read("expected.json");
    let count: usize = suites.values().map(BTreeMap::len).sum();
    assert_eq!(count, 159);
}

#[test]
fn values_are_those_of_nixpkgs() {
    for nix in support::all_nixes() {
        let output = nix
            .command()
            .args(["eval", "--json", "--file"])
            .arg(folder().join("replay.nix"))
            .arg("values")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "Nix {}: {stderr}", nix.version);
        let replayed: Suites<Replayed> = serde_json::from_slice(&output.stdout).unwrap();

        let mut wrong = Vec::new();
        for (suite, cases) in expected() {
            for (name, expected) in cases {
                let Expected::Value { value } = expected else {
                    continue;
                };
                let ours = replayed.get(&suite).and_then(|cases| cases.get(&name));
                if ours
                    != Some(&Replayed::Value {
                        value: value.clone(),
                    })
                {
                    wrong.push(format!("{suite}.{name}: {ours:?} is not {value}"));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "Nix {}:\n{}",
            nix.version,
            wrong.join("\n")
        );
    }
}

#[test]
fn errors_are_of_the_same_kind_and_name_the_same_option() {
    let kinds: Kinds = read("kinds.json");
    for nix in support::all_nixes() {
        let mut script = format!(
            "r = import {} {{ }}\n",
            folder().join("replay.nix").display()
        );
        for (suite, name, ..) in failing() {
            script.push_str(&format!("r.probe \"{suite}\" \"{name}\"\n"));
        }
        let stderr = repl(&nix, &script);
        let messages = by_case(&stderr);

        let mut wrong = Vec::new();
        for (suite, name, error, option) in failing() {
            let case = format!("{suite} {name}");
            let Some(text) = messages.get(case.as_str()) else {
                wrong.push(format!("{case}: was not replayed"));
                continue;
            };
            let (kind, named) = kinds.read(text);
            if kind.as_deref() != Some(error.as_str()) || (option.is_some() && named != option) {
                wrong.push(format!(
                    "{case}: {kind:?} of {named:?} is not {error:?} of {option:?}:\n{text}"
                ));
            }
        }
        assert!(
            wrong.is_empty(),
            "Nix {}:\n{}",
            nix.version,
            wrong.join("\n")
        );
    }
}

/// Suite, name, kind of the error and the option that it names.
fn failing() -> Vec<(String, String, String, Option<String>)> {
    let mut failing = Vec::new();
    for (suite, cases) in expected() {
        for (name, expected) in cases {
            if let Expected::Error { error, option } = expected {
                failing.push((suite.clone(), name, error, option));
            }
        }
    }
    failing
}

fn repl(nix: &support::Nix, script: &str) -> String {
    let mut child = nix
        .command()
        .arg("repl")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The script is shorter than a pipe's buffer would have to be for Nix to block on its own output: stderr is read
    // below, while a thread writes.
    let mut stdin = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What was printed from the line that opens a case to the next such line.
fn by_case(stderr: &str) -> BTreeMap<&str, &str> {
    const OPENING: &str = "trace: @@ ";
    stderr
        .split(OPENING)
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(case, text)| (case.trim(), text))
        .collect()
}

impl Kinds {
    /// The kind of an error and the option that it names; no kind if there was no error.
    fn read(&self, text: &str) -> (Option<String>, Option<String>) {
        let regex = |pattern: &str| Regex::new(pattern).unwrap();
        let Some(start) = regex(&self.message).find_iter(text).last() else {
            return (None, None);
        };
        let message = &text[start.end()..];
        let kind = self
            .kinds
            .iter()
            .find(|kind| regex(&kind.regex).is_match(message))
            .map(|kind| kind.kind.clone());
        let option = regex(&self.option)
            .captures(message)
            .map(|groups| groups[1].to_owned());
        (kind, option)
    }
}

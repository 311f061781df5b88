//! The repository's own scenarios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{json, Value};

use super::{MATRIX, PLAIN};
use crate::scenario::*;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn hosts() -> Vec<String> {
    let entries = std::fs::read_dir(tests().join("../hosts")).unwrap();
    let mut names: Vec<String> = entries
        .map(Result::unwrap)
        .filter(|entry| entry.path().join("default.nix").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 1, "{names:?}");
    names
}

/// By name, the text of each file.
fn files() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(tests().join("scenarios")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files: BTreeMap<String, String> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    assert!(!files.is_empty());
    files
}

fn plays(name: &str, text: &str) -> Result<Vec<Play>, ReadError> {
    let known = Known::in_folder(&tests(), name, &hosts()).unwrap();
    let scenario = read(text, &format!("tests/scenarios/{name}.toml"))?;
    resolve(&scenario, &known)
}

#[test]
fn every_scenario_reads_and_resolves() {
    let mut made = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, text) in files() {
        match plays(&name, &text) {
            Err(error) => wrong.push(error.to_string()),
            Ok(plays) => {
                for Play { name, file, .. } in plays {
                    if let Some(other) = made.insert(name.clone(), file.clone()) {
                        wrong.push(format!("{file} and {other} both make the play {name}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads what Rust made of the scenarios, makes its own of the same texts, and says which plays differ.
const COMPARE: &str = r#"
import json, sys, tomllib
from player.resolve import plays
for name, given in json.load(sys.stdin).items():
    made = plays(name, tomllib.loads(given["text"]), given["hosts"])
    if [play["name"] for play in made] != [play["name"] for play in given["plays"]]:
        print(name, "has other plays")
    for mine, other in zip(made, given["plays"]):
        for key in sorted(mine.keys() | other.keys()):
            if mine.get(key) != other.get(key):
                print(mine["name"], key, mine.get(key), other.get(key), sep="\n  ")
"#;

#[test]
fn the_nixos_player_makes_the_same_plays_of_the_files() {
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    for (name, text) in files() {
        let plays = plays(&name, &text).unwrap();
        given.insert(
            name,
            json!({ "text": text, "hosts": hosts(), "plays": plays }),
        );
    }
    for (name, text) in [("plain", PLAIN), ("matrix", MATRIX)] {
        let scenario = read(text, &format!("{name}.toml")).unwrap();
        let plays = resolve(&scenario, &super::known()).unwrap();
        given.insert(
            name.to_owned(),
            json!({ "text": text, "hosts": super::known().hosts, "plays": plays }),
        );
    }
    if !Command::new("python3")
        .args(["-c", "import tomllib"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skip: no python3 that is 3.11 or newer");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, &given).unwrap();
    let output = Command::new("python3")
        .args(["-B", "-c", COMPARE])
        .env("PYTHONPATH", tests().join("nixos"))
        .stdin(file.reopen().unwrap())
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", said(&output.stderr));
    assert_eq!(said(&output.stdout), "");
}

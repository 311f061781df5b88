//! The repository's own scenarios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

//! The repository's own scenarios.

use std::path::{Path, PathBuf};

use crate::scenario::*;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("default.nix").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_scenario_reads_and_resolves() {
    let hosts = folders(&tests().join("../hosts"));
    assert!(hosts.len() > 1, "{hosts:?}");
    let mut plays = std::collections::BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(tests().join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let known = Known::in_folder(&tests(), &name, &hosts).unwrap();
        match read(&text, &format!("tests/scenarios/{name}.toml"))
            .and_then(|scenario| resolve(&scenario, &known))
        {
            Err(error) => wrong.push(error.to_string()),
            Ok(made) => {
                for play in made {
                    if let Some(other) = plays.insert(play.name.clone(), play.file.clone()) {
                        wrong.push(format!(
                            "{} and {other} both make the play {}",
                            play.file, play.name
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!plays.is_empty());
}

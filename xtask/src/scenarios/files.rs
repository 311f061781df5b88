//! The scenario files of a fleet: which there are, and the plays that are made of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::scenario::{self, Known};

use super::select::Choice;
use crate::failure::Failure;
use crate::report::words::counted;

/// Where a fleet has what it proves, relative to the flake.
pub const TESTS: &str = "tests";
const SCENARIOS: &str = "tests/scenarios";

/// Reads every scenario of the fleet in this folder and resolves it for these hosts.
///
/// # Errors
/// Usage, naming every file that is not right, and if there is none at all.
pub fn read(root: &Path, hosts: &[String]) -> Result<Vec<Choice>> {
    let mut choices = Vec::new();
    let mut wrong = Vec::new();
    for file in list(root)? {
        match read_one(root, &file, hosts)? {
            Ok(choice) => choices.push(choice),
            Err(complaint) => wrong.push(complaint),
        }
    }
    if !wrong.is_empty() {
        let count = counted(wrong.len(), "scenario file");
        let message = format!("{count} cannot be played:\n{}", wrong.join("\n"));
        return Err(Failure::usage(message)
            .try_next("docs/scenarios.md has every word that such a file may use")
            .into());
    }
    Ok(choices)
}

/// The files, sorted by name.
fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(SCENARIOS);
    let mut files = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    files.push(path);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()))
        }
    }
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "{} has no scenarios: no file {SCENARIOS}/*.toml",
            root.display()
        ))
        .try_next("docs/scenarios.md of Slipway says how to write one")
        .into());
    }
    files.sort();
    Ok(files)
}

/// A complaint about the file is an answer; that it cannot be read at all is an error.
fn read_one(root: &Path, file: &Path, hosts: &[String]) -> Result<Result<Choice, String>> {
    let shown = file
        .strip_prefix(root)
        .unwrap_or(file)
        .display()
        .to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Ok(Err(format!("{shown}: {error}"))),
    };
    let scenario = match scenario::read(&text, &shown) {
        Ok(scenario) => scenario,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let tests = root.join(TESTS);
    let known = Known::in_folder(&tests, &scenario.name, hosts)
        .with_context(|| format!("cannot read the generations in {}", tests.display()))?;
    Ok(match scenario::resolve(&scenario, &known) {
        Ok(plays) => Ok(Choice {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            plays,
        }),
        Err(error) => Err(error.to_string()),
    })
}

/// The hosts whose folders are in `hosts/`, for when no Nix can be asked.
pub fn hosts_in_folders(root: &Path) -> Vec<String> {
    // Without the folder there are no hosts that could be told without Nix.
    let entries = std::fs::read_dir(root.join("hosts")).into_iter().flatten();
    let mut hosts: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("default.nix").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    hosts.sort();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_fleet_without_scenarios_says_so() {
        let dir = fleet(&[("flake.nix", "")]);
        let error = read(dir.path(), &[]).unwrap_err().to_string();
        assert!(
            error.ends_with("has no scenarios: no file tests/scenarios/*.toml"),
            "{error}"
        );
    }

    #[test]
    fn folders_with_a_default_nix_are_hosts() {
        let dir = fleet(&[
            ("hosts/Web/default.nix", ""),
            ("hosts/site.nix", ""),
            ("hosts/x/y.nix", ""),
        ]);
        assert_eq!(hosts_in_folders(dir.path()), ["Web"]);
    }
}

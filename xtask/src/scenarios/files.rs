//! The scenario files of a fleet: which there are, and the plays that are made of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::scenario::{self, Known};

use super::select::{self, Choice};
use crate::evaluate::Survey;
use crate::failure::Failure;
use crate::report::words::counted;

/// Where a fleet has what it proves, relative to the flake.
pub const TESTS: &str = "tests";
const SCENARIOS: &str = "tests/scenarios";

/// The scenarios of a fleet: those that can be played, and what is wrong with the others.
#[derive(Debug)]
pub struct Files {
    choices: Vec<Choice>,
    wrong: Vec<Wrong>,
}

#[derive(Debug)]
struct Wrong {
    /// Of the scenario.
    name: String,
    /// `FILE:LINE: …`
    complaint: String,
}

/// The fleet's hosts, as far as scenarios name them.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    pub names: Vec<String>,
    /// Those that have no deploy-rs node; none without a Nix that could say so.
    pub not_deployed: BTreeSet<String>,
}

impl Hosts {
    pub fn of(survey: &Survey) -> Self {
        let hosts = survey.inventory.hosts.values();
        let lacking = hosts.filter(|host| host.node.is_none());
        Self {
            names: survey.names().iter().map(ToString::to_string).collect(),
            not_deployed: lacking.map(|host| host.name.to_string()).collect(),
        }
    }

    /// Those whose folders are in `hosts/`, for when no Nix can be asked.
    pub fn in_folders(root: &Path) -> Self {
        // Without the folder there are no hosts that could be told without Nix.
        let entries = std::fs::read_dir(root.join("hosts")).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("default.nix").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Self {
            names,
            not_deployed: BTreeSet::new(),
        }
    }
}

/// Reads every scenario of the fleet in this folder and resolves it for these hosts.
///
/// # Errors
/// Usage, if there is none at all.
pub fn read(root: &Path, hosts: &Hosts) -> Result<Files> {
    let mut files = Files {
        choices: Vec::new(),
        wrong: Vec::new(),
    };
    for file in list(root)? {
        match read_one(root, &file, hosts)? {
            Ok(choice) => files.choices.push(choice),
            Err(complaint) => files.wrong.push(Wrong {
                name: file
                    .file_stem()
                    .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
                complaint,
            }),
        }
    }
    Ok(files)
}

impl Files {
    /// The plays that these names mean; all of them without a name. A file that is not right is in nobody's way who did
    /// not ask for it, and is told to all others.
    ///
    /// # Errors
    /// Usage, if a name is nobody's, or naming every file that is not right.
    pub fn select(&self, names: &[String]) -> Result<Vec<Choice>, Failure> {
        let selected = select::select(&self.choices, names);
        let concerned = |wrong: &&Wrong| {
            let is_meant = |name: &String| wrong.is_meant_by(name, selected.is_err());
            names.is_empty() || names.iter().any(is_meant)
        };
        let complaints: Vec<&str> = self
            .wrong
            .iter()
            .filter(concerned)
            .map(|wrong| wrong.complaint.as_str())
            .collect();
        if complaints.is_empty() {
            return selected;
        }
        let count = counted(complaints.len(), "scenario file");
        let message = format!("{count} cannot be played:\n{}", complaints.join("\n"));
        Err(Failure::usage(message)
            .try_next("cargo xtask vm-test --check, once it is mended (the words are in Slipway's docs/scenarios.md)"))
    }
}

impl Wrong {
    /// `unknown`: no scenario that can be played has the name; it may be a cell or a control of this one.
    fn is_meant_by(&self, name: &str, unknown: bool) -> bool {
        match name.strip_suffix('*') {
            Some(beginning) => self.name.starts_with(beginning),
            None => name == self.name || unknown && name.starts_with(&format!("{}-", self.name)),
        }
    }
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
    // By names: of whole paths, `boot-mode.toml` stands before `boot.toml`.
    files.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    Ok(files)
}

/// A complaint about the file is an answer; that it cannot be read at all is an error.
fn read_one(root: &Path, file: &Path, hosts: &Hosts) -> Result<Result<Choice, String>> {
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
    let known = Known {
        not_deployed: hosts.not_deployed.clone(),
        ..Known::in_folder(&tests, &scenario.name, &hosts.names)
            .with_context(|| format!("cannot read the generations in {}", tests.display()))?
    };
    Ok(match scenario::resolve(&scenario, &known) {
        Ok(plays) => Ok(Choice {
            name: scenario.name.clone(),
            title: title(&scenario.title),
            plays,
        }),
        Err(error) => Err(error.to_string()),
    })
}

/// A matrix's title stands for all its cells: `{{host}} boots` is `HOST boots`.
fn title(written: &str) -> String {
    let mut parts = written.split("{{");
    let mut title = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("}}") {
            Some((key, rest)) => {
                title.push_str(&key.trim().to_uppercase());
                title.push_str(rest);
            }
            None => title.push_str(part),
        }
    }
    title
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
        let error = read(dir.path(), &Hosts::default()).unwrap_err().to_string();
        assert!(
            error.ends_with("has no scenarios: no file tests/scenarios/*.toml"),
            "{error}"
        );
    }

    #[test]
    fn the_title_of_a_matrix_is_that_of_all_cells() {
        assert_eq!(title("{{host}} boots at {{ n }}"), "HOST boots at N");
        assert_eq!(title("It boots"), "It boots");
    }

    #[test]
    fn folders_with_a_default_nix_are_hosts() {
        let dir = fleet(&[
            ("hosts/Web/default.nix", ""),
            ("hosts/site.nix", ""),
            ("hosts/x/y.nix", ""),
        ]);
        assert_eq!(Hosts::in_folders(dir.path()).names, ["Web"]);
    }
}

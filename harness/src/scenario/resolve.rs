//! From a scenario to its plays: `each` multiplied out, blocks and named points put in, controls made.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use super::{Play, ReadError, Scenario};

/// The names that a scenario may use and that stand outside of its file.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The hosts of the fleet.
    pub hosts: Vec<String>,
    /// The generations that have a file for this scenario (`as-configured` needs none).
    pub generations: BTreeSet<String>,
}

/// The plays of a scenario, in the order of its cells, each control behind all of them.
///
/// # Errors
/// The first name that does not exist, and whatever does not fit together.
pub fn resolve(scenario: &Scenario, _known: &Known) -> Result<Vec<Play>, ReadError> {
    Err(ReadError {
        file: scenario.name.clone(),
        line: 1,
        message: "scenarios are not resolved yet".to_owned(),
    })
}

impl Known {
    /// What `tests/scenarios/SCENARIO/` and `tests/generations/` have; a folder that is not there has nothing.
    ///
    /// # Errors
    /// A folder that is there and cannot be read.
    pub fn in_folder(tests: &Path, scenario: &str, hosts: &[String]) -> io::Result<Self> {
        let mut generations = BTreeSet::new();
        for folder in [
            tests.join("scenarios").join(scenario),
            tests.join("generations"),
        ] {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let name = entry?.file_name();
                if let Some(generation) = name.to_str().and_then(|name| name.strip_suffix(".nix")) {
                    generations.insert(generation.to_owned());
                }
            }
        }
        Ok(Self {
            hosts: hosts.to_vec(),
            generations,
        })
    }
}

//! From a scenario to its plays: `each` multiplied out, blocks and named points put in, controls made.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use super::controls::control;
use super::each::{cells, put_in, Cell};
use super::fault::{Fault, ReadError, Result};
use super::model::Play;
use super::names::{Names, Uses};
use super::placeholder::placeholders;
use super::read::{table, Scenario};
use super::steps::Steps;
use super::tables::{ScenarioTable, Word};
use super::tree::{Node, Text};

/// The names that a scenario may use and that stand outside of its file.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The hosts of the fleet.
    pub hosts: Vec<String>,
    /// Those of them that are never deployed, as far as that is known.
    pub not_deployed: BTreeSet<String>,
    /// The generations that have a file for this scenario (`as-configured` needs none).
    pub generations: BTreeSet<String>,
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
            not_deployed: BTreeSet::new(),
            generations,
        })
    }
}

/// The plays of a scenario, in the order of its cells, the controls behind all of them.
///
/// # Errors
/// The first name that does not exist, and whatever does not fit together.
pub fn resolve(scenario: &Scenario, known: &Known) -> std::result::Result<Vec<Play>, ReadError> {
    plays(scenario, known).map_err(|fault| fault.in_file(&scenario.file))
}

fn plays(scenario: &Scenario, known: &Known) -> Result<Vec<Play>> {
    let uses = Uses::default();
    let mut read = Vec::new();
    for cell in cells(&scenario.root, Some(&known.hosts))? {
        let table = table(&scenario.root, &cell)?;
        read.push((cell, table));
    }
    let mut plays = Vec::new();
    let mut all = Vec::new();
    for (cell, table) in &read {
        let of_cell = |fault| in_cell(fault, cell);
        let names = Names::of(table, &scenario.name, known, &uses).map_err(of_cell)?;
        plays.push(play(scenario, cell, &names).map_err(of_cell)?);
        all.push((cell, names));
    }
    let mut controls = Vec::new();
    for at in 0..read.first().map_or(0, |(_, table)| table.controls.len()) {
        controls.push(control(&all, &plays, at)?);
    }
    for (cell, names) in &all {
        names.unused().map_err(|fault| in_cell(fault, cell))?;
    }
    plays.extend(controls);
    Ok(plays)
}

fn in_cell(fault: Fault, cell: &Cell) -> Fault {
    match cell.segment() {
        Some(segment) => fault.below(segment),
        None => fault,
    }
}

fn play(scenario: &Scenario, cell: &Cell, names: &Names<'_>) -> Result<Play> {
    let table = names.table;
    let text: Vec<&str> = scenario.text.lines().collect();
    known_placeholders(&put_in(&scenario.root, cell)?, cell, names)?;
    let steps = Steps { names, text: &text }.all()?;
    let name = match &cell.name {
        Some(cell) => format!("{}-{cell}", scenario.name),
        None => scenario.name.clone(),
    };
    said(table)?;
    Ok(Play {
        name,
        scenario: scenario.name.clone(),
        cell: cell.name.clone(),
        control: None,
        title: table.title.trim().to_owned(),
        proves: table.proves.trim().to_owned(),
        machines: names.machines.clone(),
        steps,
        file: scenario.file.clone(),
    })
}

/// Title and what is proved are there, and there is something to play.
fn said(table: &ScenarioTable) -> Result<()> {
    let there = |key: &str, word: &Word| match word.trim() {
        "" => Err(Fault::new(word.line, format!("`{key}` is empty"))),
        _ => Ok(()),
    };
    there("title", &table.title)?;
    there("proves", &table.proves)?;
    if table.steps.is_empty() {
        return Err(Fault::new(
            table.title.line,
            "the scenario has no steps, so nothing would be proved",
        ));
    }
    match table.title.trim().contains('\n') {
        true => Err(Fault::new(
            table.title.line,
            "`title` has more than one line; `proves` has room for them",
        )),
        false => Ok(()),
    }
}

/// The keys of the texts in which the player fills in placeholders; with a string of `json` they are all.
const FILLED: [&str; 11] = [
    "run",
    "kill",
    "output",
    "output-lacks",
    "stdout",
    "file",
    "no-file",
    "journal",
    "url",
    "text",
    "process",
];

/// Whatever `{{…}}` the cell's values left is one that the player knows, where the player looks for it.
fn known_placeholders(root: &Node, cell: &Cell, names: &Names<'_>) -> Result<()> {
    for Text { keys, line, text } in root.texts() {
        for word in placeholders(text) {
            names.placeholder(line, word, cell)?;
            let (key, filled) = match keys[..] {
                [.., "json", pointer] => (pointer, true),
                [.., key, "[]"] | [.., key] => (key, FILLED.contains(&key)),
                [] => ("", false),
            };
            if !filled {
                let cause = format!(
                    "`{key}` has `{{{{{word}}}}}`, which is filled in only in commands, in what they print and in what points \
                     look for"
                );
                return Err(Fault::new(line, cause));
            }
        }
    }
    Ok(())
}

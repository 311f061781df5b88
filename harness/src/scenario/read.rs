//! From the text of a scenario file to its tree and its tables.

use std::path::Path;

use super::each::{cells, is_name, put_in, Cell};
use super::fault::{Fault, ReadError, Result};
use super::tables::ScenarioTable;
use super::tree::{parse, Node, Value};
use super::typed::from_node;

/// A scenario as it stands in its file, with `each` not multiplied out: every table and key is of the language, and
/// the names in it are not looked up yet.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's name without folder and `.toml`.
    pub name: String,
    /// As written, with `{{key}}` in it where there is an `each`.
    pub title: String,
    pub proves: String,
    /// The file as the reader named it.
    pub file: String,
    pub(super) text: String,
    pub(super) root: Node,
}

/// Reads the text of the file `file_name`, a path ending in `SCENARIO.toml`.
///
/// # Errors
/// The first thing in the text that is not of the language.
pub fn read(text: &str, file_name: &str) -> std::result::Result<Scenario, ReadError> {
    let name = Path::new(file_name)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    scenario(text, file_name, &name).map_err(|fault| fault.in_file(file_name))
}

fn scenario(text: &str, file: &str, name: &str) -> Result<Scenario> {
    if !is_name(name) {
        let cause = format!("a scenario is called by its file, and `{name}` has something other than letters, digits, `-`, `_`");
        return Err(Fault::new(1, cause));
    }
    let root = parse(text)?;
    for cell in cells(&root, None)? {
        table(&root, &cell)?;
    }
    let line = |key: &str| match root.get(key).map(|node| &node.value) {
        Some(Value::Text(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    Ok(Scenario {
        name: name.to_owned(),
        title: line("title"),
        proves: line("proves"),
        file: file.to_owned(),
        text: text.to_owned(),
        root,
    })
}

/// The tables of one cell.
pub(super) fn table(root: &Node, cell: &Cell) -> Result<ScenarioTable> {
    let in_cell = |fault: Fault| match cell.segment() {
        Some(segment) => fault.below(segment),
        None => fault,
    };
    put_in(root, cell)
        .and_then(|root| from_node(&root))
        .map_err(in_cell)
}

//! `each`: from a tree with `{{key}}` in its strings to a tree for every cell.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Result, Segment};
use super::placeholder::{fill, placeholders};
use super::tree::{Entry, Node, Text, Value};

/// One row of `each`, or the whole scenario where there is none.
#[derive(Debug, Clone)]
pub struct Cell {
    /// None where there is no `each`.
    pub name: Option<String>,
    line: usize,
    values: BTreeMap<String, Node>,
}

impl Cell {
    /// The keys that a row can be asked for.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub fn segment(&self) -> Option<Segment> {
        self.name
            .as_ref()
            .map(|name| Segment::Named(format!("cell `{name}`")))
    }
}

/// The cells of a scenario. Without `hosts`, which only their caller knows, `each = "hosts"` has one cell of no real host.
pub fn cells(root: &Node, hosts: Option<&[String]>) -> Result<Vec<Cell>> {
    let Some(each) = root.get("each") else {
        return Ok(vec![Cell {
            name: None,
            line: root.line,
            values: BTreeMap::new(),
        }]);
    };
    let cells = match &each.value {
        Value::Text(word) if word == "hosts" => {
            let nameless = || Cell {
                name: None,
                ..of_host("HOST", each.line)
            };
            match hosts {
                Some(hosts) => hosts.iter().map(|host| of_host(host, each.line)).collect(),
                None => vec![nameless()],
            }
        }
        Value::Text(word) => {
            return Err(Fault::unknown(each.line, "word", word, ["hosts"]).below(key("each")))
        }
        Value::List(rows) => rows
            .iter()
            .enumerate()
            .map(|(at, row)| {
                of_row(row).map_err(|fault| fault.below(Segment::Item(at + 1)).below(key("each")))
            })
            .collect::<Result<_>>()?,
        _ => {
            return Err(
                Fault::new(each.line, "neither `\"hosts\"` nor a list of rows").below(key("each")),
            )
        }
    };
    if cells.is_empty() {
        return Err(Fault::new(each.line, "no rows, so nothing would be played").below(key("each")));
    }
    let mut names = BTreeSet::new();
    for cell in &cells {
        if !names.insert(&cell.name) {
            let fault = Fault::new(
                cell.line,
                "a second cell of that name; a key `name` tells them apart",
            );
            return Err(below_cell(fault, cell));
        }
    }
    used_and_given(root, &cells)?;
    Ok(cells)
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn below_cell(fault: Fault, cell: &Cell) -> Fault {
    match cell.segment() {
        Some(segment) => fault.below(segment),
        None => fault,
    }
}

fn of_host(host: &str, line: usize) -> Cell {
    let text = |text: &str| Node {
        line,
        last: line,
        value: Value::Text(text.to_owned()),
    };
    Cell {
        name: Some(host.to_owned()),
        line,
        values: [("host", text(host)), ("name", text(host))]
            .map(|(key, node)| (key.to_owned(), node))
            .into(),
    }
}

fn of_row(row: &Node) -> Result<Cell> {
    let Value::Table(entries) = &row.value else {
        return Err(Fault::new(row.line, "a row is a table of values"));
    };
    let mut values = BTreeMap::new();
    for Entry { key, line, node } in entries {
        if !is_name(key) {
            return Err(Fault::new(
                *line,
                format!("the key `{key}` has something other than letters, digits, `-`, `_`"),
            ));
        }
        values.insert(key.clone(), node.clone());
    }
    let name = match values.get("name").map(|node| &node.value) {
        Some(Value::Text(name)) => name.clone(),
        Some(_) => return Err(Fault::new(row.line, "`name` is a string")),
        None => joined(row.line, &values)?,
    };
    if !is_name(&name) || name.starts_with("control-") {
        return Err(Fault::new(
            row.line,
            format!(
                "`{name}` cannot be the cell's name: it becomes part of the play's, so only letters, digits, `-`, `_`, and \
                 no `control-` in front; say another with the key `name`"
            ),
        ));
    }
    values.entry("name".to_owned()).or_insert_with(|| Node {
        value: Value::Text(name.clone()),
        ..*row
    });
    Ok(Cell {
        name: Some(name),
        line: row.line,
        values,
    })
}

/// In the order of the keys, not of the file: Nix, which reads these files too, knows no other.
fn joined(line: usize, values: &BTreeMap<String, Node>) -> Result<String> {
    let words = values.iter().map(|(key, node)| match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Whole(number) => Ok(number.to_string()),
        _ => Err(Fault::new(
            line,
            format!("the cell has no name, and cannot be called after `{key}`, which is no word; say one with the key `name`"),
        )),
    });
    Ok(words.collect::<Result<Vec<_>>>()?.join("-"))
}

pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_name_char)
}

/// What names of machines, generations, cells and scenarios are made of.
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Every key that is used stands in every row, and every key of a row is used.
fn used_and_given(root: &Node, cells: &[Cell]) -> Result<()> {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for entry in without_each(root) {
        for Text { line, text, .. } in entry.node.texts() {
            for word in placeholders(text) {
                used.entry(word.to_owned()).or_insert(line);
            }
        }
    }
    let given: BTreeSet<&str> = cells.iter().flat_map(Cell::keys).collect();
    for cell in cells {
        for (key, line) in &used {
            if given.contains(key.as_str()) && !cell.values.contains_key(key) {
                let fault = Fault::new(
                    cell.line,
                    format!("the key `{key}` is missing, which line {line} uses"),
                );
                return Err(below_cell(fault, cell));
            }
        }
        for (key, node) in &cell.values {
            if key != "name" && !used.contains_key(key) {
                let fault = Fault::new(
                    node.line,
                    format!("nothing uses `{key}`: no string of the file has `{{{{{key}}}}}`"),
                );
                return Err(below_cell(fault, cell));
            }
        }
    }
    Ok(())
}

fn without_each(root: &Node) -> impl Iterator<Item = &Entry> {
    let entries: &[Entry] = match &root.value {
        Value::Table(entries) => entries,
        _ => &[],
    };
    entries.iter().filter(|entry| entry.key != "each")
}

/// The tree with the cell's values put in. What is no key of the cell stays: it is the player's.
pub fn put_in(root: &Node, cell: &Cell) -> Result<Node> {
    let entries = without_each(root)
        .map(|entry| {
            Ok(Entry {
                node: put_into(&entry.node, cell)?,
                ..entry.clone()
            })
        })
        .collect::<Result<_>>()?;
    Ok(Node {
        value: Value::Table(entries),
        ..*root
    })
}

fn put_into(node: &Node, cell: &Cell) -> Result<Node> {
    let value = match &node.value {
        Value::Text(text) => put_into_text(node.line, text, cell)?,
        Value::List(nodes) => Value::List(
            nodes
                .iter()
                .map(|node| put_into(node, cell))
                .collect::<Result<_>>()?,
        ),
        Value::Table(entries) => Value::Table(
            entries
                .iter()
                .map(|entry| {
                    Ok(Entry {
                        key: entry.key.clone(),
                        line: entry.line,
                        node: put_into(&entry.node, cell)?,
                    })
                })
                .collect::<Result<_>>()?,
        ),
        scalar => scalar.clone(),
    };
    Ok(Node {
        line: node.line,
        last: node.last,
        value,
    })
}

fn put_into_text(line: usize, text: &str, cell: &Cell) -> Result<Value> {
    if let [word] = placeholders(text)[..] {
        if text.len() == word.len() + "{{}}".len() {
            if let Some(node) = cell.values.get(word) {
                return Ok(node.value.clone());
            }
        }
    }
    let lookup = |word: &str| match cell.values.get(word).map(|node| &node.value) {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(Value::Whole(number)) => Some(number.to_string()),
        Some(Value::Real(number)) => Some(number.to_string()),
        Some(Value::Truth(truth)) => Some(truth.to_string()),
        Some(Value::List(_) | Value::Table(_)) => None,
        None => Some(format!("{{{{{word}}}}}")),
    };
    fill(text, &lookup).map(Value::Text).map_err(|word| {
        let cause = format!("`{{{{{word}}}}}` is a list or a table in this cell, and can only be a whole value, not part of a text");
        Fault::new(line, cause)
    })
}

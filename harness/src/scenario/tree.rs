//! TOML as a tree whose every value knows its lines: the only file that knows the TOML library.

use toml::de::{DeTable, DeValue};
use toml::Spanned;

use super::fault::{Fault, Result};

#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins, counted from 1. A table begins at its header.
    pub line: usize,
    /// Where the last of it ends.
    pub last: usize,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Whole(i64),
    Real(f64),
    Truth(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    /// The key's.
    pub line: usize,
    pub node: Node,
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }

    /// Every string in it that is a value.
    pub fn texts(&self) -> Vec<Text<'_>> {
        let mut texts = Vec::new();
        self.texts_below(&[], &mut texts);
        texts
    }

    fn texts_below<'a>(&'a self, keys: &[&'a str], texts: &mut Vec<Text<'a>>) {
        let with = |key: &'a str| [keys, &[key]].concat();
        match &self.value {
            Value::Text(text) => texts.push(Text {
                keys: keys.to_vec(),
                line: self.line,
                text,
            }),
            Value::List(nodes) => nodes
                .iter()
                .for_each(|node| node.texts_below(&with("[]"), texts)),
            Value::Table(entries) => entries
                .iter()
                .for_each(|entry| entry.node.texts_below(&with(&entry.key), texts)),
            Value::Whole(_) | Value::Real(_) | Value::Truth(_) => {}
        }
    }
}

/// A string of a tree.
pub struct Text<'a> {
    /// The keys that lead to it, outermost first; `[]` is any item of a list.
    pub keys: Vec<&'a str>,
    pub line: usize,
    pub text: &'a str,
}

/// The tree of a whole file.
pub fn parse(text: &str) -> Result<Node> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.at(span.start));
        Fault::new(line, cause(text, line, &error))
    })?;
    let mut root = lines.table(1, 1, table.get_ref())?;
    root.line = 1;
    Ok(root)
}

/// TOML's own words, but for a name that is there twice.
fn cause(text: &str, line: usize, error: &toml::de::Error) -> String {
    let written = text.lines().nth(line - 1).unwrap_or_default().trim();
    if error.message() != "duplicate key" {
        return format!("not TOML: {}", error.message());
    }
    let second = |what: &str, name: &str| format!("{what} `{name}` is here for the second time");
    match written.strip_prefix('[') {
        Some(header) => {
            let header = header.trim_end_matches(']');
            match header.split_once('.') {
                Some(("machines", name)) => second("machine", name),
                Some(("points", name)) => second("point", name),
                _ => second("table", header),
            }
        }
        None => {
            let name = error
                .span()
                .and_then(|span| text.get(span))
                .unwrap_or(written);
            second("key", name)
        }
    }
}

/// A text, and where its lines begin.
struct Lines<'a> {
    text: &'a str,
    begins: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            text,
            begins: std::iter::once(0).chain(ends).collect(),
        }
    }

    fn at(&self, offset: usize) -> usize {
        self.begins.partition_point(|begin| *begin <= offset)
    }

    /// Nix, which reads these files too, knows TOML 1.0: newer forms of inline tables are refused here already.
    fn as_nix_reads_it(&self, value: &Spanned<DeValue<'_>>) -> Result<()> {
        let span = value.span();
        let written = self.text.get(span.clone()).unwrap_or_default();
        let Some(inside) = written.strip_prefix('{') else {
            return Ok(());
        };
        let refuse = |cause: &str| Err(Fault::new(self.at(span.start), cause));
        if written.matches('\n').count() > self.breaks_within(value.get_ref()) {
            return refuse(
                "a table in braces stands on one line, or else gets a header of its own",
            );
        }
        match inside.trim_end_matches('}').trim_end().ends_with(',') {
            true => refuse("a table in braces has no comma behind its last key"),
            false => Ok(()),
        }
    }

    /// The ends of lines that stand in lists and strings within a table.
    fn breaks_within(&self, value: &DeValue<'_>) -> usize {
        let DeValue::Table(table) = value else {
            return 0;
        };
        let breaks = table.values().map(|value| {
            let written = self.text.get(value.span()).unwrap_or_default();
            match value.get_ref() {
                DeValue::Array(_) | DeValue::String(_) => written.matches('\n').count(),
                table => self.breaks_within(table),
            }
        });
        breaks.sum()
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Result<Node> {
        let span = value.span();
        let line = self.at(span.start);
        let last = self.at(span.end.max(span.start + 1) - 1);
        let scalar = |value| Node { line, last, value };
        let refuse = |cause: String| Err(Fault::new(line, cause));
        Ok(match value.get_ref() {
            DeValue::String(text) => scalar(Value::Text(text.clone().into_owned())),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => scalar(Value::Whole(number)),
                    Err(_) => return refuse(format!("the number {number} is too large")),
                }
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => scalar(Value::Real(number)),
                Err(_) => return refuse(format!("{number} is no number")),
            },
            DeValue::Boolean(truth) => scalar(Value::Truth(*truth)),
            DeValue::Datetime(date) => {
                return refuse(format!("{date} is a date, and no key takes one"))
            }
            DeValue::Array(values) => {
                let nodes = values
                    .iter()
                    .map(|value| self.node(value))
                    .collect::<Result<Vec<_>>>()?;
                let last = nodes.iter().map(|node| node.last).fold(last, usize::max);
                Node {
                    line,
                    last,
                    value: Value::List(nodes),
                }
            }
            DeValue::Table(table) => {
                self.as_nix_reads_it(value)?;
                self.table(line, last, table)?
            }
        })
    }

    fn table(&self, line: usize, last: usize, table: &DeTable<'_>) -> Result<Node> {
        let mut entries = Vec::new();
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().clone().into_owned(),
                line: self.at(key.span().start),
                node: self.node(value)?,
            });
        }
        entries.sort_by_key(|entry| entry.line);
        let last = entries
            .iter()
            .map(|entry| entry.node.last)
            .fold(last, usize::max);
        Ok(Node {
            line,
            last,
            value: Value::Table(entries),
        })
    }
}

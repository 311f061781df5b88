//! What went wrong in an evaluation, out of what Nix printed: file, line and message, without the trace.
//! Pure: text in, a type out.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::fleet::store_path::STORE_DIR;

/// An evaluation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationError {
    /// Relative to the fleet if it is one of its files.
    pub file: Option<String>,
    pub line: Option<u32>,
    /// All its lines, as Nix words it.
    pub message: String,
    /// All that Nix printed of it; shown only when asked for.
    #[serde(skip)]
    pub trace: String,
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for EvaluationError {}

impl EvaluationError {
    /// The first line of the message that says something.
    pub fn first_line(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// Nix indents the message and each of its frames by this much once there is a trace.
const INDENT: &str = "       ";

/// Reads what `nix eval` printed when it failed. `own` gives the name, relative to the fleet, of a path that is a file of
/// the fleet itself (`files_of`): the position nearest to the failure in one of these is where a person looks first.
pub fn parse(stderr: &str, own: impl Fn(&str) -> Option<String>) -> EvaluationError {
    let lines: Vec<&str> = stderr.lines().collect();
    let Some(start) = lines.iter().rposition(|line| line.starts_with("error:")) else {
        return EvaluationError {
            file: None,
            line: None,
            message: last_line(&lines),
            trace: stderr.trim_end().to_owned(),
        };
    };
    let block = &lines[start..];
    let (frames, text) = split(block);
    let message = Message::read(&text);
    let own_position = |(path, line): &(String, u32)| Some((own(path)?, Some(*line)));

    let at = message.position.as_ref().and_then(own_position);
    // The module system names the files of the definitions, which says more than where it noticed.
    let named = || {
        let file = message.text.split(['`', '\'']).find_map(&own)?;
        Some((file, None))
    };
    let nearest = || {
        let mut positions = frames.iter().rev().filter_map(|line| position(line));
        positions.find_map(|found| own_position(&found))
    };
    let elsewhere = || {
        // What xtask applies to the flake has no file, and is no place for a person to look at.
        let (path, line) = (message.position.as_ref()).filter(|(path, _)| path.starts_with('/'))?;
        Some((path.clone(), Some(*line)))
    };
    let place = at.or_else(named).or_else(nearest).or_else(elsewhere);
    // What git or curl says of an input that is not there does not name it.
    let message = match frames.iter().find_map(|line| input(line)) {
        Some(input) => format!("cannot fetch the input {input}: {}", message.text),
        None => message.text,
    };
    EvaluationError {
        line: place.as_ref().and_then(|(_, line)| *line),
        file: place.map(|(file, _)| file),
        message: shorten(&message, &own),
        trace: block.join("\n").trim_end().to_owned(),
    }
}

/// Knows the files of the fleet at `root`, if it is on this machine: Nix 2.26 names their copies in the store, 2.34 the
/// files themselves.
pub fn files_of(root: Option<&Path>) -> impl Fn(&str) -> Option<String> + '_ {
    move |path| {
        let root = root?;
        let path = Path::new(path);
        let inside = match path.strip_prefix(root) {
            Ok(inside) => inside,
            Err(_) => {
                let in_store = path.strip_prefix(STORE_DIR).ok()?;
                let source = in_store.components().next()?;
                in_store.strip_prefix(source).ok()?
            }
        };
        let inside_text = inside.to_str().filter(|text| !text.is_empty())?;
        let there = root.join(inside);
        if there.join("default.nix").is_file() {
            return Some(format!("{inside_text}/default.nix"));
        }
        there.exists().then(|| inside_text.to_owned())
    }
}

/// The frames of the trace, and the lines of the message without `error:` and the indentation.
fn split<'a>(block: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let has_trace = block[0] == "error:"
        && block
            .iter()
            .skip(1)
            .find(|line| !line.trim().is_empty())
            .is_some_and(|line| line.trim_start().starts_with('…'));
    let nested = format!("{INDENT}error:");
    let start = if has_trace {
        block
            .iter()
            .position(|line| line.starts_with(&nested))
            .unwrap_or(0)
    } else {
        0
    };
    let first = block[start].trim_start();
    let first = first.strip_prefix("error:").unwrap_or(first).trim();
    let rest = block[start + 1..]
        .iter()
        .map(|line| line.strip_prefix(INDENT).unwrap_or(line.trim_start()));
    (
        block[..start].to_vec(),
        std::iter::once(first).chain(rest).collect(),
    )
}

/// A message, apart from the source excerpt that Nix prints under or amidst it.
struct Message {
    text: String,
    position: Option<(String, u32)>,
}

impl Message {
    fn read(lines: &[&str]) -> Self {
        let mut kept = Vec::new();
        let mut found = None;
        let mut excerpt = false;
        for line in lines {
            if found.is_none() {
                found = position(line);
                if found.is_some() {
                    excerpt = true;
                    continue;
                }
            }
            excerpt = excerpt && is_excerpt(line);
            if !excerpt {
                kept.push(*line);
            }
        }
        Self {
            text: kept.join("\n").trim().to_owned(),
            position: found,
        }
    }
}

/// The input that could not be fetched, as the lock file or the flake has it.
fn input(frame: &str) -> Option<&str> {
    let rest = frame.trim().strip_prefix("… while fetching the input '")?;
    rest.strip_suffix('\'')
}

/// `at PATH:LINE:COLUMN:` on a line of its own.
fn position(line: &str) -> Option<(String, u32)> {
    let rest = line.trim().strip_prefix("at ")?.strip_suffix(':')?;
    let (rest, column) = rest.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    column.parse::<u32>().ok()?;
    Some((path.to_owned(), line.parse().ok()?))
}

/// `  12| code` or `    | ^`.
fn is_excerpt(line: &str) -> bool {
    line.split_once('|')
        .is_some_and(|(before, _)| before.chars().all(|c| c == ' ' || c.is_ascii_digit()))
}

/// The text with the fleet's own files named as a person names them.
fn shorten(text: &str, own: &impl Fn(&str) -> Option<String>) -> String {
    let ends = |c: char| c.is_whitespace() || "'`\",:;()[]{}".contains(c);
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        let path = word.trim_end_matches(ends);
        let rest = &word[path.len()..];
        match path.starts_with('/').then(|| own(path)).flatten() {
            Some(file) => out.push_str(&file),
            None => out.push_str(path),
        }
        out.push_str(rest);
    }
    out
}

fn last_line(lines: &[&str]) -> String {
    lines
        .iter()
        .rev()
        .find(|line| !line.trim().is_empty() && !line.starts_with("trace: slipway"))
        .map_or_else(
            || "Nix ended without a message".to_owned(),
            |line| line.trim().to_owned(),
        )
}

#[cfg(test)]
mod tests;

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
        let (path, line) = message.position.as_ref()?;
        Some((path.clone(), Some(*line)))
    };
    let place = at.or_else(named).or_else(nearest).or_else(elsewhere);
    EvaluationError {
        line: place.as_ref().and_then(|(_, line)| *line),
        file: place.map(|(file, _)| file),
        message: shorten(&message.text, &own),
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
        .find(|line| !line.trim().is_empty() && !line.starts_with("trace: slipway:"))
        .map_or_else(
            || "Nix ended without a message".to_owned(),
            |line| line.trim().to_owned(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/nix/store/z2j6gkx4bnwpls6gchxp6iv0mhbq2hhd-source/";

    fn own(path: &str) -> Option<String> {
        let inside = path.strip_prefix(SOURCE)?;
        inside.starts_with("hosts/").then(|| inside.to_owned())
    }

    fn read(stderr: &str) -> EvaluationError {
        parse(&stderr.replace("SOURCE/", SOURCE), own)
    }

    #[test]
    fn a_syntax_error_under_a_trace() {
        let error = read(
            "trace: slipway:{\"begin\":\"Web\"}
error:
       … while calling the 'trace' builtin
         at «string»:1:4:
            1| o: builtins.trace
             |    ^

       error: syntax error, unexpected INT_LIT, expecting '.' or '='
       at SOURCE/hosts/Web/default.nix:1:12:
            1| { a = 1; b 3 }
             |            ^
            2|
",
        );
        assert_eq!(
            error.to_string(),
            "hosts/Web/default.nix:1: syntax error, unexpected INT_LIT, expecting '.' or '='"
        );
    }

    #[test]
    fn a_hint_after_the_excerpt_belongs_to_the_message() {
        let error = read(
            "error: attribute 'b' missing
       at SOURCE/hosts/Web/default.nix:2:278:
            1| { }
             |                                       ^
            3| }; }
       Did you mean a?
",
        );
        assert_eq!(error.line, Some(2));
        assert_eq!(error.message, "attribute 'b' missing\nDid you mean a?");
    }

    #[test]
    fn the_module_system_names_the_file() {
        let error = read(
            "error:
       … while evaluating the option `system.build.toplevel':

       error: A definition for option `services.nginx.enable' is not of type `boolean'. Definition values:
       - In `SOURCE/hosts/Web/default.nix': \"yes\"
",
        );
        assert_eq!(error.file.as_deref(), Some("hosts/Web/default.nix"));
        assert_eq!(error.line, None);
        assert!(error
            .message
            .ends_with("- In `hosts/Web/default.nix': \"yes\""));
        assert!(error.trace.contains("while evaluating the option"));
    }

    #[test]
    fn failed_assertions_are_kept_whole() {
        let error = read(
            "error:
       … while evaluating the option `system.build.toplevel':

       error:
       Failed assertions:
       - no disk
       second line
       - two
",
        );
        assert_eq!(
            error.message,
            "Failed assertions:\n- no disk\nsecond line\n- two"
        );
        let without_trace = read("error:\n       Failed assertions:\n       - no disk\n");
        assert_eq!(without_trace.message, "Failed assertions:\n- no disk");
    }

    #[test]
    fn a_failure_in_nixpkgs_is_placed_where_the_fleet_led_to_it() {
        let error = read(
            "error:
       … while calling a function
         at SOURCE/hosts/Web/disk.nix:7:3:
            7| x
             | ^

       … while calling the 'throw' builtin
         at /nix/store/00000000000000000000000000000000-source/lib/x.nix:9:1:

       error: no such disk
",
        );
        assert_eq!(error.to_string(), "hosts/Web/disk.nix:7: no such disk");
    }

    #[test]
    fn an_end_without_an_error_still_says_something() {
        assert_eq!(read("").message, "Nix ended without a message");
        assert_eq!(
            read("trace: slipway:{}\nout of memory\n").message,
            "out of memory"
        );
    }

    #[test]
    fn files_are_known_in_the_store_and_in_the_working_tree() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flake.nix"), "").unwrap();
        let own = files_of(Some(dir.path()));
        assert_eq!(own(&format!("{SOURCE}flake.nix")).unwrap(), "flake.nix");
        let there = dir.path().join("flake.nix");
        assert_eq!(own(there.to_str().unwrap()).unwrap(), "flake.nix");
        assert_eq!(own(&format!("{SOURCE}lib/x.nix")), None);
        assert_eq!(files_of(None)("/work/flake.nix"), None);
    }
}

//! Secrets and variables: what was given of them, what is missing, and masks over them in all that is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::failure::Failure;

/// What the forge gives to each run by itself. Here it is empty: there is no forge to ask.
pub const OF_THE_FORGE: [&str; 3] = ["GITHUB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN"];

/// The values of some names: out of a file, else of environment variables of these names.
///
/// # Errors
/// Usage, if the file cannot be read.
pub fn values(
    names: &BTreeSet<String>,
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let in_file = match file {
        None => BTreeMap::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Failure::usage(format!("cannot read {}: {error}", file.display()))
            })?;
            parse(&text)
        }
    };
    let given = names.iter().filter_map(|name| {
        let value = in_file.get(name).cloned().or_else(|| environment(name))?;
        Some((name.clone(), value))
    });
    Ok(given.collect())
}

/// `NAME=VALUE`, one a line; `#` begins a comment; quotes around a value go, and `\n` in double ones is a line feed.
fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim();
            let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
            let value = match (inside('"'), inside('\'')) {
                (Some(text), _) => text.replace("\\n", "\n").replace("\\\"", "\""),
                (None, Some(text)) => text.to_owned(),
                (None, None) => value.to_owned(),
            };
            Some((name.trim().to_owned(), value))
        })
        .collect()
}

/// The file that act reads them from. On its command line everybody could see them.
pub fn file(values: &BTreeMap<String, String>) -> String {
    let line = |(name, value): (&String, &String)| {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('$', "\\$");
        format!("{name}=\"{value}\"\n")
    };
    values.iter().map(line).collect()
}

/// Hides secrets in what is shown and kept.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// Each line of each secret, the longest first.
    words: Vec<String>,
}

impl Mask {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        /// Shorter ones are words of any text, and no secret.
        const SHORTEST: usize = 4;
        let lines = secrets.into_iter().flat_map(|secret| secret.lines());
        let mut words: Vec<String> = lines
            .map(str::trim)
            .filter(|line| line.len() >= SHORTEST)
            .map(str::to_owned)
            .collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self { words }
    }

    pub fn over(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for word in &self.words {
            text = text.replace(word, "***");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_before_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets");
        std::fs::write(&file, "# x\nA=1\nB = \"two\\nlines\"\nC='$x'\n").unwrap();
        let names = ["A", "B", "C", "D", "E"].map(str::to_owned).into();
        let environment = |name: &str| ["A", "D"].contains(&name).then(|| "env".to_owned());
        let given = values(&names, Some(&file), environment).unwrap();
        let given: Vec<(&str, &str)> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let expected = [("A", "1"), ("B", "two\nlines"), ("C", "$x"), ("D", "env")];
        assert_eq!(given, expected);
    }

    #[test]
    fn every_line_of_a_secret_is_hidden() {
        let secrets = ["BEGIN KEY\nabcdef\nEND".to_owned(), "ok".to_owned()];
        let mask = Mask::new(&secrets);
        assert_eq!(mask.over("got abcdef, ok? BEGIN KEY"), "got ***, ok? ***");
    }

    #[test]
    fn what_act_reads_is_quoted() {
        let values = BTreeMap::from([("A".to_owned(), "a \"b\"\n$c".to_owned())]);
        assert_eq!(file(&values), "A=\"a \\\"b\\\"\\n\\$c\"\n");
    }
}

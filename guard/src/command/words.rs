//! The words of a command line: told apart as a shell would, as far as that needs none, and read one after the other.

use super::TEXT_LIMIT;
use crate::refusal::{Code, Refusal};
use crate::store_path::StorePath;

/// The words that have not been looked at.
pub(super) struct Words<'a> {
    pub(super) rest: &'a [&'a str],
}

impl<'a> Words<'a> {
    pub fn next(&mut self) -> Result<&'a str, Refusal> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| missing("an argument"))?;
        self.rest = rest;
        Ok(first)
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.rest.first() == Some(&name);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    pub fn exactly(&mut self, word: &str) -> Result<(), Refusal> {
        if self.flag(word) {
            Ok(())
        } else {
            Err(missing(word))
        }
    }

    pub fn value(&mut self, name: &str) -> Result<Option<&'a str>, Refusal> {
        if self.flag(name) {
            self.next().map(Some)
        } else {
            Ok(None)
        }
    }

    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse() {
            Ok(number) if digits && (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::because(
                Code::BadArgument,
                format_args!("{name} is to be {least} to {most}"),
            )),
        }
    }

    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        const LIMIT: usize = TEXT_LIMIT;
        match self.value(name)? {
            Some(text) if text.is_empty() || text.len() > LIMIT => Err(Refusal::because(
                Code::BadArgument,
                format_args!("{name} takes 1 to {LIMIT} characters"),
            )),
            text => Ok(text.map(str::to_owned)),
        }
    }

    pub fn same_closure(&mut self, profile: &StorePath) -> Result<(), Refusal> {
        let closure = self.next()?;
        if closure == profile.as_str() {
            Ok(())
        } else {
            Err(Refusal::because(
                Code::BadArgument,
                "the program is not the closure's own",
            ))
        }
    }

    pub fn system_profile(&mut self) -> Result<(), Refusal> {
        let system = ["--profile-user", "root", "--profile-name", "system"];
        match self.rest.strip_prefix(&system) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(Refusal::new(Code::WrongProfile)),
        }
    }

    /// deploy-rs's folder for its canary. The guard keeps its own elsewhere, and only looks at the form.
    pub fn temp_path(&mut self) -> Result<(), Refusal> {
        match self.value("--temp-path")? {
            Some(path) if is_plain_path(path) => Ok(()),
            Some(path) => Err(Refusal::because(Code::BadArgument, quoted(path))),
            None => Err(missing("--temp-path")),
        }
    }

    pub fn end(&self) -> Result<(), Refusal> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => Err(Refusal::because(Code::BadArgument, quoted(word))),
        }
    }
}

pub(super) fn missing(what: &str) -> Refusal {
    Refusal::because(Code::BadArgument, format_args!("{what} is missing"))
}

pub(crate) fn quoted(word: &str) -> String {
    const SHOWN: usize = 80;
    word.chars().take(SHOWN).collect()
}

/// Absolute, and nothing in it that leads elsewhere.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|below| {
        below
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
    })
}

/// Words between spaces, each bare or in single quotes as a whole. What a shell would do more with is refused.
pub(crate) fn split(line: &str) -> Result<Vec<String>, Refusal> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"+-./_=:@,?".contains(&byte);
    let refusal = || Refusal::because(Code::BadArgument, "what only a shell would understand");
    let mut words = Vec::new();
    let mut rest = line.trim_matches(' ');
    while !rest.is_empty() {
        let word = if let Some(quoted) = rest.strip_prefix('\'') {
            let (word, after) = quoted.split_once('\'').ok_or_else(refusal)?;
            if !word.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(refusal());
            }
            if !after.is_empty() && !after.starts_with(' ') {
                return Err(refusal());
            }
            rest = after;
            word
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if !word.bytes().all(bare) {
                return Err(refusal());
            }
            rest = after;
            word
        };
        words.push(word.to_owned());
        rest = rest.trim_start_matches(' ');
    }
    Ok(words)
}

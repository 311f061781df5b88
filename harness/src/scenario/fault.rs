//! What is wrong with a scenario file, and where: gathered inside out, printed outside in.

use std::fmt;

use serde::de;

use super::nearest::hint;

/// What is wrong with a scenario file: `FILE:LINE: object: cause`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for ReadError {}

/// A `ReadError` that does not know its file yet.
#[derive(Debug, Clone)]
pub struct Fault {
    line: Option<usize>,
    /// Innermost first.
    path: Vec<Segment>,
    cause: String,
}

pub type Result<T> = std::result::Result<T, Fault>;

#[derive(Debug, Clone)]
pub enum Segment {
    Key(String),
    /// Counted from 1.
    Item(usize),
    /// An item that has a name of its own, as in `step "the host is up"`.
    Named(String),
}

impl Fault {
    pub fn new(line: usize, cause: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            path: Vec::new(),
            cause: cause.into(),
        }
    }

    /// A word that is not one of `words`.
    pub fn unknown<W: AsRef<str>>(
        line: usize,
        what: &str,
        word: &str,
        words: impl IntoIterator<Item = W>,
    ) -> Self {
        Self::new(
            line,
            format!("unknown {what} `{word}`{}", hint(word, words)),
        )
    }

    /// The line, if a more precise one is not known already.
    pub fn at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }

    pub fn below(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    /// In the named object.
    pub fn of(self, object: impl Into<String>) -> Self {
        self.below(Segment::Named(object.into()))
    }

    pub fn in_file(self, file: &str) -> ReadError {
        ReadError {
            file: file.to_owned(),
            line: self.line.unwrap_or(1),
            message: self.to_string(),
        }
    }

    /// `step "the host is up", expect.exit`.
    fn object(&self) -> String {
        let mut object = String::new();
        let mut follows = "";
        let mut outside_in = self.path.iter().rev().peekable();
        while let Some(segment) = outside_in.next() {
            match segment {
                // The name of the item says more than that of the list.
                Segment::Key(list)
                    if ["steps", "controls"].contains(&list.as_str())
                        && matches!(outside_in.peek(), Some(Segment::Named(_))) => {}
                Segment::Key(key) => {
                    object.push_str(follows);
                    object.push_str(key);
                    follows = ".";
                }
                Segment::Item(number) => {
                    object.push_str(&format!("[{number}]"));
                    follows = ".";
                }
                Segment::Named(name) => {
                    if !object.is_empty() {
                        object.push_str(", ");
                    }
                    object.push_str(name);
                    follows = ", ";
                }
            }
        }
        object
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.object() {
            object if object.is_empty() => f.write_str(&self.cause),
            object => write!(f, "{object}: {}", self.cause),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(cause: T) -> Self {
        Self {
            line: None,
            path: Vec::new(),
            cause: cause.to_string(),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown key `{field}`{}", hint(field, expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!(
            "unknown word `{variant}`{}",
            hint(variant, expected)
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key `{field}` is missing"))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "{} where there should be {}",
            found_words(&found),
            expected_words(&expected.to_string())
        ))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

fn found_words(found: &de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Str(text) => format!("the string \"{text}\""),
        de::Unexpected::Signed(number) => format!("the number {number}"),
        de::Unexpected::Float(number) => format!("the number {number}"),
        de::Unexpected::Bool(value) => format!("`{value}`"),
        de::Unexpected::Map => "a table".to_owned(),
        de::Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Rust's types in the reader's words.
fn expected_words(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u64" => "a whole number, 0 or more".to_owned(),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(_) => "a table".to_owned(),
            None => other.to_owned(),
        },
    }
}

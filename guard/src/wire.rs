//! What goes over the guard's socket: one request, one line of JSON; then answers, a line each, until the last one.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::release::WIRE_LIMIT;

/// A release document as a JSON string may take twice its bytes.
const REQUEST_LIMIT: u64 = 2 * WIRE_LIMIT as u64 + 64 * 1024;
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;
const NAME_LIMIT: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Name of the key; root has none.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
    /// The command line's words: the service takes them apart itself.
    pub words: Vec<String>,
    /// For `accept-release`.
    #[serde(default)]
    pub document: Option<String>,
    /// Goes on with the output of an activation, after the connection was lost.
    #[serde(default)]
    pub follow: Option<Follow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Follow {
    pub id: String,
    /// Bytes of output that have arrived.
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// An activation has begun; its output can be followed by this id.
    Began(String),
    /// For stderr; `offset` is how far the output is after it.
    Log {
        text: String,
        offset: u64,
    },
    /// For stderr, and no part of an activation's output.
    Note(String),
    /// For stdout.
    Document(String),
    Refused(Refusal),
    /// The last one.
    Exit(i32),
}

impl Request {
    /// Of a process on the host itself, as whoever it runs as.
    pub fn of<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: None,
            words: words.into_iter().map(Into::into).collect(),
            document: None,
            follow: None,
        }
    }
}

/// Whether a text can be the name of a key.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= NAME_LIMIT && text.bytes().all(allowed)
}

/// Whether a text can be the id of an activation.
pub fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f' | b'-');
    !text.is_empty() && text.len() <= NAME_LIMIT && text.bytes().all(allowed)
}

/// # Errors
/// If the other end is gone.
pub fn write(mut stream: &UnixStream, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message).context("cannot write a message")?;
    line.push(b'\n');
    stream.write_all(&line).context("the other end is gone")
}

/// # Errors
/// If the other end is gone, slow, or says what is no request.
pub fn read_request(stream: &UnixStream) -> Result<Request> {
    let mut reader = BufReader::new(stream.take(REQUEST_LIMIT));
    let line = line(&mut reader)?.context("nothing was asked")?;
    serde_json::from_slice(&line).context("cannot read a request")
}

/// The answers, one after the other.
pub struct Answers {
    reader: BufReader<std::io::Take<UnixStream>>,
}

impl Answers {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            reader: BufReader::new(stream.take(0)),
        }
    }

    /// Whether more of what arrived can be read without waiting.
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// None: the other end is gone.
    ///
    /// # Errors
    /// If it says what is no answer.
    pub fn read(&mut self) -> Result<Option<Answer>> {
        self.reader.get_mut().set_limit(ANSWER_LIMIT);
        match line(&mut self.reader)? {
            Some(line) => serde_json::from_slice(&line)
                .map(Some)
                .context("cannot read an answer"),
            None => Ok(None),
        }
    }
}

/// A whole line without its end; none at the end of the stream.
fn line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader
        .read_until(b'\n', &mut line)
        .context("cannot read from the socket")?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => bail!("a message was cut short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_ids_lead_nowhere() {
        assert!(is_name("ci") && is_name("alice.laptop") && is_id("1a2b-3"));
        for bad in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert!(!is_name(bad) && !is_id(bad), "{bad}");
        }
        assert!(!is_id("../x") && !is_id("x"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut here, there) = UnixStream::pair().unwrap();
            here.write_all(&bytes).unwrap();
            drop(here);
            let _ = read_request(&there);
        }

        #[test]
        fn a_request_arrives_as_it_was_sent(words in proptest::collection::vec("\\PC{0,20}", 0..5), document in "\\PC{0,99}") {
            let (here, there) = UnixStream::pair().unwrap();
            let request = Request { name: Some("ci".to_owned()), words, document: Some(document), follow: None };
            write(&here, &request).unwrap();
            prop_assert_eq!(read_request(&there).unwrap(), request);
        }
    }
}

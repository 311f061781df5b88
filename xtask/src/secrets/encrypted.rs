//! What a file that sops wrote says of itself without any key: who can read it, and what stands in it in plain text. Pure.

use std::collections::BTreeMap;

use base64::prelude::{Engine, BASE64_STANDARD};
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

/// A file that is encrypted, as far as it can be read.
#[derive(Debug)]
pub struct Encrypted {
    pub entries: Vec<Entry>,
    /// Ways in that are no age recipient, by sops's word for them: `pgp`, `kms`, `key_groups`.
    pub other_ways: Vec<String>,
    /// Where values stand that are not encrypted, as `a/b`.
    pub plain: Vec<String>,
    content: Mapping,
}

/// One recipient of the key with which all values are encrypted.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub recipient: String,
    /// The first words of each stanza of its age file: who can read it in truth, as far as age tells.
    pub stanzas: Vec<String>,
}

/// Why a file is not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// sops did not write it.
    NotEncrypted,
    /// It is neither YAML nor JSON.
    Unreadable(String),
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    age: Option<Vec<AgeEntry>>,
    mac: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct AgeEntry {
    recipient: String,
    enc: String,
}

impl Encrypted {
    /// Reads YAML, JSON, and the JSON in which sops puts a file of any other kind.
    ///
    /// # Errors
    /// If it is none of them, or not encrypted.
    pub fn parse(text: &str) -> Result<Self, Unread> {
        let content: Value =
            serde_yaml_ng::from_str(text).map_err(|error| Unread::Unreadable(error.to_string()))?;
        let Value::Mapping(mut content) = content else {
            return Err(Unread::NotEncrypted);
        };
        let metadata = content.remove("sops").ok_or(Unread::NotEncrypted)?;
        let metadata: Metadata =
            serde_yaml_ng::from_value(metadata).map_err(|_| Unread::NotEncrypted)?;
        if !is_encrypted(&metadata.mac) {
            return Err(Unread::NotEncrypted);
        }
        let mut plain = Vec::new();
        find_plain(&Value::Mapping(content.clone()), "", &mut plain);
        plain.extend(plain_comments(text));
        let ways = metadata.rest.into_iter();
        Ok(Self {
            entries: metadata
                .age
                .unwrap_or_default()
                .into_iter()
                .map(|entry| Entry {
                    stanzas: stanzas(&entry.enc),
                    recipient: entry.recipient,
                })
                .collect(),
            other_ways: ways
                .filter(|(_, value)| value.as_sequence().is_some_and(|list| !list.is_empty()))
                .map(|(name, _)| name)
                .collect(),
            plain,
            content,
        })
    }

    /// Whether sops-nix finds a value there: `a/b` is `b` within `a`.
    pub fn has(&self, key: &str) -> bool {
        let mut words = key.split('/');
        let first = words.next().and_then(|word| self.content.get(word));
        let value = words.fold(first, |value, word| value?.get(word));
        value.is_some_and(|value| !value.is_mapping() && !value.is_sequence())
    }
}

fn is_encrypted(text: &str) -> bool {
    text.starts_with("ENC[AES256_GCM,data:") && text.ends_with(']')
}

/// sops leaves empty strings and nulls as they are: they say nothing.
fn find_plain(value: &Value, at: &str, found: &mut Vec<String>) {
    let below = |word: &str| {
        if at.is_empty() {
            word.to_owned()
        } else {
            format!("{at}/{word}")
        }
    };
    match value {
        Value::Null => (),
        Value::String(text) if text.is_empty() || is_encrypted(text) => (),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                find_plain(value, &below(key.as_str().unwrap_or("?")), found);
            }
        }
        Value::Sequence(items) => {
            for (at, item) in items.iter().enumerate() {
                find_plain(item, &below(&at.to_string()), found);
            }
        }
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {
            found.push(at.to_owned());
        }
    }
}

/// YAML's comments, which sops encrypts too. JSON has none.
fn plain_comments(text: &str) -> Vec<String> {
    if text.trim_start().starts_with('{') {
        return Vec::new();
    }
    let comment = |line: &str| {
        let at = line.find(" #").map(|at| at + 1);
        let at = if line.starts_with('#') { Some(0) } else { at };
        at.is_some_and(|at| !is_encrypted(line[at + 1..].trim()))
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| comment(line))
        .map(|(at, _)| format!("the comment in line {}", at + 1))
        .collect()
}

/// The first words of the stanzas of an armored age file: two of an ssh key's, of others only the kind.
fn stanzas(armored: &str) -> Vec<String> {
    let body: String = armored
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let bytes = BASE64_STANDARD.decode(body).unwrap_or_default();
    let header = String::from_utf8_lossy(&bytes);
    header
        .lines()
        .take_while(|line| !line.starts_with("---"))
        .filter_map(|line| line.strip_prefix("-> "))
        .map(|line| {
            let count = if line.starts_with("ssh-") { 2 } else { 1 };
            let words: Vec<&str> = line.split(' ').take(count).collect();
            words.join(" ")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "sops:\n  mac: ENC[AES256_GCM,data:AA==,type:str]\n";

    #[test]
    fn plain_values_are_found_wherever_they_are() {
        let text = format!(
            "a: ENC[AES256_GCM,data:AA==,type:str]\nb:\n  c: [\"\", null, 7]\n  d: word\n  e: ENC[no\n{METADATA}"
        );
        let file = Encrypted::parse(&text).unwrap();
        assert_eq!(file.plain, ["b/c/2", "b/d", "b/e"]);
    }

    #[test]
    fn comments_are_values_too() {
        let text = format!(
            "#ENC[AES256_GCM,data:AA==,type:comment]\n# the old one was hunter2\na: \"\" # and this\n{METADATA}"
        );
        let file = Encrypted::parse(&text).unwrap();
        let found = ["the comment in line 2", "the comment in line 3"];
        assert_eq!(file.plain, found);
    }

    #[test]
    fn a_key_leads_to_a_value_and_not_to_a_group() {
        let text = format!("a:\n  b: ENC[AES256_GCM,data:AA==,type:str]\n{METADATA}");
        let file = Encrypted::parse(&text).unwrap();
        assert!(file.has("a/b"));
        for absent in ["a", "b", "a/b/c", "a/", "", "sops/mac"] {
            assert!(!file.has(absent), "{absent}");
        }
    }

    #[test]
    fn only_age_recipients_are_a_way_in() {
        let text = "sops:\n  mac: ENC[AES256_GCM,data:AA==,type:str]\n  kms: []\n  pgp: [{fp: X}]\n  version: \"3\"\n";
        assert_eq!(Encrypted::parse(text).unwrap().other_ways, ["pgp"]);
    }

    #[test]
    fn what_sops_did_not_write_is_not_encrypted() {
        for text in ["", "a: 1\n", "[1]\n", "sops: {}\n", "sops: {mac: x}\n"] {
            let error = Encrypted::parse(text).unwrap_err();
            assert_eq!(error, Unread::NotEncrypted, "{text}");
        }
        let error = Encrypted::parse("a: [\n").unwrap_err();
        assert!(matches!(error, Unread::Unreadable(_)));
    }
}

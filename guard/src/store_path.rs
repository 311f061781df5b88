//! A path of the Nix store, in the one form that the guard takes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const STORE: &str = "/nix/store/";
const HASH_LENGTH: usize = 32;
/// Nix's own limit.
const NAME_LIMIT: usize = 211;

/// `/nix/store/HASH-NAME` and nothing below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

impl StorePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// A file below it.
    pub fn join(&self, below: &str) -> PathBuf {
        self.as_path().join(below)
    }

    /// The 32 characters that deploy-rs names its canary by.
    pub fn hash(&self) -> &str {
        &self.0[STORE.len()..STORE.len() + HASH_LENGTH]
    }

    /// What follows the hash.
    pub fn name(&self) -> &str {
        &self.0[STORE.len() + HASH_LENGTH + 1..]
    }

    /// The store path that a file lies in: links are not followed.
    pub fn containing(path: &Path) -> Option<Self> {
        let below = path.to_str()?.strip_prefix(STORE)?;
        let first = below.split('/').next()?;
        format!("{STORE}{first}").parse().ok()
    }

    /// Where a link leads, through all the links on the way; none if that is not a store path itself.
    pub fn of_link(link: &Path) -> Option<Self> {
        let target = std::fs::canonicalize(link).ok()?;
        target.to_str()?.parse().ok()
    }
}

/// Whether these are the 32 characters of a store path's hash.
pub fn is_hash(text: &str) -> bool {
    // Nix's base 32 has no e, o, t and u.
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'd' | b'f'..=b'n' | b'p'..=b's' | b'v'..=b'z');
    text.len() == HASH_LENGTH && text.bytes().all(digit)
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    !text.is_empty()
        && text.len() <= NAME_LIMIT
        && !text.starts_with('.')
        && text.bytes().all(allowed)
}

/// Why a text is not a store path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAStorePath;

impl fmt::Display for NotAStorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a path of the Nix store")
    }
}

impl std::error::Error for NotAStorePath {}

impl FromStr for StorePath {
    type Err = NotAStorePath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hash, name) = text
            .strip_prefix(STORE)
            .and_then(|rest| rest.split_once('-'))
            .ok_or(NotAStorePath)?;
        if is_hash(hash) && is_name(name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAStorePath)
        }
    }
}

impl TryFrom<String> for StorePath {
    type Error = NotAStorePath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-Niko-26.05";

    #[test]
    fn a_store_path_is_taken_apart() {
        let path: StorePath = GOOD.parse().unwrap();
        assert_eq!(path.hash(), "0123456789abcdfghijklmnpqrsvwxyz");
        assert_eq!(path.name(), "nixos-system-Niko-26.05");
        assert_eq!(StorePath::containing(&path.join("bin/x")), Some(path));
    }

    #[test]
    fn nothing_else_is_one() {
        for bad in [
            "",
            "/nix/store",
            "/nix/store/",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a/bin",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-.a",
            "/nix/store/0123456789abcdefghijklmnpqrsvwxy-e-is-no-digit",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a b",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a\n",
            "/nix/store/../store/0123456789abcdfghijklmnpqrsvwxyz-a",
            "nix/store/0123456789abcdfghijklmnpqrsvwxyz-a",
        ] {
            assert!(bad.parse::<StorePath>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "(/nix/store/)?\\PC{0,80}") {
            if let Ok(path) = text.parse::<StorePath>() {
                prop_assert_eq!(format!("/nix/store/{}-{}", path.hash(), path.name()), text);
            }
        }
    }
}

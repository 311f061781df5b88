//! Paths in the Nix store.

use std::fmt;
use std::path::Path;

use anyhow::{bail, Result};
use serde::{Deserialize, Serialize};

pub const STORE_DIR: &str = "/nix/store";

/// A path directly in the Nix store: `/nix/store/<32 characters>-<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorePath(String);

impl StorePath {
    /// Takes a full path, or the base name that newer versions of Nix print in JSON.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let base = text
            .strip_prefix(STORE_DIR)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(text);
        let hash_ends = base.as_bytes().get(32) == Some(&b'-');
        if !hash_ends || base.contains('/') || !base.is_char_boundary(33) {
            bail!("`{text}` is no store path");
        }
        Ok(Self(format!("{STORE_DIR}/{base}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The 32 characters before the name.
    pub fn hash(&self) -> &str {
        &self.0[STORE_DIR.len() + 1..STORE_DIR.len() + 33]
    }

    /// The part after the hash: `nixos-system-Niko-26.05`.
    pub fn name(&self) -> &str {
        &self.0[STORE_DIR.len() + 34..]
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

    const BASE: &str = "00000000000000000000000000000000-nixos-system-Niko";

    #[test]
    fn full_paths_and_base_names_are_the_same_path() {
        let full = StorePath::parse(&format!("/nix/store/{BASE}")).unwrap();
        assert_eq!(full, StorePath::parse(BASE).unwrap());
        assert_eq!(full.hash(), "0".repeat(32));
        assert_eq!(full.name(), "nixos-system-Niko");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "/nix/store/short-x",
            &format!("{BASE}/bin"),
        ] {
            assert!(StorePath::parse(bad).is_err(), "{bad}");
        }
    }
}

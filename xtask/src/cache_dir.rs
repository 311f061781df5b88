//! Where xtask keeps what it can make again: `$SLIPWAY_CACHE`, else `slipway` in the user's cache folder.
//! Only paths: who writes into a folder creates it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The cache folder of this user, always an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir(PathBuf);

impl CacheDir {
    /// # Errors
    /// Missing, if the environment names no home, and usage, if a relative path cannot be made absolute.
    pub fn find() -> Result<Self, Failure> {
        Self::from_environment(|name| std::env::var_os(name))
    }

    /// A cache of a test's own.
    #[cfg(test)]
    pub fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let dir = if let Some(own) = set("SLIPWAY_CACHE") {
            PathBuf::from(own)
        } else if let Some(cache) = set("XDG_CACHE_HOME") {
            PathBuf::from(cache).join("slipway")
        } else if let Some(home) = set("HOME") {
            PathBuf::from(home).join(".cache/slipway")
        } else {
            return Err(Failure::missing(
                "no place for the cache: none of SLIPWAY_CACHE, XDG_CACHE_HOME and HOME is set",
            )
            .try_next("SLIPWAY_CACHE=/var/cache/slipway"));
        };
        let absolute = std::path::absolute(&dir).map_err(|error| {
            Failure::usage(format!("cannot use the cache {}: {error}", dir.display()))
        })?;
        Ok(Self(absolute))
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The installed tools, a folder each.
    pub fn tools(&self) -> PathBuf {
        self.0.join("tools")
    }

    /// One installed tool; its version or suite is part of the name.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools().join(name)
    }

    /// Images and snapshots of virtual machines; the harness writes it.
    pub fn machines(&self) -> PathBuf {
        self.0.join("machines")
    }

    /// What is known of the machines that run by name, a folder each.
    pub fn held(&self) -> PathBuf {
        self.machines().join("held")
    }

    /// The rehearsal stand-ins that are embedded in this program, by the hash of their content.
    pub fn rehearsal(&self, hash: &str) -> PathBuf {
        self.0.join("rehearsal").join(hash)
    }

    /// Our own programs as cargo built them, for rehearsed hosts, by the hash of their content.
    pub fn crates(&self, hash: &str) -> PathBuf {
        self.0.join("crates").join(hash)
    }

    /// Links that keep the last closures from being collected.
    pub fn roots(&self) -> PathBuf {
        self.0.join("roots")
    }

    /// Which commit each closure came from.
    pub fn closures(&self) -> PathBuf {
        self.0.join("closures")
    }

    /// What local runs of the workflows need: their folders while they run, what their jobs keep from run to run.
    pub fn ci_local(&self) -> PathBuf {
        self.0.join("ci-local")
    }

    /// Folders of nodes of a tailnet, while they are in it.
    pub fn tailnet(&self) -> PathBuf {
        self.0.join("tailnet")
    }

    /// Folders of updates that are being made.
    pub fn updates(&self) -> PathBuf {
        self.0.join("updates")
    }

    /// Where a fleet's logs of this kind are: beside what cargo builds, if its root has such a place, else here.
    pub fn logs(&self, root: &Path, kind: &str) -> PathBuf {
        let built = root.join("target");
        if built.is_dir() {
            built.join(kind)
        } else {
            self.0.join("logs").join(kind)
        }
    }

    /// What earlier evaluations found.
    pub fn evaluations(&self) -> PathBuf {
        self.0.join("evaluations")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<CacheDir, Failure> {
        CacheDir::from_environment(|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_nearest_variable_wins_and_an_empty_one_is_unset() {
        let home = ("HOME", "/home/me");
        let xdg = ("XDG_CACHE_HOME", "/xdg");
        let own = ("SLIPWAY_CACHE", "/own");
        let root = |variables: &[(&str, &str)]| find(variables).unwrap().root().to_owned();
        assert_eq!(root(&[home]), Path::new("/home/me/.cache/slipway"));
        assert_eq!(root(&[home, xdg]), Path::new("/xdg/slipway"));
        assert_eq!(root(&[home, xdg, own]), Path::new("/own"));
        assert_eq!(
            root(&[home, ("SLIPWAY_CACHE", "")]),
            Path::new("/home/me/.cache/slipway")
        );
    }

    #[test]
    fn a_relative_cache_is_made_absolute() {
        let cache = find(&[("SLIPWAY_CACHE", "cache")]).unwrap();
        assert!(cache.tool("nix-trixie").is_absolute());
        assert!(cache.tool("nix-trixie").ends_with("cache/tools/nix-trixie"));
    }

    #[test]
    fn no_home_is_an_error_that_names_the_variables() {
        let failure = find(&[]).unwrap_err();
        assert!(failure.to_string().contains("SLIPWAY_CACHE"), "{failure}");
    }
}

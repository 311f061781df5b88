//! The controller's Nix store: what can be deployed, and the key that signs it.

use std::path::Path;
use std::time::Duration;

use super::ground::{Closures, Nix};
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Command;

/// Host time for what Nix does.
const HOST: Duration = Duration::from_secs(300);

/// A store of its own, with the usual names: signatures of a play do not stay with this host's store, and a garbage
/// collection on the controller takes nothing from it.
pub(super) fn url(store: &Path) -> String {
    format!("local?root={}", store.display())
}

impl Nix {
    fn flakes(&self) -> Command {
        self.command("nix")
            .args(["--extra-experimental-features", "nix-command"])
    }

    /// A signing key that nobody else ever reads; gives its public half.
    pub(super) fn make_key(&self, file: &Path) -> Result<String> {
        let secret = self
            .flakes()
            .args(["key", "generate-secret", "--key-name", "play"])
            .success(HOST)?
            .text();
        let made = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new("/")))
            .map_err(|e| Error::io("make", file, e))?;
        cache::write(made.path(), secret.as_bytes())?;
        let public = self
            .flakes()
            .args(["key", "convert-secret-to-public"])
            .stdin(made.path())
            .success(HOST)?
            .text();
        made.persist(file)
            .map_err(|e| Error::io("keep", file, e.error))?;
        Ok(public)
    }

    /// Puts into `store` what can be deployed, with the derivations: newer deploy-rs asks for them.
    pub(super) fn fill(&self, store: &Path, closures: &Closures) -> Result<()> {
        let mut paths: Vec<&Path> = closures
            .values()
            .flat_map(|closure| [closure.profile.as_path(), closure.toplevel.as_path()])
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let derivers = self
            .command("nix-store")
            .args(["--query", "--deriver"])
            .args(closures.values().map(|closure| &closure.profile))
            .success(HOST)?
            .text();
        let mut derivers: Vec<&str> = derivers.lines().collect();
        derivers.sort_unstable();
        derivers.dedup();
        if derivers.contains(&"unknown-deriver") {
            return Err(Error::new(
                ErrorKind::State,
                "a profile has no derivation in this store, and deploy-rs asks for it",
            )
            .try_next("build it here"));
        }
        self.flakes()
            .args(["copy", "--no-check-sigs", "--to", &url(store)])
            .args(paths)
            .args(derivers)
            .success(HOST)
            .map(drop)
    }
}

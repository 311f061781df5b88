//! What a commit says of a fleet, beside its hosts: files, locked inputs.

use anyhow::Result;

use super::locate::Location;
use super::{declared, Fleet};
use crate::failure::Failure;
use crate::fleet::flake::Flake;
use crate::fleet::lock::Lock;
use crate::tools::nix::Nix;

impl Fleet {
    /// A file of the flake's folder, as it is now or as a commit had it; none if Nix would see none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn file(&self, name: &str, commit: Option<&str>) -> Result<Option<String>> {
        self.location.file(name, commit).await
    }

    /// The path of a file of the flake's folder inside its repository.
    pub fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.location.prefix())
    }

    /// The flake as a commit had it, with the inputs that it locks.
    ///
    /// # Errors
    /// If git cannot be asked.
    pub async fn flake_at(&self, commit: &str) -> Result<Flake> {
        self.location.flake(Some(commit)).await
    }

    /// What a commit locks the inputs to; without a lock file, what flake.nix declares.
    ///
    /// # Errors
    /// Usage, if one of the files cannot be read as what it is.
    pub async fn lock_at(&self, commit: &str) -> Result<Lock> {
        match locked(&self.location, Some(commit)).await? {
            Some(lock) => Ok(lock),
            None => declared(&self.nix, &self.location, Some(commit)).await,
        }
    }
}

/// What flake.lock says; none if there is none.
///
/// # Errors
/// Usage, if it is no lock file.
pub(super) async fn locked(location: &Location, commit: Option<&str>) -> Result<Option<Lock>> {
    let Some(text) = location.file("flake.lock", commit).await? else {
        return Ok(None);
    };
    let lock = Lock::parse(&text)
        .map_err(|error| Failure::usage(format!("cannot read the fleet's flake.lock: {error}")))?;
    Ok(Some(lock))
}

/// What flake.nix declares.
///
/// # Errors
/// Usage, if it is not there or no flake.
pub(super) async fn declared(nix: &Nix, location: &Location, commit: Option<&str>) -> Result<Lock> {
    let text = location.file("flake.nix", commit).await?;
    let text = text.ok_or_else(|| Failure::usage("no flake.nix at this revision"))?;
    declared::inputs(nix, &location.file_name("flake.nix"), &text).await
}

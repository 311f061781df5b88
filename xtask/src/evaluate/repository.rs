//! The repository that a fleet is in: its commits, and what git is to know of.

use std::path::Path;

use anyhow::Result;

use super::locate::Location;
use super::Fleet;
use crate::failure::Failure;
use crate::tools::git::Git;

impl Fleet {
    pub(super) async fn commit(&self, revision: &str) -> Result<String> {
        match &self.location {
            Location::Git { git, .. } => git.commit(revision).await,
            Location::Folder(root) => Err(Failure::usage(format!(
                "no revision `{revision}`: {} is in no git repository",
                root.display()
            ))
            .try_next(format!(
                "--flake with a git clone, or: git -C {0} init && git -C {0} add .",
                root.display()
            ))
            .into()),
            Location::Remote(reference) => Err(Failure::usage(format!(
                "no revision `{revision}`: {reference} is not on this machine"
            ))
            .try_next("--flake with a clone of it")
            .into()),
        }
    }

    /// The folder that a person edits, if the fleet is on this machine.
    pub fn folder(&self) -> Option<&Path> {
        self.location.root()
    }

    /// The repository that the fleet is in.
    ///
    /// # Errors
    /// Usage, if it is in none on this machine.
    pub fn git(&self) -> Result<&Git, Failure> {
        match &self.location {
            Location::Git { git, .. } => Ok(git),
            Location::Folder(root) => Err(Failure::usage(format!(
                "{} is in no git repository",
                root.display()
            ))
            .try_next(format!(
                "git -C {0} init && git -C {0} add . && git -C {0} commit",
                root.display()
            ))),
            Location::Remote(reference) => Err(Failure::usage(format!(
                "{reference} is not on this machine"
            ))
            .try_next("--flake with a clone of it")),
        }
    }

    /// Makes git know what is new in the fleet; tells whether there is a git to know it.
    ///
    /// # Errors
    /// If git refuses.
    pub async fn make_known(&self, path: &Path) -> Result<bool> {
        match &self.location {
            Location::Git { git, .. } => git.intend_to_add(path).await.map(|()| true),
            Location::Folder(_) | Location::Remote(_) => Ok(false),
        }
    }

    /// Undoes `make_known`.
    ///
    /// # Errors
    /// If git refuses.
    pub async fn forget(&self, path: &Path) -> Result<()> {
        match &self.location {
            Location::Git { git, .. } => git.forget(path).await,
            Location::Folder(_) | Location::Remote(_) => Ok(()),
        }
    }
}

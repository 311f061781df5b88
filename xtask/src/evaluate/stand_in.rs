//! The rehearsal stand-in: the fleet's own `nix/rehearsal`, or the copy that is embedded in xtask.

use std::path::Path;

use anyhow::{Context, Result};
use include_dir::{include_dir, Dir};
use nix::errno::Errno;

use super::digest::{self, Digest};
use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::fleet::lock::Inputs;
use crate::tools::git::Git;

/// Where a fleet that brings its own stand-in has it.
pub const FOLDER: &str = "nix/rehearsal";

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nix/rehearsal");

/// A stand-in flake on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// As Nix takes it.
    pub reference: String,
    /// Of all its files.
    pub hash: String,
}

impl StandIn {
    /// The stand-in of the fleet in this folder, if it has one; else the embedded one.
    ///
    /// # Errors
    /// If it cannot be read, or the embedded one cannot be written to the cache.
    pub fn of_folder(root: Option<&Path>, cache: &CacheDir) -> Result<Self> {
        let own = root.map(|root| root.join(FOLDER));
        match own.filter(|own| own.join("flake.nix").is_file()) {
            Some(own) => {
                let files = digest::folder(&own)
                    .with_context(|| format!("cannot read the stand-in {}", own.display()))?;
                Ok(Self::at(&own, name(&files)))
            }
            None => Self::embedded(cache),
        }
    }

    /// The stand-in as a commit had it, if it had one; else the embedded one. `flake_dir` ends in `/` or is empty.
    ///
    /// # Errors
    /// If it cannot be read or written to the cache.
    pub async fn of_commit(
        git: &Git,
        commit: &str,
        flake_dir: &str,
        cache: &CacheDir,
    ) -> Result<Self> {
        let folder = format!("{flake_dir}{FOLDER}");
        if git
            .object(commit, &format!("{folder}/flake.nix"))
            .await?
            .is_none()
        {
            return Self::embedded(cache);
        }
        let tree = git
            .object(commit, &folder)
            .await?
            .with_context(|| format!("{commit} has no {folder}"))?;
        let target = cache.rehearsal(&tree);
        if !target.exists() {
            let new = beside(&target)?;
            git.extract(commit, &folder, new.path()).await?;
            publish(new, &target)?;
        }
        Ok(Self::at(&target, tree))
    }

    /// What replaces the inputs that it plays.
    pub fn overrides(&self, inputs: &Inputs) -> Vec<(String, String)> {
        inputs
            .replaceable
            .iter()
            .map(|input| (input.path.clone(), self.reference.clone()))
            .collect()
    }

    fn embedded(cache: &CacheDir) -> Result<Self> {
        let mut files = Vec::new();
        list(&EMBEDDED, &mut files);
        files.sort();
        let hash = name(&files);
        let target = cache.rehearsal(&hash);
        if !target.exists() {
            let new = beside(&target)?;
            EMBEDDED
                .extract(new.path())
                .map_err(|error| unwritable(&target, &error))?;
            publish(new, &target)?;
        }
        Ok(Self::at(&target, hash))
    }

    fn at(folder: &Path, hash: String) -> Self {
        Self {
            reference: crate::fleet::flake::folder_reference(folder),
            hash,
        }
    }
}

fn name(files: &[(String, String)]) -> String {
    let mut digest = Digest::default();
    for (path, hash) in files {
        digest.field(path).field(hash);
    }
    digest.name()
}

fn list(dir: &Dir<'_>, files: &mut Vec<(String, String)>) {
    for file in dir.files() {
        let mut digest = Digest::default();
        digest.field(file.contents());
        files.push((file.path().display().to_string(), digest.name()));
    }
    for dir in dir.dirs() {
        list(dir, files);
    }
}

/// A new folder in the same place, so that the finished one appears at once under its name.
fn beside(target: &Path) -> Result<tempfile::TempDir> {
    let parent = target.parent().unwrap_or(target);
    std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::tempdir_in(parent))
        .map_err(|error| unwritable(parent, &error))
}

fn unwritable(place: &Path, error: &std::io::Error) -> anyhow::Error {
    // Without the name of a temporary file, which tells nobody anything.
    let reason = Errno::from_raw(error.raw_os_error().unwrap_or_default()).desc();
    Failure::failed(format!(
        "cannot write to the cache {}: {reason}",
        place.display()
    ))
    .try_next("SLIPWAY_CACHE=FOLDER, one that has space and can be written to")
    .into()
}

fn publish(new: tempfile::TempDir, target: &Path) -> Result<()> {
    match std::fs::rename(new.path(), target) {
        Ok(()) => {
            // It has another name now, and nothing is left to remove.
            let _ = new.keep();
            Ok(())
        }
        // Another xtask was faster, with the same content.
        Err(_) if target.exists() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", target.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_stand_in_is_written_once_and_complete() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let stand_in = StandIn::of_folder(None, &cache).unwrap();
        let folder = cache.rehearsal(&stand_in.hash);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(FOLDER);
        assert_eq!(
            digest::folder(&folder).unwrap().len(),
            digest::folder(&source).unwrap().len()
        );
        assert_eq!(StandIn::of_folder(None, &cache).unwrap(), stand_in);
    }

    #[test]
    fn a_fleets_own_stand_in_is_used_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join(FOLDER);
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("flake.nix"), "{ }").unwrap();
        let cache = CacheDir::at(&dir.path().join("cache"));
        let stand_in = StandIn::of_folder(Some(dir.path()), &cache).unwrap();
        assert_eq!(stand_in.reference, format!("path:{}", own.display()));
        std::fs::write(own.join("flake.nix"), "{ a = 1; }").unwrap();
        let changed = StandIn::of_folder(Some(dir.path()), &cache).unwrap();
        assert_ne!(changed.hash, stand_in.hash);
    }
}

//! The links that keep each host's last closure from being collected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::fleet::store_path::StorePath;
use crate::report;

/// The closures that links in this folder keep, each with its link.
pub fn kept(dir: &Path) -> Vec<(PathBuf, StorePath)> {
    let Ok(runs) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    runs.flatten()
        .filter_map(|run| std::fs::read_dir(run.path()).ok())
        .flat_map(|links| links.flatten())
        .filter_map(|link| {
            let target = std::fs::read_link(link.path()).ok()?;
            let path = StorePath::parse(target.to_str()?).ok()?;
            Some((link.path(), path))
        })
        .collect()
}

/// This run's links.
#[derive(Debug)]
pub enum Links {
    Kept(PathBuf),
    /// The cache cannot be written to: these go with the run.
    Temporary(tempfile::TempDir),
}

impl Links {
    /// # Errors
    /// If no folder can be made for them at all.
    pub fn of_run(roots: &Path) -> Result<Self> {
        let error = match folder(roots) {
            Ok(dir) => return Ok(Self::Kept(dir)),
            Err(error) => error,
        };
        report::say(&format!(
            "warning: {error:#}: after this run nothing keeps the closures from being collected"
        ));
        let temporary = tempfile::tempdir().map_err(|error| {
            let place = std::env::temp_dir();
            let message = format!(
                "cannot make a folder for links in {}: {error}",
                place.display()
            );
            Failure::failed(message)
                .try_next("SLIPWAY_CACHE=FOLDER, one that has space and can be written to")
        })?;
        Ok(Self::Temporary(temporary))
    }

    pub fn dir(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

/// A folder for this run's links, which no other run has.
///
/// # Errors
/// If it cannot be made.
fn folder(dir: &Path) -> Result<PathBuf> {
    let make = || {
        std::fs::create_dir_all(dir)?;
        std::io::Result::Ok(
            tempfile::Builder::new()
                .prefix("run-")
                .tempdir_in(dir)?
                .keep(),
        )
    };
    make().with_context(|| format!("cannot make a folder for links in {}", dir.display()))
}

/// Removes the links to closures that are no host's last one, and those that another link makes superfluous.
pub fn prune(dir: &Path, last: &BTreeSet<StorePath>) {
    let mut seen = BTreeSet::new();
    let mut links = kept(dir);
    // The newest runs are not necessarily last; any one link will do.
    links.sort();
    for (link, path) in links {
        if !last.contains(&path) || !seen.insert(path) {
            // A link that stays keeps a closure too long, which is no failure of this run.
            let _ = std::fs::remove_file(link);
        }
    }
    for run in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        // Only an empty folder can be removed like this.
        let _ = std::fs::remove_dir(run.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_link_stays_for_each_last_closure() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| StorePath::parse(&format!("{}-{name}", "0".repeat(32))).unwrap();
        for (link, name) in [("1", "new"), ("1-1", "old"), ("1-2", "new")] {
            let run = folder(dir.path()).unwrap();
            std::os::unix::fs::symlink(path(name).as_path(), run.join(link)).unwrap();
        }
        assert_eq!(kept(dir.path()).len(), 3);
        prune(dir.path(), &[path("new")].into());
        let left: Vec<_> = kept(dir.path()).into_iter().map(|(_, path)| path).collect();
        assert_eq!(left, [path("new")]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

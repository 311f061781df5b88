//! Folders in which processes work, and which go with them: removed once the processes have ended, however xtask ends.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::report;

/// A folder of this run. It goes at the end of xtask, or earlier by `remove`; not by being dropped, because a task is
/// dropped before the processes that still write here are ended.
pub struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
}

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl Folder {
    /// A new folder in `parent`, which holds nothing but such folders: those of runs that were killed go now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(parent: &Path) -> Result<Self> {
        let cannot = || format!("cannot make a folder in {}", parent.display());
        std::fs::create_dir_all(parent).with_context(cannot)?;
        // Nobody sweeps between the making of a folder and its lock.
        let _all = File::open(parent)
            .and_then(|file| Ok(Flock::lock(file, FlockArg::LockExclusive).map_err(|it| it.1)?))
            .with_context(cannot)?;
        sweep(parent).with_context(cannot)?;
        let path = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(8)
            .tempdir_in(parent)
            .with_context(cannot)?
            .keep();
        folders().push(path.clone());
        let lock = locked(&path)
            .with_context(cannot)?
            .with_context(|| format!("somebody else holds {}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes all that are left. What cannot be removed is told.
pub fn remove_all() {
    for path in std::mem::take(&mut *folders()) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            if error.kind() != ErrorKind::NotFound {
                report::say(&format!("cannot remove {}: {error}", path.display()));
            }
        }
    }
}

/// Who holds a folder has a lock on it, which the kernel takes back when he is killed.
fn sweep(parent: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let path = entry?.path();
        if locked(&path)?.is_some() {
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// None if somebody holds it, or it is gone.
fn locked(path: &Path) -> std::io::Result<Option<Flock<File>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

fn folders() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_is_held_stays() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("left");
        std::fs::create_dir_all(left.join("deep")).unwrap();
        let held = Folder::create(parent.path()).unwrap();
        assert!(!left.exists());
        let second = Folder::create(parent.path()).unwrap();
        assert!(held.path().exists() && second.path().exists());
    }
}

//! Where the logs of plays are: a folder a play, replaced by the next run of the same play.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::cache_dir::CacheDir;

/// Runs of the same play at the same time; more are no longer told apart from a fault.
const MOST: usize = 32;

/// The folder of one play, which nobody else writes to while this is held.
#[derive(Debug)]
pub struct Claim {
    pub folder: PathBuf,
    _lock: Flock<File>,
}

/// Where the plays of a fleet have their folders.
pub fn base(root: &Path, cache: &CacheDir) -> PathBuf {
    cache.logs(root, "vm-test")
}

/// An empty folder for a play. What an earlier run left there is gone; a run that still goes on keeps its own.
///
/// # Errors
/// If it cannot be written.
pub fn claim(base: &Path, play: &str) -> Result<Claim> {
    let cannot = || format!("cannot make a folder for logs in {}", base.display());
    std::fs::create_dir_all(base).with_context(cannot)?;
    for number in 1..=MOST {
        let name = match number {
            1 => play.to_owned(),
            number => format!("{play}~{number}"),
        };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(base.join(format!(".{name}.lock")))
            .with_context(cannot)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => continue,
            Err((_, errno)) => return Err(errno).with_context(cannot),
        };
        let folder = base.join(name);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", folder.display()))
            }
            _ => (),
        }
        std::fs::create_dir(&folder).with_context(cannot)?;
        return Ok(Claim {
            folder,
            _lock: lock,
        });
    }
    anyhow::bail!("{MOST} runs of {play} go on at the same time")
}

/// As a person in this folder reads it.
pub fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let inside = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    inside.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_replaces_the_folder_and_one_at_the_same_time_has_another() {
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path(), "boot-Niko").unwrap();
        std::fs::write(first.folder.join("transcript.txt"), "x").unwrap();
        let second = claim(dir.path(), "boot-Niko").unwrap();
        assert_eq!(second.folder, dir.path().join("boot-Niko~2"));
        assert!(first.folder.join("transcript.txt").exists());
        drop(first);
        let third = claim(dir.path(), "boot-Niko").unwrap();
        assert_eq!(third.folder, dir.path().join("boot-Niko"));
        assert!(!third.folder.join("transcript.txt").exists());
    }
}

//! What the signer remembers: the counter and the last release, written before anything is signed with them.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::whole_file;

/// The signer's folder, held by this run alone.
pub struct State {
    dir: PathBuf,
    pub remembered: Remembered,
    _lock: Flock<File>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remembered {
    /// Of the last release that was, or was about to be, signed.
    pub counter: u64,
    /// The last commit of `main` that was released.
    pub main: Option<String>,
}

/// Releases whose closures are kept, besides the last one.
const KEPT: usize = 5;

impl State {
    /// # Errors
    /// Failed, if another release is being made, or the folder cannot be used.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the signer's folder {}", dir.display()))?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(dir.join("lock"))
            .with_context(|| format!("cannot write into {}", dir.display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| {
            Failure::failed(format!(
                "another release is being made in {}",
                dir.display()
            ))
            .try_next("the same when that is done")
        })?;
        let place = dir.join("state.json");
        let remembered = match std::fs::read(&place) {
            // A counter that starts again would make releases that no host takes.
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("cannot read {}", place.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Remembered::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", place.display()))
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            remembered,
            _lock: lock,
        })
    }

    pub fn repository(&self) -> PathBuf {
        self.dir.join("repository")
    }

    pub fn allowed_signers(&self) -> PathBuf {
        self.dir.join("allowed_signers")
    }

    pub fn release(&self, counter: u64) -> PathBuf {
        self.dir.join("releases").join(format!("{counter}.json"))
    }

    /// Where the links are that keep a release's closures.
    pub fn roots(&self, counter: u64) -> PathBuf {
        self.dir.join("roots").join(counter.to_string())
    }

    /// # Errors
    /// If it cannot be written, and is not on the disk.
    pub fn remember(&mut self, remembered: Remembered) -> Result<()> {
        let place = self.dir.join("state.json");
        whole_file::write(&place, serde_json::to_vec_pretty(&remembered)?)
            .and_then(|()| File::open(&place)?.sync_all())
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .with_context(|| format!("cannot write {}", place.display()))?;
        self.remembered = remembered;
        Ok(())
    }

    /// Lets go of closures that only old releases need.
    pub fn prune(&self) {
        let roots = self.dir.join("roots");
        let mut counters: Vec<u64> = std::fs::read_dir(&roots)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        counters.sort_unstable_by(|a, b| b.cmp(a));
        for counter in counters.into_iter().skip(KEPT + 1) {
            // Closures that stay too long are no failure of this release.
            let _ = std::fs::remove_dir_all(roots.join(counter.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_there_again_and_one_run_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path()).unwrap();
        assert_eq!(state.remembered, Remembered::default());
        let remembered = Remembered {
            counter: 3,
            main: Some("abc".to_owned()),
        };
        state.remember(remembered.clone()).unwrap();
        let second = State::open(dir.path()).err().unwrap();
        assert!(second.to_string().contains("another release"), "{second}");
        drop(state);
        assert_eq!(State::open(dir.path()).unwrap().remembered, remembered);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_not_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.json"), "{").unwrap();
        assert!(State::open(dir.path()).is_err());
    }

    #[test]
    fn the_newest_releases_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        for counter in 1..=9 {
            std::fs::create_dir_all(state.roots(counter)).unwrap();
        }
        state.prune();
        let left: Vec<u64> = (1..=9).filter(|it| state.roots(*it).exists()).collect();
        assert_eq!(left, [4, 5, 6, 7, 8, 9]);
    }
}

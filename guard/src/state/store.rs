//! The state's file: read and replaced as a whole, by one process at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::{State, VERSION};
use crate::room;
use crate::whole_file;

const LIMIT: u64 = 8 * 1024 * 1024;

/// Where the state lies.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// # Errors
    /// If the folder is not the guard's alone.
    pub fn open(folder: &Path) -> Result<Self> {
        whole_file::own_folder(folder, 0o700)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// # Errors
    /// If it cannot be read, or is of a newer guard in another form.
    pub fn read(&self) -> Result<State> {
        let path = self.file();
        let Some(bytes) = whole_file::read(&path, LIMIT)? else {
            return Ok(State::default());
        };
        let state: State = serde_json::from_slice(&bytes)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if state.version != VERSION {
            bail!("{} is of version {}", path.display(), state.version);
        }
        Ok(state)
    }

    /// Reads, changes and writes while no other process does. For what is about to be begun: on a full disk nothing is.
    ///
    /// # Errors
    /// If it cannot be read or written; what `change` answers comes back otherwise.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.changed(change, |file, json| whole_file::write(file, json, 0o600))
    }

    /// The same for what has happened already: on a full disk, too.
    ///
    /// # Errors
    /// As `change`.
    pub fn settle<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.changed(change, |file, json| {
            self.in_room(|| whole_file::write(file, json, 0o600))
        })
    }

    /// Writes what has happened elsewhere, on a full disk, too.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn in_room<T>(&self, write: impl FnMut() -> Result<T>) -> Result<T> {
        room::write(&self.folder, write)
    }

    /// Takes the room for `settle` and `in_room`.
    pub fn keep_room(&self) {
        room::keep(&self.folder);
    }

    fn changed<T>(
        &self,
        change: impl FnOnce(&mut State) -> T,
        write: impl FnOnce(&Path, &[u8]) -> Result<()>,
    ) -> Result<T> {
        let _lock = lock(&self.folder.join("state.lock"), FlockArg::LockExclusive)?
            .context("the state is locked")?;
        let mut state = self.read()?;
        let answer = change(&mut state);
        let mut json = serde_json::to_vec_pretty(&state).context("cannot write the state")?;
        json.push(b'\n');
        write(&self.file(), &json)?;
        Ok(answer)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("state.json")
    }
}

/// A lock on a file in a folder of the guard's own; none if another process has it.
///
/// # Errors
/// If the file cannot be opened.
pub fn lock(path: &Path, how: FlockArg) -> Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_CLOEXEC.bits())
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match Flock::lock(file, how) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::path;
    use super::*;
    use crate::time::Time;

    #[test]
    fn what_was_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state")).unwrap();
        store
            .change(|state| state.confirm(&path("a"), Time::from_unix(1), None))
            .unwrap();
        assert!(store.read().unwrap().is_confirmed(&path("a")));
        assert!(!store.read().unwrap().is_confirmed(&path("b")));
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("state.json"), "{\"version\":2}").unwrap();
        assert!(store.read().is_err());
        // What a newer guard adds to this version does not matter to an older one.
        std::fs::write(dir.path().join("state.json"), "{\"version\":1,\"new\":{}}").unwrap();
        assert!(store.read().is_ok());
    }

    #[test]
    fn a_lock_is_one_s_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lock");
        let held = lock(&file, FlockArg::LockExclusiveNonblock).unwrap();
        assert!(held.is_some());
        assert!(lock(&file, FlockArg::LockExclusiveNonblock)
            .unwrap()
            .is_none());
        drop(held);
        assert!(lock(&file, FlockArg::LockExclusiveNonblock)
            .unwrap()
            .is_some());
    }
}

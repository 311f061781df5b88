//! The cache's layout, locks between processes, and publishing by rename: what has its final name is complete.
//! Knows nothing of what an entry contains.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind, Result};

/// The kinds of things kept; each is a folder of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    Images,
    Snapshots,
    /// Machines that somebody wants to see again: failed ones, and those that are started by name.
    Kept,
    /// Downloaded packages, shared by all images.
    Packages,
    /// Short-lived folders of runs; the garbage collection removes those whose owner is gone.
    Runs,
}

impl Shelf {
    pub const ALL: [Self; 5] = [
        Self::Images,
        Self::Snapshots,
        Self::Kept,
        Self::Packages,
        Self::Runs,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Snapshots => "snapshots",
            Self::Kept => "kept",
            Self::Packages => "packages",
            Self::Runs => "runs",
        }
    }
}

/// A folder that this crate owns, shared by all processes of a user.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A lock that is released when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Cache {
    /// A cache that is there, or that `create` makes; one that is neither is empty.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| Error::io("find", root, e))?;
        Ok(Self { root })
    }

    /// Makes its folders, as far as they are not there: needed before anything is locked or written.
    pub fn create(&self) -> Result<()> {
        for shelf in Shelf::ALL {
            create_dir(&self.shelf(shelf))?;
        }
        create_dir(&self.locks())
    }

    #[cfg(test)]
    pub fn open(root: &Path) -> Self {
        let cache = Self::at(root).unwrap();
        cache.create().unwrap();
        cache
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn shelf(&self, shelf: Shelf) -> PathBuf {
        self.root.join(shelf.name())
    }

    /// Where the entry of this key is, or will be.
    pub fn entry(&self, shelf: Shelf, key: &str) -> PathBuf {
        self.shelf(shelf).join(key)
    }

    /// Waits until nobody else makes, uses exclusively or removes what `name` stands for.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        self.flock(name, FlockArg::LockExclusive)
    }

    /// For users of an entry: any number at once, and none while somebody has it exclusively.
    pub fn share(&self, name: &str) -> Result<Lock> {
        self.flock(name, FlockArg::LockShared)
    }

    /// `None` when somebody else holds it.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>> {
        try_lock_file(&self.lock_path(name))
    }

    /// `None` when somebody has it exclusively.
    pub fn try_share(&self, name: &str) -> Result<Option<Lock>> {
        try_flock(&self.lock_path(name), FlockArg::LockSharedNonblock)
    }

    /// One of `count` places, shared by all processes; errs when none gets free `within` (host time).
    pub fn slot(&self, name: &str, count: usize, within: Duration) -> Result<Lock> {
        let started = Instant::now();
        loop {
            for n in 0..count {
                if let Some(lock) = self.try_lock(&format!("{name}-{n}"))? {
                    return Ok(lock);
                }
            }
            if started.elapsed() > within {
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "no place of {count} for a {name} got free within {} s",
                        within.as_secs()
                    ),
                )
                .try_next("look for other runs that hang on this machine"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The folder of the lock files, each called as what it locks.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.locks().join(name)
    }

    fn flock(&self, name: &str, how: FlockArg) -> Result<Lock> {
        let path = self.lock_path(name);
        loop {
            match Flock::lock(open_lock(&path)?, how) {
                Ok(file) if is_at(&file, &path) => return Ok(Lock { _file: file }),
                // Removed while we waited: who comes next would lock another file.
                Ok(_) => (),
                Err((_, errno)) => return Err(Error::io("lock", &path, errno.into())),
            }
        }
    }
}

/// Locks a file of the caller's choice, made if need be; `None` when somebody else holds it.
pub(crate) fn try_lock_file(path: &Path) -> Result<Option<Lock>> {
    try_flock(path, FlockArg::LockExclusiveNonblock)
}

fn try_flock(path: &Path, how: FlockArg) -> Result<Option<Lock>> {
    loop {
        match Flock::lock(open_lock(path)?, how) {
            Ok(file) if is_at(&file, path) => return Ok(Some(Lock { _file: file })),
            Ok(_) => (),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, errno)) => return Err(Error::io("lock", path, errno.into())),
        }
    }
}

/// Whether somebody has this file locked for himself. Makes none, and is in nobody's way who looks, too.
pub(crate) fn is_held(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|e| Error::io("open", path, e))?,
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(false),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, errno)) => Err(Error::io("lock", path, errno.into())),
    }
}

/// Whether a file that was opened still has its name.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => place(ours) == place(there),
        _ => false,
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::io("open", path, e))
}

/// Gives a finished folder its final name; what had that name before goes.
pub(crate) fn publish(made: &Path, entry: &Path) -> Result<()> {
    remove(entry)?;
    fs::rename(made, entry).map_err(|e| Error::io("publish", entry, e))
}

/// Notes that an entry was used now: the garbage collection removes the longest unused first.
pub(crate) fn touch(entry: &Path) -> Result<()> {
    write(&entry.join("used"), b"")
}

pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("make folder", path, e))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|e| Error::io("write", to, e))
}

/// What is in a folder, sorted; nothing if it is not there, or no more.
pub(crate) fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(dir)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    match list() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| Error::io("read", dir, e)),
    }
}

/// Removes a folder with what is in it; one that is not there is fine.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", dir, error))
        }
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", file, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let soon = Duration::from_millis(120);
        let first = cache.slot("boot", 2, soon).unwrap();
        let _second = cache.slot("boot", 2, soon).unwrap();
        let error = cache.slot("boot", 2, soon).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        drop(first);
        cache.slot("boot", 2, soon).unwrap();
    }

    #[test]
    fn an_entry_in_use_cannot_be_had_exclusively() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let user = cache.share("images-x").unwrap();
        let _other_user = cache.share("images-x").unwrap();
        assert!(cache.try_lock("images-x").unwrap().is_none());
        drop((user, _other_user));
        assert!(cache.try_lock("images-x").unwrap().is_some());
    }

    #[test]
    fn publishing_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (made, entry) = (dir.path().join("made"), dir.path().join("entry"));
        for (folder, text) in [(&entry, "old"), (&made, "new")] {
            create_dir(folder).unwrap();
            write(&folder.join("file"), text.as_bytes()).unwrap();
        }
        publish(&made, &entry).unwrap();
        assert_eq!(read_text(&entry.join("file")).unwrap(), "new");
        assert!(!made.exists());
    }

    #[test]
    fn who_waits_for_a_lock_whose_file_is_removed_has_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let first = cache.lock("images-x").unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| cache.lock("images-x").unwrap());
            std::thread::sleep(Duration::from_millis(200));
            fs::remove_file(cache.locks().join("images-x")).unwrap();
            drop(first);
            let _second = waiting.join().unwrap();
            assert!(cache.try_lock("images-x").unwrap().is_none());
        });
    }
}

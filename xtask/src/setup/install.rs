//! Installing one tool: under a lock, into a folder beside its place, renamed at the end.
//! What was fetched stays beside it after an interrupt, and the next run goes on from there.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::process::{last_lines, Output};
use crate::report;

const POLL: Duration = Duration::from_millis(200);

/// A tool being installed; nobody else installs it meanwhile.
pub struct Install {
    place: PathBuf,
    workshop: PathBuf,
    _lock: Flock<File>,
}

impl Install {
    /// None if the tool is there: another xtask installed it while this one waited.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub async fn begin(cache: &CacheDir, name: &str) -> Result<Option<Self>> {
        let tools = cache.tools();
        std::fs::create_dir_all(&tools).map_err(|error| cannot_write(&tools, &error))?;
        let lock = lock(&tools.join(format!(".{name}.lock")), name).await?;
        let place = cache.tool(name);
        if place.exists() {
            return Ok(None);
        }
        let workshop = tools.join(format!(".{name}.part"));
        std::fs::create_dir_all(&workshop).map_err(|error| cannot_write(&workshop, &error))?;
        Ok(Some(Self {
            place,
            workshop,
            _lock: lock,
        }))
    }

    /// Where the tool will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// A folder for what is fetched; it outlives an interrupt.
    pub fn workshop(&self) -> &Path {
        &self.workshop
    }

    /// An empty folder in which the tool is put together.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn fresh(&self, name: &str) -> Result<PathBuf> {
        let dir = self.workshop.join(name);
        remove(&dir)?;
        std::fs::create_dir_all(&dir).map_err(|error| cannot_write(&dir, &error))?;
        Ok(dir)
    }

    /// Puts the finished tool in its place and forgets what it was made from.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn finish(self, built: &Path) -> Result<PathBuf> {
        std::fs::rename(built, &self.place)
            .with_context(|| format!("cannot create {}", self.place.display()))?;
        remove(&self.workshop)?;
        Ok(self.place)
    }
}

/// The lock file stays: removing it would let two processes hold a lock on two files of the same name.
async fn lock(path: &Path, name: &str) -> Result<Flock<File>> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| cannot_write(path, &error))?;
    let mut told = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => {
                return Err(errno).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
        if !told {
            report::say(&format!(
                "setup: another xtask is installing {name}, waiting for it"
            ));
            told = true;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::missing(format!("cannot write {}: {error}", path.display()))
        .try_next("another cache folder: SLIPWAY_CACHE=/path/to/folder")
}

/// Why a step of an installation failed: the two causes that a person can do something about by name, else the
/// program's last words.
pub fn failed_step(what: &str, place: &Path, output: &Output, talk: &str) -> Failure {
    const NO_NETWORK: [&str; 8] = [
        "could not resolve",
        "temporary failure resolving",
        "temporary failure in name resolution",
        "network is unreachable",
        "connection refused",
        "connection timed out",
        "unable to connect",
        "no route to host",
    ];
    let low = talk.to_lowercase();
    let tail = last_lines(talk, 10);
    let words = if tail.is_empty() {
        String::new()
    } else {
        format!(":\n{tail}")
    };
    if low.contains("no space left on device") || low.contains("disk quota exceeded") {
        return Failure::missing(format!(
            "cannot {what}: the disk that holds {} is full",
            place.display()
        ))
        .try_next("free some space there, or another cache folder: SLIPWAY_CACHE=/path/to/folder");
    }
    let failure = Failure::missing(format!("cannot {what}: it {}{words}", output.status));
    if NO_NETWORK.iter().any(|sign| low.contains(sign)) {
        return Failure::missing(format!("cannot {what}: no network{words}"))
            .try_next("the same command again once the network is there; it goes on where it was");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Status;

    fn cache() -> (tempfile::TempDir, CacheDir) {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        (dir, cache)
    }

    #[tokio::test]
    async fn a_tool_appears_whole_and_its_workshop_goes() {
        let (_guard, cache) = cache();
        let install = Install::begin(&cache, "tool").await.unwrap().unwrap();
        let workshop = install.workshop().to_owned();
        let built = install.fresh("built").unwrap();
        std::fs::write(built.join("program"), "x").unwrap();
        assert!(!cache.tool("tool").exists());
        let place = install.finish(&built).unwrap();
        assert!(place.join("program").exists());
        assert!(!workshop.exists());
        assert!(Install::begin(&cache, "tool").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_fetched_outlives_an_interrupt_and_what_was_half_built_does_not() {
        let (_guard, cache) = cache();
        let first = Install::begin(&cache, "tool").await.unwrap().unwrap();
        std::fs::write(first.workshop().join("fetched"), "x").unwrap();
        std::fs::write(first.fresh("built").unwrap().join("half"), "x").unwrap();
        drop(first);
        let second = Install::begin(&cache, "tool").await.unwrap().unwrap();
        assert!(second.workshop().join("fetched").exists());
        assert!(!second.fresh("built").unwrap().join("half").exists());
    }

    #[tokio::test]
    async fn the_second_of_two_waits_and_finds_the_tool_installed() {
        let (_guard, cache) = cache();
        let first = Install::begin(&cache, "tool").await.unwrap().unwrap();
        let other = cache.clone();
        let second = tokio::spawn(async move { Install::begin(&other, "tool").await });
        tokio::time::sleep(POLL / 2).await;
        assert!(!second.is_finished());
        let built = first.fresh("built").unwrap();
        first.finish(&built).unwrap();
        assert!(second.await.unwrap().unwrap().is_none());
    }

    #[test]
    fn a_full_disk_and_a_missing_network_are_named() {
        let output = Output {
            status: Status::Code(100),
            stdout: Vec::new(),
            stderr: String::new(),
            wall: Duration::ZERO,
        };
        let failure =
            |talk: &str| failed_step("fetch Nix", Path::new("/cache"), &output, talk).to_string();
        assert_eq!(
            failure("E: Write error - write (28: No space left on device)"),
            "cannot fetch Nix: the disk that holds /cache is full"
        );
        assert_eq!(
            failure("E: Failed to fetch http://x  Could not resolve 'x'"),
            "cannot fetch Nix: no network:\nE: Failed to fetch http://x  Could not resolve 'x'"
        );
        assert_eq!(
            failure("E: odd"),
            "cannot fetch Nix: it exited 100:\nE: odd"
        );
    }
}

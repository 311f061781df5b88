//! The runs that are alive on this host, as other processes see them: what a list, a shell or a stop needs.
//! Reads what `run` leaves in its folder; starts nothing.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cache::{self, Cache, Shelf};
use crate::error::{Error, ErrorKind, Result};

/// The note in a run's folder.
const NOTE: &str = "run.json";

/// A run of some process, alive when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivingRun {
    pub name: String,
    /// The process that holds it; the run ends with it.
    pub owner: i32,
    pub ssh_config: PathBuf,
    pub logs: PathBuf,
    /// Names of the machines that it has now.
    #[serde(skip)]
    pub machines: Vec<String>,
}

impl LivingRun {
    /// Asks the owner to end; its machines go with it.
    ///
    /// # Errors
    /// `Io` if the owner is somebody else's process.
    pub fn stop(&self) -> Result<()> {
        match kill(Pid::from_raw(self.owner), Signal::SIGTERM) {
            // It has ended in between, which is what was wanted.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::new(
                ErrorKind::Io,
                format!(
                    "cannot stop process {} of run {}: {errno}",
                    self.owner, self.name
                ),
            )),
        }
    }
}

/// Leaves the note of a run that begins.
pub(crate) fn announce(dir: &Path, name: &str, logs: &Path) -> Result<()> {
    let note = LivingRun {
        name: name.to_owned(),
        owner: std::process::id().cast_signed(),
        ssh_config: dir.join("ssh_config"),
        logs: logs.to_owned(),
        machines: Vec::new(),
    };
    let text = serde_json::to_vec(&note)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot describe run {name}: {e}")))?;
    cache::write(&dir.join(NOTE), &text)
}

pub(crate) fn living(cache: &Cache) -> Result<Vec<LivingRun>> {
    let mut found = Vec::new();
    for dir in cache::children(&cache.shelf(Shelf::Runs))? {
        // A run that is beginning or ending has no note, or no lock on it: it is not there yet, or no more.
        let Some(mut run) = fs::read(dir.join(NOTE))
            .ok()
            .and_then(|text| serde_json::from_slice::<LivingRun>(&text).ok())
        else {
            continue;
        };
        if !cache::is_held(&dir.join("alive"))? {
            continue;
        }
        run.machines = cache::children(&dir.join("machines"))
            .unwrap_or_default()
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        found.push(run);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_runs_whose_owner_lives_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let run = cache.entry(Shelf::Runs, "one");
        cache::create_dir(&run.join("machines/web")).unwrap();
        announce(&run, "one", Path::new("/logs")).unwrap();
        assert_eq!(living(&cache).unwrap(), []);
        let _owner = cache::try_lock_file(&run.join("alive")).unwrap().unwrap();
        let found = living(&cache).unwrap();
        assert_eq!(found[0].machines, ["web"]);
        assert_eq!(found[0].owner, std::process::id().cast_signed());
    }

    #[test]
    fn runs_that_begin_and_end_meanwhile_are_no_error_and_dead_ones_are_never_listed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let dead = cache.entry(Shelf::Runs, "dead");
        cache::create_dir(&dead).unwrap();
        announce(&dead, "dead", Path::new("/logs")).unwrap();
        drop(cache::try_lock_file(&dead.join("alive")).unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let run = cache.entry(Shelf::Runs, "short");
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    cache::create_dir(&run).unwrap();
                    let _alive = cache::try_lock_file(&run.join("alive")).unwrap();
                    announce(&run, "short", Path::new("/logs")).unwrap();
                    // Whoever looks leaves nothing in it that its owner does not know of.
                    for file in ["run.json", "alive"] {
                        fs::remove_file(run.join(file)).unwrap();
                    }
                    fs::remove_dir(&run).unwrap();
                }
            });
            let look = || {
                let started = std::time::Instant::now();
                let mut seen = living(&cache);
                let is_fine = |seen: &Result<Vec<LivingRun>>| {
                    seen.as_ref()
                        .is_ok_and(|runs| runs.iter().all(|run| run.name == "short"))
                };
                while is_fine(&seen) && started.elapsed() < Duration::from_secs(2) {
                    seen = living(&cache);
                }
                (is_fine(&seen), seen)
            };
            let other = scope.spawn(look);
            let seen = [look(), other.join().unwrap()];
            over.store(true, std::sync::atomic::Ordering::SeqCst);
            for (fine, seen) in seen {
                assert!(fine, "{seen:?}");
            }
        });
    }
}

//! Where it is written which machine is held by whom: a folder each below the cache's machines, with a lock that its
//! holder has. What is written without the lock being held is of the past.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::name::Name;
use crate::cache_dir::CacheDir;
use crate::whole_file;

/// What is being removed is called so: no machine's folder is.
const FORGOTTEN: &str = ".forgotten";

/// Others have a place for a moment only, unless they hold the machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// The folder of one machine.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: Name,
    dir: PathBuf,
}

/// Held as long as the machine runs; released by the kernel however the holder ends.
#[derive(Debug)]
pub struct Held {
    _lock: Flock<File>,
}

/// What became of an attempt to lock a place.
enum Looked {
    Got(Flock<File>),
    /// Somebody else has it.
    Taken,
    /// The folder is not there, or no more.
    Gone,
}

/// What others need to know of a machine that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub name: Name,
    /// The holder.
    pub pid: i32,
    /// Seconds since 1970.
    pub since: u64,
    pub generation: Option<String>,
    /// Of a machine that keeps nothing of what happens to it from now on.
    pub copy: bool,
    pub ports: Vec<Port>,
    pub control: PathBuf,
    pub ssh_config: PathBuf,
    pub user: String,
    pub logs: PathBuf,
    /// Host seconds for what takes the guest a hundred; a program that is older says nothing of it.
    #[serde(default)]
    pub percent: u32,
}

impl State {
    /// Time of the guest as time of this host; no less, for much of what is waited for is the host's own.
    pub fn host_time(&self, guest: Duration) -> Duration {
        guest * self.percent.max(100) / 100
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub host: u16,
    pub guest: u16,
}

impl Place {
    pub fn of(cache: &CacheDir, name: &Name) -> Self {
        Self {
            name: name.clone(),
            dir: cache.held().join(name.folder()),
        }
    }

    /// Every machine that runs now.
    ///
    /// # Errors
    /// If the folder of all is there and cannot be read.
    pub fn running(cache: &CacheDir) -> Result<Vec<State>> {
        let mut found = Vec::new();
        for place in Self::all(cache)? {
            found.extend(place.state()?);
        }
        Ok(found)
    }

    /// Every machine of which something is written, by name.
    ///
    /// # Errors
    /// If the folder of all is there and cannot be read.
    pub fn all(cache: &CacheDir) -> Result<Vec<Self>> {
        let all = cache.held();
        if !all.exists() {
            return Ok(Vec::new());
        }
        let entries =
            std::fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let dir = entry?.path();
            let folder = dir
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let name = folder.as_deref().and_then(Name::of_folder);
            found.extend(name.map(|name| Self { name, dir }));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Transcript, consoles and QEMU's words of the last time that it ran.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// What the holder itself said.
    pub fn holder_log(&self) -> PathBuf {
        self.dir.join("holder.log")
    }

    /// Takes the machine for this process; `None` if another one has it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn take(&self) -> Result<Option<Held>> {
        let started = Instant::now();
        loop {
            match self.make() {
                // It was, and is being forgotten.
                Err(error) if is_there(&error) && started.elapsed() < PATIENCE => continue,
                other => other?,
            }
            // Who only looks whether it is taken has it for a moment; who forgets it takes the folder away.
            match self.lock(FlockArg::LockExclusiveNonblock)? {
                Looked::Got(lock) => return Ok(Some(Held { _lock: lock })),
                _ if started.elapsed() > PATIENCE => return Ok(None),
                Looked::Gone => (),
                Looked::Taken => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Removes all that is written of it, unless some process has it. Gives whether it was removed.
    ///
    /// # Errors
    /// If the folder cannot be used or removed.
    pub fn forget(&self) -> Result<bool> {
        match self.lock(FlockArg::LockExclusiveNonblock)? {
            Looked::Got(_lock) => {
                // Away from its name first: who makes the folder anew shall lose nothing of it.
                let away = self.dir.with_file_name(FORGOTTEN);
                let removed = remove(&away)
                    .and_then(|()| std::fs::rename(&self.dir, &away))
                    .and_then(|()| remove(&away));
                match removed {
                    Ok(()) => Ok(true),
                    // Another process forgets something, too; what it leaves goes the next time.
                    Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
                    Err(error) => {
                        Err(error).with_context(|| format!("cannot remove {}", self.dir.display()))
                    }
                }
            }
            Looked::Gone | Looked::Taken => Ok(false),
        }
    }

    fn lock(&self, how: FlockArg) -> Result<Looked> {
        let file = self.dir.join("lock");
        // Who only looks needs no right to write there.
        let writes = how != FlockArg::LockSharedNonblock;
        let opened = File::options()
            .read(true)
            .write(writes)
            .create(writes)
            .open(&file);
        let open = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Looked::Gone),
            other => other.with_context(|| format!("cannot open {}", file.display()))?,
        };
        match Flock::lock(open, how) {
            Ok(lock) if is_at(&lock, &file) => Ok(Looked::Got(lock)),
            Ok(_) => Ok(Looked::Gone),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(Looked::Taken),
            Err((_, errno)) => {
                Err(errno).with_context(|| format!("cannot lock {}", file.display()))
            }
        }
    }

    /// # Errors
    /// If the folder cannot be made.
    pub fn make(&self) -> Result<()> {
        std::fs::create_dir_all(&self.dir)
            .with_context(|| format!("cannot make the folder {}", self.dir.display()))
    }

    /// Whether some process has it, be it up already or not.
    ///
    /// # Errors
    /// If the folder is there and cannot be used.
    pub fn is_taken(&self) -> Result<bool> {
        let looked = self.lock(FlockArg::LockSharedNonblock)?;
        Ok(matches!(looked, Looked::Taken))
    }

    /// What its holder wrote; `None` if nobody holds it, or it is not up yet.
    ///
    /// # Errors
    /// As `is_taken`.
    pub fn state(&self) -> Result<Option<State>> {
        match read(&self.dir) {
            Some(state) if self.is_taken()? => Ok(Some(state)),
            _ => Ok(None),
        }
    }

    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, state: &State) -> Result<()> {
        let file = self.dir.join("state.json");
        whole_file::write(&file, &serde_json::to_vec_pretty(state)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// The machine is down.
    pub fn clear(&self) {
        // What is left over has no lock any more and is not believed.
        let _ = std::fs::remove_file(self.dir.join("state.json"));
    }
}

fn is_there(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::AlreadyExists)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the file that was opened still has its name.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |data: std::fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => place(ours) == place(there),
        _ => false,
    }
}

fn read(dir: &Path) -> Option<State> {
    let text = std::fs::read(dir.join("state.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &Name) -> State {
        State {
            name: name.clone(),
            pid: 1,
            since: 0,
            generation: Some("good".to_owned()),
            copy: false,
            ports: vec![Port {
                host: 8080,
                guest: 80,
            }],
            control: "/s/control".into(),
            ssh_config: "/r/ssh_config".into(),
            user: "operator".to_owned(),
            logs: "/l".into(),
            percent: 250,
        }
    }

    #[test]
    fn a_slow_host_waits_longer_for_its_guests_and_a_fast_one_no_less() {
        let slow = state(&Name::parse("Niko"));
        let within = |percent| State {
            percent,
            ..slow.clone()
        };
        let ten = Duration::from_secs(10);
        assert_eq!(slow.host_time(ten), Duration::from_secs(25));
        assert_eq!(within(50).host_time(ten), ten);
        assert_eq!(within(0).host_time(ten), ten);
    }

    #[test]
    fn only_what_somebody_holds_runs() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let name = Name::parse("Niko");
        let place = Place::of(&cache, &name);
        assert!(Place::running(&cache).unwrap().is_empty());
        let held = place.take().unwrap().unwrap();
        assert_eq!(place.state().unwrap(), None);
        place.write(&state(&name)).unwrap();
        assert!(place.take().unwrap().is_none());
        assert_eq!(Place::running(&cache).unwrap(), [state(&name)]);
        drop(held);
        // The holder was killed and could take nothing back.
        assert!(Place::running(&cache).unwrap().is_empty());
    }

    #[test]
    fn who_takes_a_machine_has_it_even_if_somebody_forgets_it_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let name = Name::parse("Niko");
        let place = Place::of(&cache, &name);
        assert!(!place.forget().unwrap() && !place.is_taken().unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        let mut wrong = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    for place in Place::all(&cache).unwrap() {
                        place.forget().unwrap();
                    }
                    // Long enough for somebody to come first.
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(2) {
                let held = place.take();
                // Whoever forgets may come first for a whole second.
                if let Ok(None) = held {
                    continue;
                }
                let seen = (place.write(&state(&name)), place.is_taken());
                if !matches!((&held, &seen), (Ok(_), (Ok(()), Ok(true)))) {
                    wrong.push((held.map(drop), seen));
                }
            }
            over.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        assert!(wrong.is_empty(), "{:?}", wrong[0]);
        assert!(place.forget().unwrap() || !place.dir().exists());
    }
}

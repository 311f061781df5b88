//! What the guard knows across reboots: one file, replaced as a whole, changed by one process at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use crate::answer::{Activation, HostState, ReleaseId, Upgrade};
use crate::machine::Step;
use crate::release::SignedRelease;
use crate::room;
use crate::store_path::StorePath;
use crate::time::Time;
use crate::whole_file;

const VERSION: u32 = 1;
const LIMIT: u64 = 8 * 1024 * 1024;
/// Closures that a rollback may go to. Beyond that the oldest are forgotten.
const CONFIRMED: usize = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub version: u32,
    /// The boot in which this was written last.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// The newest release that was accepted.
    #[serde(default)]
    pub release: Option<AcceptedRelease>,
    /// The newest build that was accepted in place of a release.
    #[serde(default)]
    pub build: Option<AcceptedBuild>,
    /// What the host's last look for something newer came to.
    #[serde(default)]
    pub upgrade: Option<Upgrade>,
    /// The activation that is going on, or that was cut short.
    #[serde(default)]
    pub current: Option<Current>,
    #[serde(default)]
    pub last: Option<Activation>,
    #[serde(default)]
    pub test: Option<Test>,
    #[serde(default)]
    pub trial: Option<Trial>,
    #[serde(default)]
    pub hold: Option<Hold>,
    /// Oldest first.
    #[serde(default)]
    pub confirmed: Vec<Confirmed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRelease {
    pub id: ReleaseId,
    pub signer: String,
    pub accepted: Time,
    pub signed: SignedRelease,
}

/// A build of Hydra's, which nobody signed as what this host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedBuild {
    pub toplevel: StorePath,
    /// Hydra's number of it, which grows.
    pub build: u64,
    pub accepted: Time,
}

/// An activation with all that is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    pub activation: Activation,
    /// What deploy-rs calls the closure.
    pub profile: Option<StorePath>,
    pub step: Step,
    pub on_trial: bool,
    /// What the boot loader's default was.
    pub boot_default: Option<StorePath>,
    /// The system profile's generation and what it led to, as the profile had it.
    pub profile_before: Option<Generation>,
    /// Until when a confirmation is waited for.
    pub confirm_until: Option<Time>,
    /// For a test.
    pub lease_seconds: Option<u64>,
}

/// A generation of the system profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    pub number: u64,
    pub target: StorePath,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    pub toplevel: StorePath,
    pub by: String,
    pub until: Time,
    pub release: Option<ReleaseId>,
}

/// A boot deployment that nobody has seen come up healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    pub activation: Activation,
    pub previous: Option<StorePath>,
    pub profile_before: Option<Generation>,
    /// Whether the entry boots once, and the firmware's variables hold the old default.
    pub one_shot: bool,
    /// The candidate has been booted; its health is what is missing.
    pub booted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub by: String,
    pub since: Time,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmed {
    pub toplevel: StorePath,
    pub at: Time,
    pub release: Option<ReleaseId>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            boot_id: None,
            release: None,
            build: None,
            upgrade: None,
            current: None,
            last: None,
            test: None,
            trial: None,
            hold: None,
            confirmed: Vec::new(),
        }
    }
}

impl State {
    /// What `status` says, given whether an activation's process is there.
    pub fn host_state(&self) -> HostState {
        if let Some(current) = &self.current {
            return match current.confirm_until {
                Some(until) => HostState::AwaitingConfirmation { until },
                None => HostState::Activating,
            };
        }
        if let Some(trial) = &self.trial {
            return HostState::OnTrial {
                booted: trial.booted,
            };
        }
        if let Some(test) = &self.test {
            return HostState::TestUntil { until: test.until };
        }
        match &self.hold {
            Some(hold) => HostState::Held {
                by: hold.by.clone(),
                since: hold.since,
                reason: hold.reason.clone(),
            },
            None => HostState::Idle,
        }
    }

    pub fn confirm(&mut self, toplevel: &StorePath, at: Time, release: Option<ReleaseId>) {
        self.confirmed.retain(|known| known.toplevel != *toplevel);
        self.confirmed.push(Confirmed {
            toplevel: toplevel.clone(),
            at,
            release,
        });
        let beyond = self.confirmed.len().saturating_sub(CONFIRMED);
        self.confirmed.drain(..beyond);
    }

    pub fn is_confirmed(&self, toplevel: &StorePath) -> bool {
        self.confirmed
            .iter()
            .any(|known| known.toplevel == *toplevel)
    }

    /// The newest confirmed closure besides the one that runs.
    pub fn rollback_target(&self, running: Option<&StorePath>) -> Option<&StorePath> {
        let other = |known: &&Confirmed| Some(&known.toplevel) != running;
        self.confirmed
            .iter()
            .rev()
            .find(other)
            .map(|known| &known.toplevel)
    }

    /// The release that brought a toplevel, for good or as the test that goes on.
    pub fn release_of(&self, toplevel: &StorePath) -> Option<&ReleaseId> {
        let tested = self
            .test
            .as_ref()
            .map(|test| (&test.toplevel, &test.release));
        self.confirmed
            .iter()
            .map(|known| (&known.toplevel, &known.release))
            .chain(tested)
            .find(|(known, _)| *known == toplevel)
            .and_then(|(_, release)| release.as_ref())
    }
}

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
mod tests;

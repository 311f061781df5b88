//! Machines that outlast their run: frozen ones that somebody wants to look at, and those that are off and come back
//! under their name. They are on the shelf `kept`, stand on an image or snapshot, and go with the garbage collection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{check_name, lock, state, Basis, Machine, Model, Ready, Spec};
use crate::cache::{self, Cache, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::gc::bytes_of;
use crate::harness::Harness;
use crate::image;
use crate::qemu::{Accelerator, Forward};
use crate::run::Run;

/// Free space that a frozen machine needs at least, in MiB: most of the guest's memory.
const SPACE_MIB: u64 = 1024;

/// Others look at the lock for a moment only.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

const NOTE: &str = "kept.json";

/// How a kept machine comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptAs {
    /// With its memory and processes, where it stood.
    Frozen,
    /// By a boot from its disk.
    Off,
}

/// A machine on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// What it belongs to, such as the name of a play; `GROUP/MACHINE` is unique.
    pub group: String,
    pub machine: String,
    pub how: KeptAs,
    /// Seconds since 1970.
    pub since: u64,
    /// The caller's own.
    pub notes: BTreeMap<String, String>,
    pub model: Model,
    accelerator: Accelerator,
    image: String,
    /// Entries of the cache that its disk needs.
    pub(crate) stands_on: Vec<String>,
    mac: String,
    ready: Ready,
    outbound: bool,
    #[serde(skip)]
    pub(crate) dir: PathBuf,
}

/// A kept machine that a running one is, or is a copy of.
#[derive(Debug)]
pub(super) struct Held {
    pub kept: Kept,
    /// Whether its own disk is used, and not an overlay of it.
    pub itself: bool,
    _lock: Lock,
}

impl Kept {
    /// On the disk, holes not counted.
    pub fn bytes(&self) -> u64 {
        bytes_of(&self.dir)
    }

    pub(super) fn mac(&self) -> &str {
        &self.mac
    }

    pub(crate) fn entry_name(&self) -> String {
        entry_name(&self.group, &self.machine)
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot describe {NOTE}: {e}")))?;
        cache::write(&self.dir.join(NOTE), &text)
    }
}

impl Harness {
    /// The machines on the shelf, by group and name.
    pub fn kept(&self) -> Result<Vec<Kept>> {
        all(self.cache())
    }

    /// One of them; `None` if there is none of this name.
    pub fn kept_machine(&self, group: &str, machine: &str) -> Option<Kept> {
        read(&self.cache().entry(Shelf::Kept, &entry_name(group, machine)))
    }

    /// Takes a machine off the shelf, for good; gives the bytes that were freed.
    ///
    /// # Errors
    /// `State` if it, or a copy of it, runs.
    pub fn forget(&self, kept: &Kept) -> Result<u64> {
        let name = kept.entry_name();
        let _lock = exclusive(self.cache(), &name)?;
        let bytes = kept.bytes();
        cache::remove(&kept.dir)?;
        Ok(bytes)
    }
}

impl Machine {
    /// Takes the machine as it is out of its run and puts it on the shelf as `GROUP/NAME`, in place of what had that
    /// name. One that is up is frozen with its memory, whatever became of its network, sshd or agent; one that is off
    /// or panicked keeps its disk, as of now. This handle is of no use afterwards.
    ///
    /// # Errors
    /// `State` if the one of that name is in use, `NoSpace`, `Io`.
    pub fn keep(&self, group: &str, notes: &BTreeMap<String, String>) -> Result<Kept> {
        self.shelve(group, notes, true)
            .map_err(|e| e.context(format!("cannot keep {}", self.name())))
    }

    /// From now on the disk is on the shelf as `GROUP/NAME`: the machine goes on, and what it wrote is there after its
    /// end, whatever that is. Meanwhile nobody else can have it.
    ///
    /// # Errors
    /// As `keep`.
    pub fn settle(&self, group: &str, notes: &BTreeMap<String, String>) -> Result<Kept> {
        self.shelve(group, notes, false)
            .map_err(|e| e.context(format!("cannot settle {}", self.name())))
    }

    fn shelve(&self, group: &str, notes: &BTreeMap<String, String>, freeze: bool) -> Result<Kept> {
        check_name(group)?;
        let inner = &*self.0;
        let cache = inner.run.0.harness.cache();
        let name = entry_name(group, self.name());
        let entry = cache.entry(Shelf::Kept, &name);
        let held = exclusive(cache, &name)?;
        let made = cache.entry(Shelf::Kept, &format!("{name}.part"));
        cache::remove(&made)?;
        cache::create_dir(&made)?;
        let how = match freeze {
            true => self.freeze_or_end(&made)?,
            false => KeptAs::Off,
        };
        self.note(format!("kept as {group}/{} ({how:?})", self.name()));
        inner.host_key.write(&made)?;
        inner.run.0.identity.write(&made)?;
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let mut kept = Kept {
            group: group.to_owned(),
            machine: self.name().to_owned(),
            how,
            since,
            notes: notes.clone(),
            model: inner.spec.model,
            accelerator: inner.speed.accelerator,
            image: inner.image.hash().to_owned(),
            stands_on: inner.basis.stands_on(inner.image.hash()),
            mac: inner.mac.clone(),
            ready: inner.spec.ready,
            outbound: inner.spec.outbound,
            dir: made.clone(),
        };
        self.move_disk(&made)?;
        kept.write()?;
        cache::write(&made.join("complete"), b"")?;
        cache::publish(&made, &entry)?;
        cache::touch(&entry)?;
        lock(&inner.store).clone_from(&entry);
        kept.dir = entry;
        if !freeze {
            *lock(&inner.home) = Some(held);
        }
        Ok(kept)
    }

    fn freeze_or_end(&self, into: &Path) -> Result<KeptAs> {
        let Some(vm) = lock(&self.0.vm).clone() else {
            return Ok(KeptAs::Off);
        };
        let runs = vm.trouble().is_none();
        if runs {
            image::require_space(into, SPACE_MIB)?;
            match self.write_state(into) {
                Ok(()) => return Ok(KeptAs::Frozen),
                Err(error) if error.kind() == ErrorKind::NoSpace => return Err(error),
                // A QEMU that cannot be asked any more still has a disk that can be looked at.
                Err(error) => self.note(format!("cannot be frozen: {error}")),
            }
        }
        vm.kill();
        *lock(&self.0.vm) = None;
        if state::is_in(into) {
            state::forget(into)?;
        }
        Ok(KeptAs::Off)
    }
}

impl Run {
    /// A copy of a kept machine, under its own name: the kept one stays as it is, however often it is copied.
    /// A frozen one goes on where it stood; another boots (hold a `boot_slot`). Nothing is waited for, as it may be one
    /// that never comes up: `Machine::wait_up` does that.
    ///
    /// # Errors
    /// `State` if it runs itself, or its image is gone; `Snapshot` if QEMU does not take its state; those of a start.
    pub fn resume(&self, kept: &Kept, forwards: Vec<Forward>) -> Result<Machine> {
        self.bring_back(kept, forwards, false)
    }

    /// The kept machine itself: what it does to its disk stays. One that was frozen is `Off` from then on.
    ///
    /// # Errors
    /// As `resume`, and `State` if there are copies of it.
    pub fn reopen(&self, kept: &Kept, forwards: Vec<Forward>) -> Result<Machine> {
        self.bring_back(kept, forwards, true)
    }

    fn bring_back(&self, kept: &Kept, forwards: Vec<Forward>, itself: bool) -> Result<Machine> {
        let cache = self.0.harness.cache();
        let name = kept.entry_name();
        let come_back = || {
            let held = match itself {
                true => exclusive(cache, &name)?,
                false => cache
                    .try_share(&lock_name(&name))?
                    .ok_or_else(|| in_use(kept))?,
            };
            cache::touch(&kept.dir)?;
            let image = image::existing(cache, &kept.image)?;
            let spec = Spec {
                model: kept.model,
                forwards,
                outbound: kept.outbound,
                lan: None,
                ready: kept.ready,
                ..Spec::new(&kept.machine)
            };
            let basis = Basis::Kept(Held {
                kept: kept.clone(),
                itself,
                _lock: held,
            });
            let machine = Machine::create(self, &image, spec, basis)?;
            machine.note(format!("comes back from {}/{}", kept.group, kept.machine));
            match kept.how {
                KeptAs::Frozen => drop(machine.load_state(&kept.dir)?),
                KeptAs::Off => drop(machine.launch(false)?),
            }
            if itself && kept.how == KeptAs::Frozen {
                state::forget(&kept.dir)?;
                Kept {
                    how: KeptAs::Off,
                    ..kept.clone()
                }
                .write()?;
            }
            Ok(machine)
        };
        come_back().map_err(|e: Error| {
            e.context(format!("cannot bring back {}/{}", kept.group, kept.machine))
        })
    }
}

impl Held {
    pub fn accelerator(&self) -> Accelerator {
        self.kept.accelerator
    }
}

/// All that are complete; what is being made or removed is not there.
pub(crate) fn all(cache: &Cache) -> Result<Vec<Kept>> {
    Ok(cache::children(&cache.shelf(Shelf::Kept))?
        .iter()
        .filter_map(|dir| read(dir))
        .collect())
}

fn read(dir: &Path) -> Option<Kept> {
    if !dir.join("complete").exists() {
        return None;
    }
    let text = std::fs::read(dir.join(NOTE)).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    Some(Kept {
        dir: dir.to_owned(),
        ..kept
    })
}

/// No host name has a plus.
fn entry_name(group: &str, machine: &str) -> String {
    format!("{group}+{machine}")
}

fn lock_name(entry: &str) -> String {
    format!("{}-{entry}", Shelf::Kept.name())
}

fn exclusive(cache: &Cache, entry: &str) -> Result<Lock> {
    let started = std::time::Instant::now();
    loop {
        if let Some(lock) = cache.try_lock(&lock_name(entry))? {
            return Ok(lock);
        }
        if started.elapsed() > LOCK_PATIENCE {
            let name = entry.replace('+', "/");
            return Err(Error::new(
                ErrorKind::State,
                format!("the kept machine {name} is in use"),
            )
            .try_next("stop it first"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn in_use(kept: &Kept) -> Error {
    Error::new(
        ErrorKind::State,
        format!("{}/{} runs", kept.group, kept.machine),
    )
    .try_next("stop it first")
}

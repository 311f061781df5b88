//! A machine: started cold or from a snapshot, asked over the agent or ssh, broken and mended.
//! Handles are cheap to clone and may be used from several threads at once.

mod attach;
mod console;
mod exec;
mod fault;
mod identity;
mod kept;
mod launch;
mod power;
mod snapshot;
mod state;
mod wait;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::cache::{self, Lock};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Speed;
use crate::image::Image;
use crate::lan::Lan;
use crate::mutex::lock;
use crate::network::{Condition, Switch};
use crate::qemu::agent::Agent;
use crate::qemu::args::{self, Attached};
use crate::qemu::process::Vm;
use crate::qemu::{Boot, Event, Forward, Model};
use crate::run::Run;
use crate::ssh::HostKey;

pub use console::Terminal;
pub use exec::{Exec, Running};
pub use fault::{Cable, Nic};
pub(crate) use kept::all as all_kept;
pub use kept::{Kept, KeptAs};
use snapshot::Wanted;
pub use wait::Wait;

/// What a machine is, besides its image.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Host name in the guest, name on the network, in logs, and in the run's `ssh_config`.
    pub name: String,
    pub model: Model,
    /// Ports of the guest on 127.0.0.1, besides that of ssh.
    pub forwards: Vec<Forward>,
    /// Whether the guest may open connections to the world through the host.
    pub outbound: bool,
    /// The network it is on; its address there is the network's to know.
    pub lan: Option<Lan>,
    /// When the machine counts as up.
    pub ready: Ready,
}

/// What is waited for after a start or a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// The agent answers.
    Agent,
    /// And sshd says `SSH-`.
    Banner,
    /// And `ssh root@NAME true` works with the run's key.
    Ssh,
}

impl Spec {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            model: Model::default(),
            forwards: Vec::new(),
            outbound: false,
            lan: None,
            ready: Ready::Ssh,
        }
    }
}

/// Brings a machine to the state that is kept; run once a snapshot, not once a machine.
pub type Prepare<'a> = &'a (dyn Fn(&Machine) -> Result<()> + Sync);

/// Where a machine comes from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// The image, booted.
    Cold,
    /// A machine that was booted from the image and nothing else; kept at the first time.
    Up,
    /// The same, and prepared; `key` names what `prepare` does. Made from `Up` if it is not there.
    Snapshot { key: &'a str, prepare: Prepare<'a> },
}

/// A handle; the machine ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Machine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    run: Run,
    image: Image,
    spec: Spec,
    speed: Speed,
    dir: PathBuf,
    sockets: PathBuf,
    agent: Agent,
    /// The cable of the control network.
    control: Switch,
    mac: String,
    host_key: HostKey,
    /// Host ports by guest port, fixed at the first start: they outlast reboots and power cuts.
    ports: Mutex<BTreeMap<u16, u16>>,
    vm: Mutex<Option<Arc<Vm>>>,
    /// The folder of the disk and of what the firmware knows.
    store: Mutex<PathBuf>,
    /// Disks that were added since it was switched on.
    attached: Mutex<Vec<Attached>>,
    /// That folder is on a shelf and this machine's own.
    home: Mutex<Option<Lock>>,
    // Also keeps the files that the overlay stands on.
    basis: Basis,
}

/// What a machine's disk begins as.
#[derive(Debug)]
enum Basis {
    Image,
    Snapshot(snapshot::Snapshot),
    Kept(kept::Held),
}

impl Basis {
    /// The entries of the cache that the disk needs.
    fn stands_on(&self, image: &str) -> Vec<String> {
        let image = format!("images/{image}");
        match self {
            Self::Image => vec![image],
            Self::Snapshot(snapshot) => vec![image, format!("snapshots/{}", snapshot.name())],
            Self::Kept(held) => {
                let mut entries = held.kept.stands_on.clone();
                if !held.itself {
                    entries.push(format!("kept/{}", held.kept.entry_name()));
                }
                entries
            }
        }
    }
}

impl Run {
    /// Starts a machine and waits until it is ready.
    ///
    /// # Errors
    /// Of starting: `NoSpace`, `PortTaken`, `ToolMissing`, `MachineDied`; of the guest: `Panicked`, `TimedOut`.
    pub fn start(&self, image: &Image, spec: Spec, origin: Origin) -> Result<Machine> {
        check_name(&spec.name)?;
        let name = spec.name.clone();
        match origin {
            Origin::Cold => Machine::create(self, image, spec, Basis::Image)?.first_boot(),
            Origin::Up => snapshot::start(self, image, spec, Wanted::Up),
            Origin::Snapshot { key, prepare } => {
                snapshot::start(self, image, spec, Wanted::Prepared(key, prepare))
            }
        }
        .map_err(|e| e.context(format!("cannot start machine {name}")))
    }
}

/// Whether a machine can be called so: it is the name of a host, in files and on the network.
pub(crate) fn is_machine_name(name: &str) -> bool {
    (1..=48).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
}

fn check_name(name: &str) -> Result<()> {
    if is_machine_name(name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::State,
        format!("`{name}` is no machine name: letters, digits and hyphens, at most 48"),
    ))
}

impl Machine {
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// The port of 127.0.0.1 that leads to a forwarded port of the guest.
    pub fn port(&self, guest: u16) -> Option<u16> {
        lock(&self.0.ports).get(&guest).copied()
    }

    /// The public half of the key that its sshd has, as in `ssh_host_ed25519_key.pub`.
    pub fn host_key(&self) -> &str {
        &self.0.host_key.public
    }

    /// QEMU's events since its last start.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.0.vm)
            .as_ref()
            .map_or_else(Vec::new, |vm| vm.qmp.events())
    }

    /// QEMU's resident memory, in bytes; `None` when it is off.
    pub fn resident_bytes(&self) -> Option<u64> {
        let pid = lock(&self.0.vm).as_ref()?.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// One request to QEMU's monitor, for what this crate has no name for.
    pub fn monitor(
        &self,
        command: &str,
        arguments: serde_json::Value,
    ) -> Result<serde_json::Value> {
        self.vm()?.qmp.ask(command, arguments)
    }

    /// The machine's folder on this host; goes with it.
    pub(crate) fn scratch(&self) -> &Path {
        &self.0.dir
    }

    /// QEMU's process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        lock(&self.0.vm).as_ref().map(|vm| vm.pid)
    }

    /// How many times as long as with a CPU of its own it has taken since it was switched on; 1 if it is off.
    pub fn starved(&self) -> f64 {
        self.pid().map_or(1.0, crate::patience::starved)
    }

    fn vm(&self) -> Result<Arc<Vm>> {
        lock(&self.0.vm).clone().ok_or_else(|| {
            Error::new(ErrorKind::State, format!("{} is off", self.name())).try_next("power it on")
        })
    }

    fn note(&self, what: impl Into<String>) {
        self.0.run.transcript().note(self.name(), what);
    }

    /// Sets the control cable between host and guest, ssh included; the agent does not use it.
    pub fn control_cable(&self, condition: Condition) -> Result<()> {
        self.note(format!("control cable: {condition:?}"));
        self.0.control.set(args::CABLE_NIC, condition)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(vm) = lock(&self.vm).take() {
            vm.kill();
        }
        if let Some(lan) = &self.spec.lan {
            lan.leave(&self.spec.name);
        }
        // The name is free again; what cannot be removed now goes with the run's folder.
        let _ = cache::remove(&self.dir);
        let _ = cache::remove(&self.sockets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_names() {
        assert!(check_name("web-1").is_ok());
        for bad in ["", "-web", "we b", "../etc", "a.b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}

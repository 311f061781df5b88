//! A machine begins here: its folders, disk, cables and keys, then QEMU itself and the ports that it chose.
//! What is waited for after that is in `power`, `snapshot` and `kept`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::{lock, Basis, Boot, Forward, Inner, Machine, Spec};
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Image};
use crate::network::Switch;
use crate::process::Command;
use crate::qemu::agent::Agent;
use crate::qemu::args::{self, Launch};
use crate::qemu::process::Vm;
use crate::run::{require_socket, Run};
use crate::ssh::HostKey;

/// Free space that a machine's overlay is expected to need at least, in MiB.
const SPACE_MIB: u64 = 512;

impl Machine {
    /// One that is off; a machine of its name in the run must be gone.
    pub(super) fn create(run: &Run, image: &Image, spec: Spec, basis: Basis) -> Result<Self> {
        let harness = &run.0.harness;
        let mut speed = harness.speed(image)?;
        image::require_space(run.0.dir(), SPACE_MIB)?;
        let dir = run.0.dir().join("machines").join(&spec.name);
        if dir.exists() {
            return Err(Error::new(
                ErrorKind::State,
                format!("two machines of one run have the name {}", spec.name),
            )
            .try_next("another name, or drop the first one"));
        }
        let sockets = run.0.sockets().join(&spec.name);
        require_socket(&sockets.join(args::LONGEST_SOCKET_NAME))?;
        cache::create_dir(&dir)?;
        cache::create_dir(&sockets)?;
        let in_folder = |dir: &Path| (dir.join("disk.qcow2"), "qcow2", dir.join("vars.fd"));
        let mut store = dir.clone();
        let (backing, format, vars) = match &basis {
            Basis::Image => (image.disk(), "raw", harness.tools().ovmf_vars.clone()),
            Basis::Snapshot(snapshot) => in_folder(snapshot.dir()),
            Basis::Kept(held) => {
                speed.accelerator = held.accelerator();
                in_folder(&held.kept.dir)
            }
        };
        match &basis {
            Basis::Kept(held) if held.itself => store.clone_from(&held.kept.dir),
            _ => {
                overlay(run, &backing, format, &dir.join("disk.qcow2"))?;
                if spec.model.boot == Boot::Firmware {
                    cache::copy(&vars, &dir.join("vars.fd"))?;
                }
            }
        }
        let control = Switch::new();
        for port in [args::CABLE_NIC, args::CABLE_UPLINK] {
            control.add_port(port, &sockets.join(port))?;
        }
        let host_key = match &basis {
            Basis::Kept(held) => HostKey::read(&held.kept.dir)?,
            _ => HostKey::create(harness.tools(), &dir)?,
        };
        // Last: it is the machine that leaves the network again.
        let mac = match (&spec.lan, &basis) {
            (Some(lan), _) => lan.join(&spec.name)?,
            (None, Basis::Kept(held)) => held.kept.mac().to_owned(),
            (None, _) => args::NO_LAN_MAC.to_owned(),
        };
        let ports = spec.forwards.iter().map(|f| (f.guest, f.host));
        Ok(Self(Arc::new(Inner {
            agent: Agent::new(sockets.join(args::AGENT)),
            ports: Mutex::new([(22, 0)].into_iter().chain(ports).collect()),
            run: run.clone(),
            image: image.clone(),
            spec,
            speed,
            dir,
            sockets,
            control,
            mac,
            host_key,
            vm: Mutex::new(None),
            store: Mutex::new(store),
            attached: Mutex::new(Vec::new()),
            home: Mutex::new(None),
            basis,
        })))
    }

    /// Starts QEMU and learns its ports.
    pub(super) fn launch(&self, incoming: bool) -> Result<Arc<Vm>> {
        let inner = &*self.0;
        let forwards: Vec<Forward> = lock(&inner.ports)
            .iter()
            .map(|(&guest, &host)| Forward { host, guest })
            .collect();
        let initrd = match inner.spec.model.boot {
            Boot::DirectDebianInitramfs => inner.image.debian_initrd().ok_or_else(|| {
                Error::new(
                    ErrorKind::State,
                    "the image has no initramfs of Debian's own",
                )
                .try_next("set `debian_initramfs` in the recipe")
            })?,
            Boot::Direct | Boot::Firmware => inner.image.initrd(),
        };
        let store = lock(&inner.store).clone();
        let attached = match incoming {
            true => lock(&inner.attached).clone(),
            false => {
                lock(&inner.attached).clear();
                Vec::new()
            }
        };
        let launch = Launch {
            tools: inner.run.0.harness.tools(),
            name: &inner.spec.name,
            model: inner.spec.model,
            accelerator: inner.speed.accelerator,
            disk: store.join("disk.qcow2"),
            vars: store.join("vars.fd"),
            kernel: inner.image.kernel(),
            initrd,
            kernel_options: image::kernel_options(),
            sockets: inner.sockets.clone(),
            console: self.console(),
            pid_file: inner.dir.join("pid"),
            forwards: &forwards,
            outbound: inner.spec.outbound,
            lan: inner.spec.lan.as_ref().map(|lan| lan.socket(self.name())),
            mac: &inner.mac,
            attached: &attached,
            incoming,
        };
        let log = inner.run.logs().join(format!("{}.qemu", self.name()));
        let vm = Arc::new(Vm::launch(&launch, &log)?);
        *lock(&inner.vm) = Some(Arc::clone(&vm));
        self.learn_ports(&vm)?;
        Ok(vm)
    }

    /// Port 0 of a forward is any free one; which, only QEMU knows.
    fn learn_ports(&self, vm: &Vm) -> Result<()> {
        let said = vm.qmp.ask(
            "human-monitor-command",
            json!({ "command-line": "info usernet" }),
        )?;
        let mut ports = lock(&self.0.ports);
        for (guest, host) in forwards_in(said.as_str().unwrap_or_default()) {
            ports.insert(guest, host);
        }
        match ports.get(&22) {
            Some(0) | None => Err(Error::new(
                ErrorKind::Refused,
                format!("QEMU of {} did not say its port for ssh", self.name()),
            )),
            Some(&port) => {
                self.0
                    .run
                    .0
                    .identity
                    .learn(self.name(), port, &self.0.host_key, self.own_key())
            }
        }
    }

    /// The key that a machine of an earlier run knows.
    fn own_key(&self) -> Option<PathBuf> {
        match &self.0.basis {
            Basis::Kept(held) => Some(held.kept.dir.join("key")),
            Basis::Image | Basis::Snapshot(_) => None,
        }
    }
}

fn overlay(run: &Run, backing: &Path, format: &str, disk: &Path) -> Result<()> {
    Command::new(&run.0.harness.tools().qemu_img)
        .args(["create", "-q", "-f", "qcow2", "-F", format, "-b"])
        .arg(backing)
        .arg(disk)
        .success(Duration::from_secs(60))
        .map(drop)
}

/// Guest and host port of each forward in what `info usernet` prints.
fn forwards_in(text: &str) -> Vec<(u16, u16)> {
    text.lines()
        .filter(|line| line.contains("HOST_FORWARD"))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((words.get(5)?.parse().ok()?, words.get(3)?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_ports_are_read_from_the_monitor() {
        let text = "Hub -1 (user):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  TCP[HOST_FORWARD]  14       127.0.0.1 33611       10.0.2.15    22     0     0\n";
        assert_eq!(forwards_in(text), [(22, 33611)]);
    }
}

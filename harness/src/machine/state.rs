//! The state of a machine that is up as files in a folder, and back: QEMU's migration to a file (`mapped-ram`), and the
//! disks that were added to it. What the folder is for is said in `snapshot` and `kept`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{lock, Machine};
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::qemu::args::Attached;
use crate::qemu::process::Vm;
use crate::qemu::qmp::Qmp;
use crate::qemu::Boot;

/// Host time; a quarter of a second is usual.
const MIGRATION: Duration = Duration::from_secs(120);

const STATE: &str = "state";
const ATTACHED: &str = "attached.json";

impl Machine {
    /// Stops the machine as it is and writes its state into `into`; QEMU has quit afterwards. The disk stays where it is.
    pub(super) fn write_state(&self, into: &Path) -> Result<()> {
        let vm = self.vm()?;
        vm.qmp.ask("stop", json!({}))?;
        mapped_ram(&vm.qmp)?;
        let uri = format!("file:{}", into.join(STATE).display());
        vm.qmp.ask("migrate", json!({ "uri": uri }))?;
        let deadline = Instant::now() + MIGRATION;
        loop {
            let answer = vm.qmp.ask("query-migrate", json!({}))?;
            match answer["status"].as_str() {
                Some("completed") => break,
                Some("failed" | "cancelled") => {
                    return Err(Error::new(
                        ErrorKind::Snapshot,
                        format!(
                            "QEMU could not write the state: {}",
                            answer["error-desc"].as_str().unwrap_or("no description")
                        ),
                    ))
                }
                _ if Instant::now() > deadline => {
                    return Err(Error::new(
                        ErrorKind::Snapshot,
                        "QEMU did not finish writing the state",
                    ))
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        let attached = lock(&self.0.attached).clone();
        for disk in &attached {
            let copy = attached_file(into, &disk.serial);
            if std::fs::hard_link(&disk.file, &copy).is_err() {
                cache::copy(&disk.file, &copy)?;
            }
        }
        let note = serde_json::to_vec(&attached)
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot describe the disks: {e}")))?;
        cache::write(&into.join(ATTACHED), &note)?;
        vm.qmp.ask("quit", json!({}))?;
        if vm.wait_end(Duration::from_secs(30)).is_none() {
            return Err(Error::new(ErrorKind::Snapshot, "QEMU did not quit"));
        }
        *lock(&self.0.vm) = None;
        Ok(())
    }

    /// Moves the disk, and what the firmware knows, into a folder of the same file system; QEMU does not mind.
    pub(super) fn move_disk(&self, into: &Path) -> Result<()> {
        let mut files = vec!["disk.qcow2"];
        if self.0.spec.model.boot == Boot::Firmware {
            files.push("vars.fd");
        }
        let mut store = lock(&self.0.store);
        for file in files {
            std::fs::rename(store.join(file), into.join(file))
                .map_err(|e| Error::io("keep", &store.join(file), e))?;
        }
        *store = into.to_owned();
        Ok(())
    }

    /// Goes on where the state in `from` was written.
    pub(super) fn load_state(&self, from: &Path) -> Result<Arc<Vm>> {
        let mut attached: Vec<Attached> =
            serde_json::from_str(&cache::read_text(&from.join(ATTACHED))?)
                .map_err(|e| Error::new(ErrorKind::Snapshot, format!("{ATTACHED}: {e}")))?;
        for disk in &mut attached {
            disk.file = attached_file(from, &disk.serial);
        }
        *lock(&self.0.attached) = attached;
        let vm = self.launch(true)?;
        mapped_ram(&vm.qmp)?;
        let uri = format!("file:{}", from.join(STATE).display());
        let failed = |e: Error| vm.why(e);
        vm.qmp
            .ask("migrate-incoming", json!({ "uri": uri }))
            .map_err(failed)?;
        let deadline = Instant::now() + MIGRATION;
        loop {
            let answer = vm.qmp.ask("query-status", json!({})).map_err(failed)?;
            match answer["status"].as_str() {
                Some("inmigrate") if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Some("paused" | "running") => break,
                other => {
                    return Err(Error::new(
                        ErrorKind::Snapshot,
                        format!("QEMU is `{}` after loading the state", other.unwrap_or("?")),
                    ))
                }
            }
        }
        vm.qmp.ask("cont", json!({}))?;
        Ok(vm)
    }
}

/// Whether a folder has a state, which only a machine that was up has.
pub(super) fn is_in(dir: &Path) -> bool {
    dir.join(STATE).exists()
}

/// Takes the state away: the disk went on without it.
pub(super) fn forget(dir: &Path) -> Result<()> {
    let file = dir.join(STATE);
    std::fs::remove_file(&file).map_err(|e| Error::io("remove", &file, e))
}

fn attached_file(dir: &Path, serial: &str) -> PathBuf {
    dir.join(format!("attached-{serial}.raw"))
}

fn mapped_ram(qmp: &Qmp) -> Result<()> {
    qmp.ask(
        "migrate-set-capabilities",
        json!({ "capabilities": [{ "capability": "mapped-ram", "state": true }] }),
    )
    .map(drop)
}

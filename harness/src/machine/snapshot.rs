//! Machines that are up, kept on the disk: QEMU's state (`mapped-ram` migration), the disk's overlay, the firmware's
//! variables. One that is stale is not found (its key is another), one that is broken is rebuilt and said once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{lock, Machine, Model, Origin, Prepare, Spec};
use crate::cache::{self, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Image};
use crate::qemu::args;
use crate::qemu::Boot;
use crate::run::Run;

/// Raised when what a snapshot consists of, or the devices of a machine, change.
const FORMAT: u32 = 1;

/// Free space that a snapshot needs at least, in MiB: most of the memory of the guest, and its disk's changes.
const SPACE_MIB: u64 = 1024;

/// Host time; a quarter of a second is usual.
const MIGRATION: Duration = Duration::from_secs(120);
/// Guest seconds.
const RESUME: Duration = Duration::from_secs(30);

/// A kept machine; it stays in the cache while this value lives.
#[derive(Debug)]
pub(super) struct Snapshot {
    dir: PathBuf,
    _in_use: Lock,
}

impl Snapshot {
    pub fn disk(&self) -> PathBuf {
        self.dir.join("disk.qcow2")
    }

    pub fn vars(&self) -> PathBuf {
        self.dir.join("vars.fd")
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }
}

/// A machine from the snapshot of this key, which is made first if need be.
pub(super) fn start(
    run: &Run,
    image: &Image,
    spec: Spec,
    key: &str,
    prepare: Prepare,
) -> Result<Machine> {
    let name = name_of(run, image, spec.model, key)?;
    let kept = provide(run, image, &spec, &name, prepare)?;
    match Machine::create(run, image, spec.clone(), Some(kept))?.resume() {
        Ok(machine) => Ok(machine),
        // Not the snapshot's fault.
        Err(error) if matches!(error.kind(), ErrorKind::PortTaken | ErrorKind::NoSpace) => {
            Err(error)
        }
        Err(error) => {
            run.0.harness.progress().say(
                &spec.name,
                &format!("the snapshot is broken and made again: {error}"),
            );
            run.transcript()
                .note(&spec.name, format!("snapshot {name} is broken: {error}"));
            discard(run, &name)?;
            let kept = provide(run, image, &spec, &name, prepare)?;
            Machine::create(run, image, spec, Some(kept))?
                .resume()
                .map_err(|e| {
                    let kind = match e.kind() {
                        kind @ (ErrorKind::PortTaken | ErrorKind::NoSpace) => kind,
                        _ => ErrorKind::Snapshot,
                    };
                    Error::new(
                        kind,
                        format!("a fresh snapshot does not come up either: {e}"),
                    )
                    .try_next("start it cold")
                })
        }
    }
}

/// What a snapshot depends on, as a name.
fn name_of(run: &Run, image: &Image, model: Model, key: &str) -> Result<String> {
    let harness = &run.0.harness;
    let accelerator = harness.speed(image)?.accelerator;
    let qemu = std::fs::metadata(&harness.tools().qemu)
        .and_then(|data| Ok((data.len(), data.modified()?)))
        .map_err(|e| Error::io("look at", &harness.tools().qemu, e))?;
    let mut hash = Sha256::new();
    let parts = [
        FORMAT.to_string(),
        image.hash().to_owned(),
        // The image may have been rebuilt under its name, with newer packages.
        image.built()?,
        format!("{:?}", model.boot),
        args::model_arguments(model, accelerator).join(" "),
        format!("{qemu:?}"),
        key.to_owned(),
    ];
    for part in parts {
        hash.update(format!("{}\n{part}", part.len()));
    }
    let digest = hash.finalize();
    Ok(digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn provide(
    run: &Run,
    image: &Image,
    spec: &Spec,
    name: &str,
    prepare: Prepare,
) -> Result<Snapshot> {
    let cache = run.0.harness.cache();
    let dir = cache.entry(Shelf::Snapshots, name);
    let lock_name = format!("snapshots-{name}");
    loop {
        let in_use = cache.share(&lock_name)?;
        if dir.join("complete").exists() {
            cache::touch(&dir)?;
            return Ok(Snapshot {
                dir,
                _in_use: in_use,
            });
        }
        drop(in_use);
        let _making = cache.lock(&lock_name)?;
        if !dir.join("complete").exists() {
            make(run, image, spec, name, &dir, prepare)
                .map_err(|e| e.context("cannot make a snapshot"))?;
        }
    }
}

fn make(
    run: &Run,
    image: &Image,
    wanted: &Spec,
    name: &str,
    dir: &Path,
    prepare: Prepare,
) -> Result<()> {
    let started = Instant::now();
    image::require_space(run.0.harness.cache().root(), SPACE_MIB)?;
    let spec = Spec {
        model: wanted.model,
        ready: wanted.ready,
        ..Spec::new(&format!("snapshot-{}", &name[..8]))
    };
    let machine_name = spec.name.clone();
    run.0.harness.progress().say(&machine_name, "booting");
    let machine = run.start(image, spec, Origin::Cold)?;
    run.0.harness.progress().say(&machine_name, "preparing");
    prepare(&machine)?;
    run.0.harness.progress().say(&machine_name, "keeping");
    let made = dir.with_extension("part");
    cache::remove(&made)?;
    cache::create_dir(&made)?;
    machine.save(&made)?;
    cache::write(&made.join("complete"), b"")?;
    cache::publish(&made, dir)?;
    run.transcript().note(
        &machine_name,
        format!("kept in {:.1} s", started.elapsed().as_secs_f64()),
    );
    Ok(())
}

/// Removes a broken snapshot, unless somebody runs on it: then it is not that broken.
fn discard(run: &Run, name: &str) -> Result<()> {
    let cache = run.0.harness.cache();
    if let Some(_lock) = cache.try_lock(&format!("snapshots-{name}"))? {
        cache::remove(&cache.entry(Shelf::Snapshots, name))?;
    }
    Ok(())
}

impl Machine {
    /// Stops and writes everything into `into`; the machine is off afterwards.
    fn save(&self, into: &Path) -> Result<()> {
        let vm = self.vm()?;
        self.shell("sync; journalctl --flush || true")?;
        vm.qmp.ask("stop", json!({}))?;
        mapped_ram(&vm.qmp)?;
        let uri = format!("file:{}", into.join("state").display());
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
        vm.qmp.ask("quit", json!({}))?;
        if vm.wait_end(Duration::from_secs(30)).is_none() {
            return Err(Error::new(ErrorKind::Snapshot, "QEMU did not quit"));
        }
        *lock(&self.0.vm) = None;
        let mut files = vec!["disk.qcow2"];
        if self.0.spec.model.boot == Boot::Firmware {
            files.push("vars.fd");
        }
        for file in files {
            std::fs::rename(self.0.dir.join(file), into.join(file))
                .map_err(|e| Error::io("keep", &self.0.dir.join(file), e))?;
        }
        Ok(())
    }

    /// Comes up from its snapshot, as itself.
    fn resume(self) -> Result<Self> {
        self.note("restore");
        let Some(state) = self.0._snapshot.as_ref().map(Snapshot::state) else {
            return Err(Error::new(
                ErrorKind::Snapshot,
                "there is no snapshot to restore",
            ));
        };
        let vm = self.launch(true)?;
        mapped_ram(&vm.qmp)?;
        let uri = format!("file:{}", state.display());
        let failed = |e: Error| vm.trouble().unwrap_or(e);
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
        self.wait_for(&super::Wait::Agent, RESUME)?;
        self.identify()?;
        self.wait_ready(RESUME)?;
        self.note("up");
        Ok(self)
    }
}

fn mapped_ram(qmp: &crate::qemu::qmp::Qmp) -> Result<()> {
    qmp.ask(
        "migrate-set-capabilities",
        json!({ "capabilities": [{ "capability": "mapped-ram", "state": true }] }),
    )
    .map(drop)
}

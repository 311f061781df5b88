//! Machines that are up, kept on the disk: QEMU's state (`mapped-ram` migration), the disk's overlay, the firmware's
//! variables. One that is stale is not found (its key is another), one that is broken is rebuilt and said once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Basis, Machine, Model, Origin, Prepare, Spec};
use crate::cache::{self, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Image};
use crate::qemu::args;
use crate::run::Run;

/// Raised when what a snapshot consists of, or the devices of a machine, change.
const FORMAT: u32 = 2;

/// Free space that a snapshot needs at least, in MiB: most of the memory of the guest, and its disk's changes.
const SPACE_MIB: u64 = 1024;

/// Guest seconds.
const RESUME: Duration = Duration::from_secs(30);

/// A kept machine; it stays in the cache while this value lives.
#[derive(Debug)]
pub(super) struct Snapshot {
    dir: PathBuf,
    _in_use: Lock,
}

impl Snapshot {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn name(&self) -> String {
        self.dir
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
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
    let dir = kept.dir.clone();
    match Machine::create(run, image, spec.clone(), Basis::Snapshot(kept))?.restore(&dir) {
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
            Machine::create(run, image, spec, Basis::Snapshot(kept))?
                .restore(&dir)
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
        self.shell("sync; journalctl --flush || true")?;
        self.write_state(into)?;
        self.move_disk(into)
    }

    /// Comes up from its snapshot, as itself.
    fn restore(self, snapshot: &Path) -> Result<Self> {
        self.note("restore");
        self.load_state(snapshot)?;
        self.wait_for(&super::Wait::Agent, RESUME)?;
        self.identify()?;
        self.wait_ready(RESUME)?;
        self.note("up");
        Ok(self)
    }
}

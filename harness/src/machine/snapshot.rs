//! Machines that are up, kept on the disk: QEMU's state (`mapped-ram` migration), the disk's overlay, the firmware's
//! variables. One that is stale is not found (its key is another), one that is broken is rebuilt and said once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{lock, Basis, Machine, Model, Origin, Prepare, Ready, Spec};
use crate::cache::{self, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Image};
use crate::process::{self, Command};
use crate::qemu::args;
use crate::run::Run;

/// Raised when what a snapshot consists of, or the devices of a machine, change.
const FORMAT: u32 = 3;

/// Free space that a snapshot needs at least, in MiB: most of the memory of the guest, and its disk's changes.
const SPACE_MIB: u64 = 1024;

/// Host time; a second is usual.
const REBASE: Duration = Duration::from_secs(120);

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

/// What is kept.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The image, booted.
    Up,
    /// What came up, prepared; the key names how.
    Prepared(&'a str, Prepare<'a>),
}

/// What a failed restore says of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// It is not to blame.
    Nothing,
    /// It may be: a machine can die of other things, and be late on a busy host.
    Unclear,
    Snapshot,
}

impl Blame {
    fn of(kind: ErrorKind) -> Self {
        match kind {
            // Asked before the kind: what is ended dies of that.
            _ if process::is_closed() => Self::Nothing,
            ErrorKind::PortTaken | ErrorKind::NoSpace => Self::Nothing,
            ErrorKind::Snapshot | ErrorKind::Refused | ErrorKind::Io => Self::Snapshot,
            _ => Self::Unclear,
        }
    }
}

/// A machine from the snapshot that is wanted, which is made first if need be.
pub(super) fn start(run: &Run, image: &Image, spec: Spec, wanted: Wanted) -> Result<Machine> {
    let name = name_of(run, image, spec.model, wanted)?;
    // The inner result is that of the restore itself.
    let restore = || -> Result<Result<Machine>> {
        let kept = provide(run, image, &spec, &name, wanted)?;
        let dir = kept.dir.clone();
        let machine = Machine::create(run, image, spec.clone(), Basis::Snapshot(kept))?;
        Ok(machine.restore(&dir))
    };
    let mut restored = restore()?;
    if let Err(error) = &restored {
        if Blame::of(error.kind()) == Blame::Unclear {
            run.transcript()
                .note(&spec.name, format!("restored once more: {error}"));
            restored = restore()?;
        }
    }
    let error = match restored {
        Ok(machine) => return Ok(machine),
        Err(error) if Blame::of(error.kind()) == Blame::Nothing => return Err(error),
        Err(error) => error,
    };
    run.0.harness.progress().say(
        &spec.name,
        &format!("the snapshot is broken and made again: {error}"),
    );
    run.transcript()
        .note(&spec.name, format!("snapshot {name} is broken: {error}"));
    discard(run, &name)?;
    restore()?.map_err(|e| {
        let kind = match Blame::of(e.kind()) {
            Blame::Nothing => e.kind(),
            Blame::Unclear | Blame::Snapshot => ErrorKind::Snapshot,
        };
        Error::new(
            kind,
            format!("a fresh snapshot does not come up either: {e}"),
        )
        .try_next("start it cold")
    })
}

/// What a snapshot depends on, as a name.
fn name_of(run: &Run, image: &Image, model: Model, wanted: Wanted) -> Result<String> {
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
        match wanted {
            Wanted::Up => "up".to_owned(),
            Wanted::Prepared(key, _) => format!("prepared: {key}"),
        },
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

fn provide(run: &Run, image: &Image, spec: &Spec, name: &str, wanted: Wanted) -> Result<Snapshot> {
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
            make(run, image, spec, name, &dir, wanted)
                .map_err(|e| e.context("cannot make a snapshot"))?;
        }
    }
}

fn make(
    run: &Run,
    image: &Image,
    like: &Spec,
    name: &str,
    dir: &Path,
    wanted: Wanted,
) -> Result<()> {
    let started = Instant::now();
    image::require_space(run.0.harness.cache().root(), SPACE_MIB)?;
    let spec = Spec {
        model: like.model,
        // What came up is for all of the image; a prepared one may let nobody in by ssh.
        ready: match wanted {
            Wanted::Up => Ready::Ssh,
            Wanted::Prepared(..) => like.ready,
        },
        ..Spec::new(&format!("snapshot-{}", &name[..8]))
    };
    let machine_name = spec.name.clone();
    let machine = match wanted {
        Wanted::Up => {
            run.0.harness.progress().say(&machine_name, "booting");
            run.start(image, spec, Origin::Cold)?
        }
        Wanted::Prepared(_, prepare) => {
            let machine = run.start(image, spec, Origin::Up)?;
            run.0.harness.progress().say(&machine_name, "preparing");
            prepare(&machine)?;
            machine
        }
    };
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
        self.stand_on_image()?;
        self.move_disk(into)
    }

    /// A disk that stands on a snapshot takes that one's changes over, so that each snapshot needs nothing but its image.
    fn stand_on_image(&self) -> Result<()> {
        let Basis::Snapshot(_) = self.0.basis else {
            return Ok(());
        };
        let disk = lock(&self.0.store).join("disk.qcow2");
        Command::new(&self.0.run.0.harness.tools().qemu_img)
            .args(["rebase", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(self.0.image.disk())
            .arg(disk)
            .success(REBASE)
            .map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    /// Notes whether it was to restore or to boot, and whether somebody had a place for boots, and dies.
    const DIES: &str = r#"case "$*" in *-incoming*) what=restore ;; *) what=boot ;; esac
flock -n "$RIG/cache/locks/boot-0" true && slot=free || slot=taken
echo "$what, $slot" >>"$RIG/starts"
exit 1"#;

    /// What looks like the snapshot that `start` with `Up` wants.
    fn broken(rig: &Rig) -> PathBuf {
        let name = name_of(&rig.run, &rig.image, Model::default(), Wanted::Up).unwrap();
        let dir = rig.entry(Shelf::Snapshots, &name, &["state", "disk.qcow2", "vars.fd"]);
        cache::write(&dir.join("attached.json"), b"[]").unwrap();
        dir
    }

    #[test]
    fn a_machine_that_dies_while_it_is_restored_is_tried_again_before_its_snapshot_goes() {
        let rig = Rig::new(DIES);
        let snapshot = broken(&rig);
        let lan = rig.run.lan("lan", &[("web", "192.168.0.2/24")]).unwrap();
        let spec = Spec {
            lan: Some(lan),
            ..Spec::new("web")
        };
        let error = start(&rig.run, &rig.image, spec, Wanted::Up).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot make a snapshot: "),
            "{error}"
        );
        // And only the boot, for the fresh one, took a place for boots.
        assert_eq!(
            rig.noted("starts"),
            "restore, free\nrestore, free\nboot, taken\n"
        );
        assert!(!snapshot.exists());
        // Nor does any of the three leave a socket.
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        let ours = rig.run.sockets().display().to_string();
        assert!(!sockets.contains(&ours), "{sockets}");
    }

    const COPY: &str = "HARNESS_TEST_COPY";

    #[test]
    fn a_snapshot_that_is_being_restored_when_all_is_ended_stays() {
        let name =
            "machine::snapshot::tests::a_snapshot_that_is_being_restored_when_all_is_ended_stays";
        if std::env::var_os(COPY).is_none() {
            // What was ended starts nothing any more: in a process of its own.
            let copy = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(COPY, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&copy.stdout);
            assert!(copy.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let rig = Rig::new(r#"echo begun >"$RIG/starts"; sleep 60"#);
        let snapshot = broken(&rig);
        std::thread::scope(|scope| {
            let starting =
                scope.spawn(|| start(&rig.run, &rig.image, Spec::new("web"), Wanted::Up));
            while rig.noted("starts").is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            process::end_everything(Duration::from_secs(20));
            assert!(starting.join().unwrap().is_err());
        });
        assert!(snapshot.join("complete").exists());
    }

    #[test]
    fn whatever_a_snapshot_depends_on_changes_its_name() {
        let rig = Rig::new("exit 1");
        let harness = &rig.harness;
        let up = || name_of(&rig.run, &rig.image, Model::default(), Wanted::Up).unwrap();
        let of_model = |model| name_of(&rig.run, &rig.image, model, Wanted::Up).unwrap();
        let prepared = |key| {
            let wanted = Wanted::Prepared(key, &|_| Ok(()));
            name_of(&rig.run, &rig.image, Model::default(), wanted).unwrap()
        };
        let base = up();
        assert_eq!(up(), base);
        let mut names = vec![
            base,
            of_model(Model {
                memory_mib: 1024,
                ..Model::default()
            }),
            of_model(Model {
                cpus: 1,
                ..Model::default()
            }),
            of_model(Model {
                boot: crate::Boot::Direct,
                ..Model::default()
            }),
            prepared("one"),
            prepared("other"),
        ];
        let another = rig.entry(Shelf::Images, "another", &[]);
        let image = image::existing(harness.cache(), "another").unwrap();
        names.push(name_of(&rig.run, &image, Model::default(), Wanted::Up).unwrap());
        // Rebuilt under its name.
        cache::write(&another.join("complete"), b"later").unwrap();
        names.push(name_of(&rig.run, &image, Model::default(), Wanted::Up).unwrap());
        let qemu = std::fs::File::options()
            .append(true)
            .open(&harness.tools().qemu)
            .unwrap();
        qemu.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        names.push(up());
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

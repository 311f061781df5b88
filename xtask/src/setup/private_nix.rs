//! A private Nix: Debian's packages, checked by apt, unpacked into the cache, without root and beside the system.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use super::install::{failed_step, Install};
use super::machine;
use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::process::{Command, Output};
use crate::report::{self, progress::Progress};
use crate::tools::apt::{self, PrivateApt, Repository};
use crate::tools::nix::Nix;
use crate::tools::version::Version;

/// What an installation needs while it runs: indices, archives and what is unpacked from them.
const NEEDED_MIB: u64 = 300;

/// The configuration of a private Nix, instead of /etc/nix/nix.conf.
///
/// Without build users, builds run as whoever calls Nix; without a sandbox, they also run where namespaces are
/// forbidden, as in most containers.
const CONFIGURATION: &str = "\
experimental-features = nix-command flakes
build-users-group =
sandbox = false
";

/// A Debian suite and the Nix in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Debian 13: Nix 2.26.
    Trixie,
    /// The newest: Nix 2.34, as in NixOS 26.05. For the tests that read Nix's output.
    Sid,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// The folder's name below the cache's tools.
    pub fn tool(self) -> &'static str {
        match self {
            Self::Trixie => "nix-trixie",
            Self::Sid => "nix-sid",
        }
    }
}

/// The private Nix of a suite, if it is installed.
///
/// # Errors
/// If its configuration cannot be written.
pub fn installed(cache: &CacheDir, suite: Suite) -> Result<Option<Nix>> {
    match program(cache, suite) {
        Some(program) => {
            let conf_dir = configured(&cache.tool(suite.tool()))?;
            Ok(Some(Nix::private(program, conf_dir)))
        }
        None => Ok(None),
    }
}

/// The program of the private Nix of a suite, if it is installed.
pub fn program(cache: &CacheDir, suite: Suite) -> Option<PathBuf> {
    let program = cache.tool(suite.tool()).join("bin/nix");
    program.exists().then_some(program)
}

/// The folder of the configuration, with what this version of xtask wants in it.
fn configured(place: &Path) -> Result<PathBuf> {
    let dir = place.join("conf");
    let file = dir.join("nix.conf");
    if std::fs::read_to_string(&file).is_ok_and(|text| text == CONFIGURATION) {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(&file, CONFIGURATION))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(dir)
}

/// Installs the Nix of a suite, if it is not there, and says what is fetched and why.
///
/// # Errors
/// Missing, naming the cure, if this machine cannot do it.
pub async fn install(cache: &CacheDir, suite: Suite, why: &str, live: bool) -> Result<Nix> {
    if let Some(install) = Install::begin(cache, suite.tool()).await? {
        possible(cache)?;
        let cpu = Cpu::of_this_machine()?;
        let mirror = machine::debian_mirror()?;
        let archives = fetch(&install, suite, cpu, &mirror, why, live).await?;
        let built = unpack(&install, suite, &archives, live).await?;
        make_runnable(&built, install.place(), cpu).await?;
        let version = first_run(&built, cpu).await?;
        let place = install.finish(&built)?;
        report::say(&format!("setup: Nix {version} is in {}", place.display()));
    }
    installed(cache, suite)?.context("the private Nix is gone again: somebody empties the cache")
}

/// How Debian names a kind of machine.
#[derive(Debug, Clone, Copy)]
struct Cpu {
    debian: &'static str,
    libraries: &'static str,
    loader: &'static str,
}

impl Cpu {
    fn of_this_machine() -> Result<Self, Failure> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self {
                debian: "amd64",
                libraries: "usr/lib/x86_64-linux-gnu",
                loader: "usr/lib64/ld-linux-x86-64.so.2",
            }),
            "aarch64" => Ok(Self {
                debian: "arm64",
                libraries: "usr/lib/aarch64-linux-gnu",
                loader: "usr/lib/ld-linux-aarch64.so.1",
            }),
            other => Err(Failure::missing(format!(
                "no private Nix for {other}: Debian's packages are used on x86_64 and aarch64"
            ))
            .try_next(super::INSTALL_NIX)),
        }
    }
}

/// Whether this machine has what an installation needs.
///
/// # Errors
/// Missing, naming the cure, if it has not.
pub fn possible(cache: &CacheDir) -> Result<(), Failure> {
    Cpu::of_this_machine()?;
    for program in ["apt-get", "dpkg-deb"] {
        if which::which(program).is_err() {
            let (distribution, _) = machine::distribution();
            return Err(Failure::missing(format!(
                "cannot install a private Nix on {distribution}: its packages need {program}, which is not here"
            ))
            .try_next(super::INSTALL_NIX));
        }
    }
    if !Path::new(machine::DEBIAN_KEYRING).exists() {
        return Err(Failure::missing(format!(
            "cannot check the signatures of Debian's packages: {} is not here",
            machine::DEBIAN_KEYRING
        ))
        .try_next(super::debian::command_line(&["debian-archive-keyring"])));
    }
    let tools = cache.tools();
    match machine::free_mib(&tools) {
        Some(free) if free < NEEDED_MIB => Err(Failure::missing(format!(
            "cannot install a private Nix: the disk that holds {} has {free} MiB free, and {NEEDED_MIB} are needed",
            tools.display()
        ))
        .try_next("free some space there, or another cache folder: SLIPWAY_CACHE=/path/to/folder")),
        _ => Ok(()),
    }
}

async fn fetch(
    install: &Install,
    suite: Suite,
    cpu: Cpu,
    mirror: &str,
    why: &str,
    live: bool,
) -> Result<Vec<PathBuf>> {
    const PACKAGES: [&str; 2] = ["nix-bin", "patchelf"];
    let repository = Repository {
        mirror: mirror.to_owned(),
        suite: suite.name(),
        keyring: machine::DEBIAN_KEYRING.into(),
        arch: cpu.debian,
        // Sid's index expires within a week, and a frozen mirror's stays expired. Only tests use it. Goes when a
        // stable Debian has a Nix as new as that of the NixOS release in flake.lock.
        check_valid_until: suite != Suite::Sid,
    };
    let apt = PrivateApt::create(&install.workshop().join("apt"), &repository)?;
    let place = install.place();
    let what = format!("fetch Nix from Debian {} ({mirror})", suite.name());

    report::say(&format!("setup: {why}"));
    report::say(&format!(
        "setup: fetching the package index of Debian {} from {mirror} (10 MB)",
        suite.name()
    ));
    run_apt(apt.update(), &what, place, live, "setup: index").await?;
    let plan = run_apt(apt.plan(&PACKAGES), &what, place, live, "setup: plan").await?;
    let plan = plan.text();
    let size = apt::archive_size(&plan).unwrap_or("an unknown size");
    if size != "0 B" {
        report::say(&format!(
            "setup: fetching nix-bin and what it needs from {mirror} ({size})"
        ));
    }
    run_apt(
        apt.download(&PACKAGES),
        &what,
        place,
        live,
        "setup: packages",
    )
    .await?;
    let archives = apt.archives()?;
    if archives.is_empty() {
        bail!(Failure::missing(format!(
            "cannot {what}: apt fetched no package"
        )));
    }
    Ok(archives)
}

async fn run_apt(
    command: Command,
    what: &str,
    place: &Path,
    live: bool,
    title: &str,
) -> Result<Output> {
    let mut progress = Progress::start(live, title);
    let output = command
        .stream(|line| {
            if let Some((percent, detail)) = apt::progress(line) {
                progress.at(percent, detail);
            }
        })
        .await?;
    drop(progress);
    if output.status.success() {
        return Ok(output);
    }
    let talk = apt::talk(&output.stderr);
    if talk.contains("NO_PUBKEY") || talk.contains("is not signed") {
        let failure = Failure::missing(format!(
            "cannot {what}: {} lacks the key that signs it:\n{talk}",
            machine::DEBIAN_KEYRING
        ));
        return Err(failure
            .try_next(
                "sudo apt-get update && sudo apt-get install --only-upgrade debian-archive-keyring",
            )
            .into());
    }
    Err(failed_step(what, place, &output, &talk).into())
}

async fn unpack(
    install: &Install,
    suite: Suite,
    archives: &[PathBuf],
    live: bool,
) -> Result<PathBuf> {
    let root = install.fresh("root")?;
    let what = format!("unpack the Nix of Debian {}", suite.name());
    let mut progress = Progress::start(live, "setup: unpacking");
    for (index, archive) in archives.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)] // A hundred packages.
        let percent = 100.0 * index as f32 / archives.len() as f32;
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        progress.at(percent, &name);
        let output = apt::unpack(archive, &root).capture().await?;
        if !output.status.success() {
            let what = format!("{what}: {name}");
            return Err(failed_step(&what, install.place(), &output, &output.stderr).into());
        }
    }
    // A quarter of it is documentation that nobody looks for here.
    let share = root.join("usr/share");
    std::fs::remove_dir_all(&share)
        .with_context(|| format!("cannot remove {}", share.display()))?;
    Ok(root)
}

/// Makes the program run with the libraries that it came with, once it is in its place.
///
/// Only `nix` itself is changed: a patched libc no longer works, and the libraries find each other through the
/// program's RPATH (not RUNPATH, which does not reach what libraries load).
async fn make_runnable(root: &Path, place: &Path, cpu: Cpu) -> Result<()> {
    with_own_libraries(root, cpu, "patchelf")
        .arg("--set-interpreter")
        .arg(place.join(cpu.loader))
        .arg("--force-rpath")
        .arg("--set-rpath")
        .arg(place.join(cpu.libraries))
        .arg(root.join("usr/bin/nix"))
        .success()
        .await
        .context("cannot make the private Nix find its libraries")?;
    // A folder of its own for PATH: the prefix has a curl, a perl and others that would hide the machine's.
    let bin = root.join("bin");
    std::fs::create_dir(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    for entry in std::fs::read_dir(root.join("usr/bin"))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text == "nix" || text.starts_with("nix-") {
            std::os::unix::fs::symlink(Path::new("../usr/bin/nix"), bin.join(&name))
                .with_context(|| format!("cannot link {}", bin.join(&name).display()))?;
        }
    }
    configured(root)?;
    Ok(())
}

/// The version that the unpacked program says it has; proof that it starts.
async fn first_run(root: &Path, cpu: Cpu) -> Result<Version> {
    let output = with_own_libraries(root, cpu, "nix")
        .arg("--version")
        .success()
        .await
        .context("the private Nix does not start")?;
    let text = output.text();
    Version::find(&text).with_context(|| format!("the private Nix has no version: {text}"))
}

/// A program below `root`, started by the loader below `root`.
fn with_own_libraries(root: &Path, cpu: Cpu, program: &str) -> Command {
    Command::new(root.join(cpu.loader))
        .arg("--library-path")
        .arg(root.join(cpu.libraries))
        .arg(root.join("usr/bin").join(program))
}

//! Debian's packages, checked by apt, unpacked into a folder of the cache, without root and beside the system.
//! What is made of them is the caller's: Nix (`private_nix`), virtual machines (`vm`).

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use super::install::{failed_step, Install};
use super::{debian, machine};
use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::process::{Command, Output};
use crate::report::{self, progress::Progress};
use crate::tools::apt::{self, PrivateApt, Repository};
use crate::tools::version::Version;

/// What is unpacked from a Debian suite, and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Packages {
    /// What a person calls it, in `cannot install …`.
    pub name: &'static str,
    /// The same in `fetch … from Debian trixie`.
    pub short: &'static str,
    /// The folder's name below the cache's tools.
    pub tool: &'static str,
    pub suite: &'static str,
    /// Whether an expired index is refused.
    pub check_valid_until: bool,
    /// What the others come with, as their dependencies.
    pub packages: &'static [&'static str],
    /// The programs that will be started, below the folder. No others work.
    pub programs: &'static [&'static str],
    /// What is removed again, below the folder.
    pub unused: &'static [&'static str],
    /// What an installation needs while it runs: indices, archives and what is unpacked from them.
    pub needed_mib: u64,
    /// The way without Debian's packages.
    pub instead: &'static str,
}

impl Packages {
    /// Whether this machine has what an installation needs.
    ///
    /// # Errors
    /// Missing, naming the cure, if it has not.
    pub fn possible(&self, cache: &CacheDir) -> Result<(), Failure> {
        let name = self.name;
        self.cpu()?;
        for program in ["apt-get", "dpkg-deb"] {
            if which::which(program).is_err() {
                let distribution = machine::distribution().name;
                return Err(Failure::missing(format!(
                    "cannot install {name} on {distribution}: its packages need {program}, which is not here"
                ))
                .try_next(self.instead));
            }
        }
        if !Path::new(machine::DEBIAN_KEYRING).exists() {
            return Err(Failure::missing(format!(
                "cannot check the signatures of Debian's packages: {} is not here",
                machine::DEBIAN_KEYRING
            ))
            .try_next(debian::command_line(&["debian-archive-keyring"])));
        }
        let tools = cache.tools();
        let needed = self.needed_mib;
        match machine::free_mib(&tools) {
            Some(free) if free < needed => Err(Failure::missing(format!(
                "cannot install {name}: the disk that holds {} has {free} MiB free, and {needed} are needed",
                tools.display()
            ))
            .try_next("free some space there, or another cache folder: SLIPWAY_CACHE=/path/to/folder")),
            _ => Ok(()),
        }
    }

    fn cpu(&self) -> Result<Cpu, Failure> {
        Cpu::of_this_machine().ok_or_else(|| {
            Failure::missing(format!(
                "no {} for {}: Debian's packages are used on x86_64 and aarch64",
                self.short,
                std::env::consts::ARCH
            ))
            .try_next(self.instead)
        })
    }

    /// Fetches and unpacks everything beside the place where it will be, and says what is fetched and why. Its programs
    /// find their libraries once it is in that place.
    ///
    /// # Errors
    /// Missing, naming the cure, if this machine cannot do it.
    pub async fn unpack(
        &self,
        install: &Install,
        cache: &CacheDir,
        why: &str,
        live: bool,
    ) -> Result<Unpacked> {
        self.possible(cache)?;
        let cpu = self.cpu()?;
        let mirror = machine::debian_mirror(self.instead)?;
        let archives = self.fetch(install, cpu, &mirror, why, live).await?;
        let root = install.fresh("root")?;
        self.unpack_all(install, &archives, &root, live).await?;
        for folder in self.unused {
            let folder = root.join(folder);
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let unpacked = Unpacked { root, cpu };
        for program in self.programs {
            unpacked.make_runnable(program, install.place()).await?;
        }
        Ok(unpacked)
    }

    async fn fetch(
        &self,
        install: &Install,
        cpu: Cpu,
        mirror: &str,
        why: &str,
        live: bool,
    ) -> Result<Vec<PathBuf>> {
        let suite = self.suite;
        let repository = Repository {
            mirror: mirror.to_owned(),
            suite,
            keyring: machine::DEBIAN_KEYRING.into(),
            arch: cpu.debian,
            check_valid_until: self.check_valid_until,
        };
        let mut packages = self.packages.to_vec();
        packages.push("patchelf");
        let apt = PrivateApt::create(&install.workshop().join("apt"), &repository)?;
        let place = install.place();
        let what = format!("fetch {} from Debian {suite} ({mirror})", self.short);

        report::say(&format!("setup: {why}"));
        report::say(&format!(
            "setup: fetching the package index of Debian {suite} from {mirror} (10 MB)"
        ));
        run_apt(apt.update(), &what, place, live, "setup: index").await?;
        let plan = run_apt(apt.plan(&packages), &what, place, live, "setup: plan").await?;
        let plan = plan.text();
        let size = apt::archive_size(&plan).unwrap_or("an unknown size");
        if size != "0 B" {
            report::say(&format!(
                "setup: fetching {} and what it needs from {mirror} ({size})",
                self.packages.join(", ")
            ));
        }
        run_apt(
            apt.download(&packages),
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

    async fn unpack_all(
        &self,
        install: &Install,
        archives: &[PathBuf],
        root: &Path,
        live: bool,
    ) -> Result<()> {
        let what = format!("unpack the {} of Debian {}", self.short, self.suite);
        let mut progress = Progress::start(live, "setup: unpacking");
        for (index, archive) in archives.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)] // A hundred packages.
            let percent = 100.0 * index as f32 / archives.len() as f32;
            let name = archive.file_name().unwrap_or_default().to_string_lossy();
            progress.at(percent, &name);
            let output = apt::unpack(archive, root).capture().await?;
            if !output.status.success() {
                let what = format!("{what}: {name}");
                return Err(failed_step(&what, install.place(), &output, &output.stderr).into());
            }
        }
        Ok(())
    }
}

/// How Debian names a kind of machine.
#[derive(Debug, Clone, Copy)]
struct Cpu {
    debian: &'static str,
    libraries: &'static str,
    loader: &'static str,
}

impl Cpu {
    fn of_this_machine() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self {
                debian: "amd64",
                libraries: "usr/lib/x86_64-linux-gnu",
                loader: "usr/lib64/ld-linux-x86-64.so.2",
            }),
            "aarch64" => Some(Self {
                debian: "arm64",
                libraries: "usr/lib/aarch64-linux-gnu",
                loader: "usr/lib/ld-linux-aarch64.so.1",
            }),
            _ => None,
        }
    }
}

async fn run_apt(
    command: Command,
    what: &str,
    place: &Path,
    live: bool,
    title: &str,
) -> Result<Output> {
    let output = debian::with_progress(command, live, title).await?;
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

/// Packages that are unpacked and not yet in their place.
pub struct Unpacked {
    pub root: PathBuf,
    cpu: Cpu,
}

impl Unpacked {
    /// Makes a program run with the libraries that it came with, once it is in its place.
    ///
    /// Only the program itself is changed: a patched libc no longer works, and the libraries find each other through
    /// the program's RPATH (not RUNPATH, which does not reach what libraries load).
    async fn make_runnable(&self, program: &str, place: &Path) -> Result<()> {
        self.command("usr/bin/patchelf")
            .arg("--set-interpreter")
            .arg(place.join(self.cpu.loader))
            .arg("--force-rpath")
            .arg("--set-rpath")
            .arg(place.join(self.cpu.libraries))
            .arg(self.root.join(program))
            .success()
            .await
            .with_context(|| format!("cannot make the private {program} find its libraries"))?;
        Ok(())
    }

    /// What a program of `name` says its version is; proof that it starts.
    ///
    /// # Errors
    /// If it does not start, or says none.
    pub async fn version(&self, program: &str, name: &str) -> Result<Version> {
        let output = self
            .command(program)
            .arg("--version")
            .success()
            .await
            .with_context(|| format!("the private {name} does not start"))?;
        let text = output.text();
        Version::find(&text).with_context(|| format!("the private {name} has no version: {text}"))
    }

    /// A program below the folder, where it is now: started by its own loader.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.root.join(self.cpu.loader))
            .arg("--library-path")
            .arg(self.root.join(self.cpu.libraries))
            .arg(self.root.join(program))
    }
}

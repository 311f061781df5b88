//! A private Nix: Debian's packages, checked by apt, unpacked into the cache, without root and beside the system.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::install::Install;
use super::unpacked::Packages;
use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::report;
use crate::tools::nix::Nix;

/// The program below a folder of unpacked packages.
const PROGRAM: &str = "usr/bin/nix";

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
    fn packages(self) -> Packages {
        Packages {
            name: "a private Nix",
            short: "Nix",
            tool: self.tool(),
            suite: match self {
                Self::Trixie => "trixie",
                Self::Sid => "sid",
            },
            // Sid's index expires within a week, and a frozen mirror's stays expired. Only tests use it. Goes when a
            // stable Debian has a Nix as new as that of the NixOS release in flake.lock.
            check_valid_until: self != Self::Sid,
            packages: &["nix-bin"],
            programs: &[PROGRAM],
            // A quarter of it is documentation that nobody looks for here.
            unused: &["usr/share"],
            needed_mib: 300,
            instead: super::INSTALL_NIX,
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
        let unpacked = suite.packages().unpack(&install, cache, why, live).await?;
        link_programs(&unpacked.root)?;
        configured(&unpacked.root)?;
        let version = unpacked.version(PROGRAM, suite.packages().short).await?;
        let place = install.finish(&unpacked.root)?;
        report::say(&format!("setup: Nix {version} is in {}", place.display()));
    }
    installed(cache, suite)?.context("the private Nix is gone again: somebody empties the cache")
}

/// Whether this machine has what an installation needs.
///
/// # Errors
/// Missing, naming the cure, if it has not.
pub fn possible(cache: &CacheDir, suite: Suite) -> Result<(), Failure> {
    suite.packages().possible(cache)
}

/// A folder of its own for PATH: the prefix has a curl, a perl and others that would hide the machine's.
fn link_programs(root: &Path) -> Result<()> {
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
    Ok(())
}

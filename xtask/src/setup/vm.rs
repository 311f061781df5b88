//! What virtual machines need: QEMU, firmware and image tools unpacked from Debian 13, and programs of this machine.

use std::path::PathBuf;

use anyhow::Result;

use super::found::{Found, QEMU};
use super::install::Install;
use super::machine;
use super::unpacked::Packages;
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;

const PROGRAM: &str = "usr/bin/qemu-system-x86_64";

/// The recipe of docs/harness.md. Debian 12's QEMU has no snapshots that load in a second, its mke2fs reads no archives.
const PACKAGES: Packages = Packages {
    name: "QEMU",
    short: "QEMU",
    tool: "vm-trixie",
    suite: "trixie",
    check_valid_until: true,
    packages: &[
        "qemu-system-x86",
        "qemu-utils",
        "ovmf",
        "seabios",
        "mtools",
        "fdisk",
        "e2fsprogs",
        // mke2fs loads it at run time and does not depend on it.
        "libarchive13t64",
    ],
    programs: &[
        PROGRAM,
        "usr/bin/qemu-img",
        "usr/bin/mtools",
        "usr/sbin/sfdisk",
        "usr/sbin/mke2fs",
    ],
    // The rest of usr/share is QEMU's own data, and the firmware.
    unused: &["usr/share/doc", "usr/share/man", "usr/share/locale"],
    needed_mib: 700,
    instead: "docs/harness.md says what is needed",
};

/// The folder with the tools, as the harness wants it: installed now unless forbidden.
///
/// # Errors
/// Missing, naming the cure, if something is not here and may or can not be installed.
pub async fn vm(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    let place = cache.tool(PACKAGES.tool);
    if !place.exists() && global.no_setup {
        return Err(Failure::missing(
            "no QEMU for virtual machines: none installed by `cargo xtask setup`, and --no-setup forbids it",
        )
        .try_next("cargo xtask setup vm")
        .into());
    }
    let missing = missing_here();
    if !missing.is_empty() {
        let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        let why = format!(
            "no {} here, and virtual machines need it",
            programs.join(" and no ")
        );
        super::debian::install(global, &packages, &why).await?;
    }
    if let Some(install) = Install::begin(&cache, PACKAGES.tool).await? {
        let why = "virtual machines run in QEMU: installing a private one, nothing outside the cache is touched";
        let live = report::live(global.plain);
        let unpacked = PACKAGES.unpack(&install, &cache, why, live).await?;
        let version = unpacked.version(PROGRAM, PACKAGES.short).await?;
        install.finish(&unpacked.root)?;
        report::say(&format!("setup: QEMU {version} is in {}", place.display()));
    }
    Ok(place)
}

/// The QEMU in the cache, for doctor.
///
/// # Errors
/// If it is there and cannot be started.
pub async fn find(cache: &CacheDir) -> Result<Found> {
    QEMU.find_at(cache.tool(PACKAGES.tool).join(PROGRAM)).await
}

/// Whether this machine has what an installation needs.
///
/// # Errors
/// Missing, naming the cure, if it has not.
pub fn possible(cache: &CacheDir) -> Result<(), Failure> {
    PACKAGES.possible(cache)
}

/// Programs that this machine itself must have and has not, each with its package in Debian.
pub fn missing_here() -> Vec<(&'static str, &'static str)> {
    /// Debian's own; the name spaces in which anybody but root builds an image take a setuid program.
    const NEEDED: [(&str, &str, bool); 3] = [
        ("mmdebstrap", "mmdebstrap", true),
        ("ssh", "openssh-client", true),
        ("newuidmap", "uidmap", false),
    ];
    let there = |program: &str| which::which(program).is_ok();
    NEEDED
        .into_iter()
        .filter(|&(program, _, by_root)| (by_root || !machine::is_root()) && !there(program))
        .map(|(program, package, _)| (program, package))
        .collect()
}

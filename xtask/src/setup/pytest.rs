//! pytest and mypy, for the tests of the scenarios' interpreter in stage nixos: wheels from PyPI, for the machine's own Python.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::found::{Found, PYTHON};
use super::install::Install;
use super::programs;
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;

const TOOL: &str = "pytest-8.3.5-mypy-1.18.2";

/// With what it needs on a Python of 3.11 or newer.
const PACKAGES: [(&str, &str); 8] = [
    ("pytest", "8.3.5"),
    ("iniconfig", "2.1.0"),
    ("packaging", "25.0"),
    ("pluggy", "1.6.0"),
    ("mypy", "1.18.2"),
    ("mypy_extensions", "1.1.0"),
    ("pathspec", "0.12.1"),
    ("typing_extensions", "4.15.0"),
];

/// The folder to set PYTHONPATH to.
///
/// # Errors
/// Missing, naming the cure, if it is not here and may or can not be installed, or if there is no Python.
pub async fn pytest(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    if let Some(place) = find(&cache) {
        return Ok(place);
    }
    if global.no_setup {
        return Err(Failure::missing(
            "no pytest: none installed by `cargo xtask setup`, and --no-setup forbids it",
        )
        .try_next("cargo xtask setup pytest")
        .into());
    }
    programs::pip(global, "pytest is fetched with it").await?;
    let python = PYTHON.find().await?;
    if !matches!(python, Found::Good(..)) {
        let complaint = PYTHON.complaint(&python);
        return Err(Failure::missing(format!("cannot use pytest: {complaint}"))
            .try_next("install Python 3.11 or newer")
            .into());
    }
    if let Some(install) = Install::begin(&cache, TOOL).await? {
        report::say("setup: the scenarios' interpreter is tested with pytest and mypy: fetching them from PyPI (15 MB)");
        let root = install.fresh("root")?;
        programs::pip_install(global, &PACKAGES, &root, install.place()).await?;
        install.finish(&root)?;
    }
    Ok(cache.tool(TOOL))
}

/// The folder, if it is installed.
pub fn find(cache: &CacheDir) -> Option<PathBuf> {
    Some(cache.tool(TOOL)).filter(|place: &PathBuf| Path::new(place).exists())
}

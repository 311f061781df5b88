//! The configuration of Renovate, held against Renovate itself where somebody has installed it.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{Row, Verdict};
use crate::cache_dir::CacheDir;
use crate::setup::RENOVATE;
use crate::tools::renovate;

/// One row, if there is a configuration. It is large: no check installs it by itself.
///
/// # Errors
/// If node cannot be started.
pub async fn run(root: &Path) -> Result<Option<Row>> {
    const NAME: &str = "renovate";
    let file = root.join("renovate.json");
    if !file.is_file() {
        return Ok(None);
    }
    let Some(package) = RENOVATE.find(&CacheDir::find()?) else {
        let why = format!(
            "not installed, as it takes {}: cargo xtask setup {}",
            RENOVATE.size, RENOVATE.name
        );
        return Ok(Some(Row::at_once(NAME, Verdict::NotBuilt(why))));
    };
    let started = Instant::now();
    let found = renovate::findings(&package, &file).await?;
    let verdict = Verdict::of(&found);
    Ok(Some(Row::new(NAME, verdict, started.elapsed())))
}

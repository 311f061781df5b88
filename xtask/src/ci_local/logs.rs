//! Where the logs of jobs are: a folder a run, of which the newest are kept.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::cache_dir::CacheDir;

/// Runs whose logs are kept, this one among them.
const KEPT: usize = 10;

/// A new folder, beside what cargo builds if there is such a place, else in the cache.
///
/// # Errors
/// If it cannot be written.
pub fn folder(root: &Path, cache: &CacheDir) -> Result<PathBuf> {
    let base = cache.logs(root, "ci-local");
    let cannot = || format!("cannot make a folder for logs in {}", base.display());
    std::fs::create_dir_all(&base).with_context(cannot)?;
    let folder = tempfile::Builder::new()
        .prefix("")
        .rand_bytes(6)
        .tempdir_in(&base)
        .with_context(cannot)?
        .keep();
    forget_old(&base).with_context(cannot)?;
    Ok(folder)
}

fn forget_old(base: &Path) -> std::io::Result<()> {
    let mut runs: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(base)? {
        let entry = entry?;
        runs.push((entry.metadata()?.modified()?, entry.path()));
    }
    runs.sort();
    let surplus = runs.len().saturating_sub(KEPT);
    for (_, run) in &runs[..surplus] {
        std::fs::remove_dir_all(run)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_runs_keep_their_logs() {
        let root = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(root.path());
        let all: Vec<PathBuf> = (0..KEPT + 2)
            .map(|_| folder(root.path(), &cache).unwrap())
            .collect();
        assert!(all.last().unwrap().exists());
        assert_eq!(all.iter().filter(|it| it.exists()).count(), KEPT);
    }
}

//! Which commit a closure came from: a file beside the closure, because no commit id may be inside of it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::whole_file;

/// Where a closure came from, as far as was known when it was built last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub toplevel: StorePath,
    pub host: HostName,
    pub stage: Stage,
    pub flake: String,
    /// The commit, or the one that the working tree was based on.
    pub revision: Option<String>,
    /// The working tree differed from it.
    pub dirty: bool,
    /// Seconds since 1970.
    pub built_at: u64,
}

impl Origin {
    /// Writes the file `<hash>-<name>.json`. One that names a clean commit is not replaced by a working tree's, and one
    /// of the same commit stays.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn record(&self, dir: &Path) -> Result<()> {
        let base = self.toplevel.as_path().file_name().unwrap_or_default();
        let file = dir.join(format!("{}.json", base.to_string_lossy()));
        if let Some(before) = read(&file) {
            let same = before.revision == self.revision && before.dirty == self.dirty;
            let better = before.revision.is_some() && !before.dirty && self.dirty;
            if before.host == self.host && (same || better) {
                return Ok(());
            }
        }
        whole_file::write(&file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

/// What is recorded of a closure in the folder `dir`.
pub fn of(dir: &Path, toplevel: &StorePath) -> Option<Origin> {
    let base = toplevel.as_path().file_name()?;
    read(&dir.join(format!("{}.json", base.to_string_lossy())))
}

fn read(file: &Path) -> Option<Origin> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(revision: &str, dirty: bool) -> Origin {
        Origin {
            toplevel: StorePath::parse(&format!("{}-nixos-system-Niko", "0".repeat(32))).unwrap(),
            host: HostName::known("Niko"),
            stage: Stage::Rehearsal,
            flake: "git+file:///fleet".to_owned(),
            revision: Some(revision.to_owned()),
            dirty,
            built_at: 0,
        }
    }

    #[test]
    fn the_last_clean_commit_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir
            .path()
            .join(format!("{}-nixos-system-Niko.json", "0".repeat(32)));
        for (written, left) in [
            (origin("1", true), origin("1", true)),
            (origin("1", false), origin("1", false)),
            (origin("2", true), origin("1", false)),
            (origin("2", false), origin("2", false)),
        ] {
            written.record(dir.path()).unwrap();
            assert_eq!(read(&file), Some(left));
        }
    }
}

//! Answers that are kept in the cache folder under the fingerprint of what they were made from.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::Serialize;

use super::source::Fingerprint;
use crate::cache_dir::CacheDir;
use crate::whole_file;

/// What nobody asked for in this time is removed: each edit of a file makes new answers.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

fn file(cache: &CacheDir, kind: &str, fingerprint: &Fingerprint) -> PathBuf {
    cache
        .evaluations()
        .join(format!("{kind}-{}.json", fingerprint.as_str()))
}

/// An earlier answer. What cannot be read, such as one of another version of xtask, counts as none: it is asked again.
pub fn read<T: DeserializeOwned>(
    cache: &CacheDir,
    kind: &str,
    fingerprint: &Fingerprint,
) -> Option<T> {
    let file = file(cache, kind, fingerprint);
    let answer = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
    // Used now, so kept longer. A cache that cannot be written to still serves.
    let _ = std::fs::File::options()
        .append(true)
        .open(&file)
        .and_then(|file| file.set_modified(SystemTime::now()));
    Some(answer)
}

/// # Errors
/// If the cache folder cannot be written to.
pub fn write<T: Serialize>(
    cache: &CacheDir,
    kind: &str,
    fingerprint: &Fingerprint,
    answer: &T,
) -> Result<()> {
    let file = file(cache, kind, fingerprint);
    let text = serde_json::to_vec(answer)?;
    whole_file::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    prune(&cache.evaluations());
    Ok(())
}

/// Removing what is old is a courtesy: another xtask may do it at the same moment.
fn prune(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::source::Source;

    #[test]
    fn answers_come_back_under_their_fingerprint_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let (one, two) = (Source::opaque("1").whole(), Source::opaque("2").whole());
        write(&cache, "inventory", &one, &vec![1, 2]).unwrap();
        assert_eq!(read::<Vec<u8>>(&cache, "inventory", &one), Some(vec![1, 2]));
        assert_eq!(read::<Vec<u8>>(&cache, "inventory", &two), None);
        assert_eq!(read::<String>(&cache, "inventory", &one), None);
    }

    #[test]
    fn what_nobody_asks_for_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let (old, new) = (Source::opaque("1").whole(), Source::opaque("2").whole());
        write(&cache, "inventory", &old, &1).unwrap();
        let path = file(&cache, "inventory", &old);
        let long_ago = SystemTime::now() - KEPT - Duration::from_secs(60);
        let handle = std::fs::File::options().append(true).open(&path).unwrap();
        handle.set_modified(long_ago).unwrap();
        write(&cache, "inventory", &new, &2).unwrap();
        assert!(!path.exists());
        assert_eq!(read::<u8>(&cache, "inventory", &new), Some(2));
    }
}

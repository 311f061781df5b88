//! Bounding what machines leave on the disk: images, snapshots, kept machines, packages.

use anyhow::Result;
use harness::Harness;

use super::place::Place;
use crate::cache_dir::CacheDir;
use crate::report::words::{bytes, counted};
use crate::scenarios::ground::worded;

/// Removes what dead runs left, then what was not used for longest, until at most `limit` bytes are there. Gives what
/// was done in words, a line each.
///
/// # Errors
/// If the cache cannot be read or written.
pub fn collect(cache: &CacheDir, limit: u64) -> Result<String> {
    let harness = Harness::without_tools(&cache.machines()).map_err(worded)?;
    let done = harness.collect_garbage(limit).map_err(worded)?;
    forget_places(cache, &harness)?;
    let root = cache.machines();
    let mut text = String::new();
    for removed in &done.removed {
        let path = removed.path.strip_prefix(&root).unwrap_or(&removed.path);
        let size = bytes(removed.bytes);
        text.push_str(&format!("{size:>10}  {}\n", path.display()));
    }
    text.push_str(&format!(
        "removed {}, {}; {} are left\n",
        counted(done.removed.len(), "thing"),
        bytes(done.freed),
        bytes(done.left)
    ));
    Ok(text)
}

/// The logs of machines that neither run nor are kept.
fn forget_places(cache: &CacheDir, harness: &Harness) -> Result<()> {
    for place in Place::all(cache)? {
        let name = &place.name;
        let kept = harness.kept_machine(&name.group, &name.machine).is_some();
        if !kept {
            place.forget()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_cannot_be_written_says_what_to_do() {
        let error = collect(&CacheDir::at(std::path::Path::new("/sys/slipway")), 0).unwrap_err();
        let failure = error.downcast_ref::<crate::failure::Failure>().unwrap();
        assert!(failure.next_step().is_some(), "{failure}");
    }

    #[test]
    fn what_was_removed_is_named_with_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path());
        let part = cache.machines().join("images/abc.part");
        std::fs::create_dir_all(&part).unwrap();
        std::fs::write(part.join("disk.raw"), vec![1u8; 1 << 20]).unwrap();
        let text = collect(&cache, 1 << 30).unwrap();
        assert!(
            text.contains("MiB  images/abc.part\nremoved 1 thing, "),
            "{text}"
        );
    }
}

//! Bounds the cache: first what dead runs left, then the longest unused entries that nobody uses.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cache::{self, children, Cache, Shelf};
use crate::error::{Error, Result};
use crate::machine;

/// What a collection took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    pub path: PathBuf,
    /// On the disk.
    pub bytes: u64,
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    pub removed: Vec<Removed>,
    /// Bytes on the disk that were freed, and that the cache has now.
    pub freed: u64,
    pub left: u64,
}

impl Collected {
    fn took(&mut self, path: PathBuf, bytes: u64) {
        self.freed += bytes;
        self.removed.push(Removed { path, bytes });
    }

    #[cfg(test)]
    fn paths(&self) -> Vec<&Path> {
        self.removed.iter().map(|it| it.path.as_path()).collect()
    }
}

struct Entry {
    /// `SHELF/KEY`.
    name: String,
    path: PathBuf,
    lock: String,
    used: SystemTime,
    bytes: u64,
    /// Entries that this one needs.
    needs: Vec<String>,
}

pub(crate) fn collect(cache: &Cache, limit: u64) -> Result<Collected> {
    let _nobody_else = cache.lock("gc")?;
    let mut done = Collected::default();
    for run in children(&cache.shelf(Shelf::Runs))? {
        remove_dead_run(&run, &mut done)?;
    }
    let mut entries = Vec::new();
    // What stands on another goes first when both are equally old.
    for shelf in [Shelf::Kept, Shelf::Snapshots, Shelf::Images] {
        for path in children(&cache.shelf(shelf))? {
            entries.push(entry(shelf, path)?);
        }
    }
    for kept in machine::all_kept(cache)? {
        let name = format!("{}/{}", Shelf::Kept.name(), kept.entry_name());
        if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
            entry.needs = kept.stands_on;
        }
    }
    age_with_what_stands_on_it(&mut entries);
    entries.sort_by_key(|entry| entry.used);
    done.left = bytes_of(cache.root());
    // What another one stood on may go only after it.
    while let Some(at) = remove_next(cache, &entries, limit, &mut done)? {
        entries.remove(at);
    }
    let packages = cache.shelf(Shelf::Packages);
    if done.left > limit {
        let bytes = bytes_of(&packages);
        cache::remove(&packages)?;
        cache::create_dir(&packages)?;
        done.left = done.left.saturating_sub(bytes);
        done.took(packages, bytes);
    }
    Ok(done)
}

/// Removes the first entry that may and should go; gives its place.
fn remove_next(
    cache: &Cache,
    entries: &[Entry],
    limit: u64,
    done: &mut Collected,
) -> Result<Option<usize>> {
    for (at, entry) in entries.iter().enumerate() {
        let unfinished = !entry.path.join("complete").exists();
        if done.left <= limit && !unfinished {
            continue;
        }
        if entries
            .iter()
            .any(|other| other.needs.contains(&entry.name))
        {
            continue;
        }
        // Held by whoever uses or makes it.
        let Some(_lock) = cache.try_lock(&entry.lock)? else {
            continue;
        };
        cache::remove(&entry.path)?;
        done.left = done.left.saturating_sub(entry.bytes);
        done.took(entry.path.clone(), entry.bytes);
        return Ok(Some(at));
    }
    Ok(None)
}

/// An entry is as young as the youngest that needs it, and so comes after it.
fn age_with_what_stands_on_it(entries: &mut [Entry]) {
    let wanted: Vec<(String, SystemTime)> = entries
        .iter()
        .flat_map(|entry| entry.needs.iter().map(|name| (name.clone(), entry.used)))
        .collect();
    for entry in entries {
        for (name, used) in &wanted {
            if *name == entry.name {
                entry.used = entry.used.max(*used);
            }
        }
    }
}

fn remove_dead_run(run: &Path, done: &mut Collected) -> Result<()> {
    let alive = run.join("alive");
    if alive.exists() && cache::try_lock_file(&alive)?.is_none() {
        return Ok(());
    }
    // A folder without the note is a run that died within its first milliseconds.
    if let Ok(sockets) = fs::read_to_string(run.join("sockets")) {
        let sockets = PathBuf::from(sockets);
        let ours = sockets
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("harness-"));
        if ours {
            cache::remove(&sockets)?;
        }
    }
    let bytes = bytes_of(run);
    cache::remove(run)?;
    done.took(run.to_owned(), bytes);
    Ok(())
}

fn entry(shelf: Shelf, path: PathBuf) -> Result<Entry> {
    let key = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let used = fs::metadata(path.join("used"))
        .or_else(|_| fs::metadata(&path))
        .and_then(|data| data.modified())
        .map_err(|e| Error::io("look at", &path, e))?;
    Ok(Entry {
        name: format!("{}/{key}", shelf.name()),
        needs: Vec::new(),
        lock: format!("{}-{key}", shelf.name()),
        bytes: bytes_of(&path),
        used,
        path,
    })
}

/// On the disk, holes not counted; what vanishes meanwhile counts nothing.
pub(crate) fn bytes_of(path: &Path) -> u64 {
    let Ok(data) = fs::symlink_metadata(path) else {
        return 0;
    };
    let own = data.blocks() * 512;
    match data.is_dir() {
        false => own,
        true => own + children(path).map_or(0, |all| all.iter().map(|p| bytes_of(p)).sum()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn add(cache: &Cache, shelf: Shelf, key: &str, age: u64) -> PathBuf {
        let path = cache.entry(shelf, key);
        cache::create_dir(&path).unwrap();
        cache::write(&path.join("complete"), b"").unwrap();
        cache::write(&path.join("data"), &[1u8; 100_000]).unwrap();
        cache::touch(&path).unwrap();
        let used = fs::File::options()
            .write(true)
            .open(path.join("used"))
            .unwrap();
        used.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
        path
    }

    #[test]
    fn the_longest_unused_goes_first_and_what_is_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let used = add(&cache, Shelf::Images, "used", 500);
        let old = add(&cache, Shelf::Snapshots, "old", 400);
        let new = add(&cache, Shelf::Images, "new", 10);
        let _in_use = cache.share("images-used").unwrap();
        let limit = bytes_of(dir.path()) - 50_000;
        let done = collect(&cache, limit).unwrap();
        assert_eq!(done.paths(), [old.as_path()]);
        assert!(used.exists() && new.exists() && !old.exists());
        assert!(done.left <= limit && done.freed >= 100_000);
    }

    #[test]
    fn a_dead_run_goes_with_its_sockets_and_a_living_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let sockets = dir.path().join("harness-sockets");
        let (dead, alive) = (
            cache.entry(Shelf::Runs, "dead"),
            cache.entry(Shelf::Runs, "alive"),
        );
        for run in [&dead, &alive, &sockets] {
            cache::create_dir(run).unwrap();
        }
        cache::write(&dead.join("sockets"), sockets.to_string_lossy().as_bytes()).unwrap();
        cache::write(&dead.join("alive"), b"").unwrap();
        let _lock = cache::try_lock_file(&alive.join("alive")).unwrap().unwrap();
        collect(&cache, u64::MAX).unwrap();
        assert!(!dead.exists() && !sockets.exists() && alive.exists());
    }

    #[test]
    fn what_a_kept_machine_stands_on_goes_only_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let base = add(&cache, Shelf::Images, "base", 500);
        let kept = add(&cache, Shelf::Kept, "test+web", 100);
        let younger = add(&cache, Shelf::Images, "younger", 50);
        let note = serde_json::json!({
            "group": "test", "machine": "web", "how": "off", "since": 0, "notes": {},
            "model": { "memory_mib": 512, "cpus": 2, "boot": "Firmware" },
            "accelerator": "Tcg", "image": "base", "standsOn": ["images/base"],
            "mac": "52:54:00:00:00:02", "ready": "Ssh", "outbound": false,
        });
        cache::write(&kept.join("kept.json"), note.to_string().as_bytes()).unwrap();
        let held = cache.share("kept-test+web").unwrap();
        let done = collect(&cache, 0).unwrap();
        assert!(base.exists() && kept.exists() && !younger.exists());
        assert!(!done.paths().contains(&base.as_path()));
        drop(held);
        let done = collect(&cache, 0).unwrap();
        assert_eq!(done.paths()[..2], [kept.as_path(), base.as_path()]);
    }

    #[test]
    fn an_unfinished_image_goes_even_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let part = cache.entry(Shelf::Images, "abc.part");
        cache::create_dir(&part).unwrap();
        collect(&cache, u64::MAX).unwrap();
        assert!(!part.exists());
    }
}

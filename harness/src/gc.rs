//! Bounds the cache: first what dead runs left, then the longest unused entries that nobody uses.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::accel;
use crate::cache::{self, children, Cache, Shelf};
use crate::error::{Error, Result};
use crate::image::PACKAGES;
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

/// Where there are entries with locks. What stands on another goes first when both are equally old.
const ENTRIES: [Shelf; 3] = [Shelf::Kept, Shelf::Snapshots, Shelf::Images];

pub(crate) fn collect(cache: &Cache, limit: u64) -> Result<Collected> {
    cache.create()?;
    let _nobody_else = cache.lock("gc")?;
    let mut done = Collected::default();
    for run in children(&cache.shelf(Shelf::Runs))? {
        remove_dead_run(&run, &mut done)?;
    }
    let mut entries = Vec::new();
    for shelf in ENTRIES {
        for path in children(&cache.shelf(shelf))? {
            entries.extend(entry(shelf, path)?);
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
    remove_idle_locks(cache)?;
    accel::forget_earlier_boots(cache)?;
    if done.left > limit {
        remove_packages(cache, &mut done)?;
    }
    Ok(done)
}

/// Unless an image is being built from them.
fn remove_packages(cache: &Cache, done: &mut Collected) -> Result<()> {
    let packages = cache.shelf(Shelf::Packages);
    if let Some(_lock) = cache.try_lock(PACKAGES)? {
        let bytes = bytes_of(&packages);
        cache::remove(&packages)?;
        cache::create_dir(&packages)?;
        done.left = done.left.saturating_sub(bytes);
        done.took(packages, bytes);
    }
    Ok(())
}

/// The lock files of entries that are gone. Whoever waits for one notices (`Cache::lock`).
fn remove_idle_locks(cache: &Cache) -> Result<()> {
    for file in children(&cache.locks())? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let of_entry = ENTRIES.into_iter().find_map(|shelf| {
            let key = name.strip_prefix(shelf.name())?.strip_prefix('-')?;
            Some(cache.entry(shelf, key))
        });
        let Some(entry) = of_entry else { continue };
        if entry.exists() {
            continue;
        }
        if let Some(_lock) = cache.try_lock(&name)? {
            // Who had it until now may just have made the entry.
            if !entry.exists() {
                cache::remove_file(&file)?;
            }
        }
    }
    Ok(())
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
        // Another process may have given it its final name, or removed it.
        if entry.path.exists() {
            cache::remove(&entry.path)?;
            done.left = done.left.saturating_sub(entry.bytes);
            done.took(entry.path.clone(), entry.bytes);
        }
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
    // One that has just ended is not there any more.
    if cache::is_held(&run.join("alive"))? || !run.exists() {
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

/// `None` for one that has another name by now, or is gone.
fn entry(shelf: Shelf, path: PathBuf) -> Result<Option<Entry>> {
    let key = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let used = fs::metadata(path.join("used"))
        .or_else(|_| fs::metadata(&path))
        .and_then(|data| data.modified());
    let used = match used {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| Error::io("look at", &path, e))?,
    };
    Ok(Some(Entry {
        name: format!("{}/{key}", shelf.name()),
        needs: Vec::new(),
        lock: format!("{}-{key}", shelf.name()),
        bytes: bytes_of(&path),
        used,
        path,
    }))
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
mod tests;

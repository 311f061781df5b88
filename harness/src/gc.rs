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

pub(crate) fn collect(cache: &Cache, limit: u64) -> Result<Collected> {
    cache.create()?;
    let _nobody_else = cache.lock("gc")?;
    let mut done = Collected::default();
    for run in children(&cache.shelf(Shelf::Runs))? {
        remove_dead_run(&run, &mut done)?;
    }
    let mut entries = Vec::new();
    // What stands on another goes first when both are equally old.
    for shelf in [Shelf::Kept, Shelf::Snapshots, Shelf::Images] {
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
        let of_entry = [Shelf::Kept, Shelf::Snapshots, Shelf::Images]
            .iter()
            .find_map(|shelf| {
                let key = name.strip_prefix(shelf.name())?.strip_prefix('-')?;
                Some(cache.entry(*shelf, key))
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
        let cache = Cache::open(dir.path());
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
        let cache = Cache::open(dir.path());
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
        let cache = Cache::open(dir.path());
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
        let cache = Cache::open(dir.path());
        let part = cache.entry(Shelf::Images, "abc.part");
        cache::create_dir(&part).unwrap();
        collect(&cache, u64::MAX).unwrap();
        assert!(!part.exists());
    }

    #[test]
    fn packages_that_an_image_is_built_from_stay() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let package = cache.entry(Shelf::Packages, "sudo.deb");
        cache::write(&package, &[1u8; 100_000]).unwrap();
        let building = cache.share(PACKAGES).unwrap();
        collect(&cache, 0).unwrap();
        assert!(package.exists());
        drop(building);
        let done = collect(&cache, 0).unwrap();
        assert!(!package.exists() && done.freed >= 100_000);
        assert!(cache.shelf(Shelf::Packages).exists());
    }

    #[test]
    fn what_others_publish_and_remove_meanwhile_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let image = cache.entry(Shelf::Images, "x");
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    let _making = cache.lock("images-x").unwrap();
                    let made = image.with_extension("part");
                    cache::create_dir(&made).unwrap();
                    cache::write(&made.join("complete"), b"").unwrap();
                    cache::publish(&made, &image).unwrap();
                    cache::remove(&image).unwrap();
                }
            });
            scope.spawn(|| {
                let run = cache.entry(Shelf::Runs, "x");
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    let collecting = cache.share("gc").unwrap();
                    cache::create_dir(&run).unwrap();
                    let alive = cache::try_lock_file(&run.join("alive")).unwrap();
                    drop(collecting);
                    cache::remove(&run).unwrap();
                    drop(alive);
                }
            });
            let started = std::time::Instant::now();
            let mut done = Ok(Collected::default());
            while done.is_ok() && started.elapsed() < Duration::from_secs(2) {
                done = collect(&cache, u64::MAX);
            }
            over.store(true, std::sync::atomic::Ordering::SeqCst);
            done.unwrap();
        });
    }

    #[test]
    fn lock_files_of_what_is_gone_go_too_unless_somebody_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        add(&cache, Shelf::Images, "there", 0);
        let locks = [
            "images-there",
            "images-gone",
            "kept-gone+web",
            "snapshots-made",
            "boot-0",
        ];
        for lock in locks {
            drop(cache.lock(lock).unwrap());
        }
        let making = cache.lock("snapshots-made").unwrap();
        collect(&cache, u64::MAX).unwrap();
        let left = |lock: &&str| cache.locks().join(lock).exists();
        assert_eq!(
            locks.map(|lock| left(&lock)),
            [true, false, false, true, true]
        );
        drop(making);
        collect(&cache, u64::MAX).unwrap();
        assert!(!left(&"snapshots-made"));
    }

    #[test]
    fn speeds_of_earlier_boots_go() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path());
        let now = cache::read_text(Path::new("/proc/sys/kernel/random/boot_id")).unwrap();
        let file = |boot: &str| cache.root().join(format!("speed-auto-{boot}.json"));
        for boot in ["earlier", now.trim_end()] {
            cache::write(&file(boot), b"{}").unwrap();
        }
        collect(&cache, u64::MAX).unwrap();
        assert!(!file("earlier").exists() && file(now.trim_end()).exists());
    }

    #[test]
    fn a_cache_that_is_not_there_is_empty_and_one_that_cannot_be_made_says_what_to_do() {
        let nowhere = Path::new("/sys/slipway-cache");
        let harness = crate::Harness::without_tools(nowhere).unwrap();
        assert_eq!(harness.kept().unwrap(), []);
        assert!(harness.kept_machine("group", "web").is_none());
        let error = harness.collect_garbage(0).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot make folder /sys/slipway-cache"),
            "{error}"
        );
        assert!(error.next_step().unwrap().contains("another folder"));
    }
}

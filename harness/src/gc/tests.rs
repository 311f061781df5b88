//! What a collection takes and leaves, in caches of files that only look like images and machines.

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

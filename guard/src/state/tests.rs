use super::*;

fn path(name: &str) -> StorePath {
    format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}")
        .parse()
        .unwrap()
}

#[test]
fn what_was_changed_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    store
        .change(|state| state.confirm(&path("a"), Time::from_unix(1), None))
        .unwrap();
    assert!(store.read().unwrap().is_confirmed(&path("a")));
    assert!(!store.read().unwrap().is_confirmed(&path("b")));
}

#[test]
fn another_version_is_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    std::fs::write(dir.path().join("state.json"), "{\"version\":2}").unwrap();
    assert!(store.read().is_err());
    // What a newer guard adds to this version does not matter to an older one.
    std::fs::write(dir.path().join("state.json"), "{\"version\":1,\"new\":{}}").unwrap();
    assert!(store.read().is_ok());
}

#[test]
fn a_rollback_goes_to_the_newest_that_is_not_running() {
    let mut state = State::default();
    assert_eq!(state.rollback_target(None), None);
    for name in ["a", "b", "a"] {
        state.confirm(&path(name), Time::from_unix(1), None);
    }
    assert_eq!(state.rollback_target(Some(&path("a"))), Some(&path("b")));
    assert_eq!(state.rollback_target(Some(&path("test"))), Some(&path("a")));
    for number in 0..200 {
        state.confirm(&path(&number.to_string()), Time::from_unix(1), None);
    }
    assert_eq!(state.confirmed.len(), CONFIRMED);
}

#[test]
fn a_lock_is_one_s_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lock");
    let held = lock(&file, FlockArg::LockExclusiveNonblock).unwrap();
    assert!(held.is_some());
    assert!(lock(&file, FlockArg::LockExclusiveNonblock)
        .unwrap()
        .is_none());
    drop(held);
    assert!(lock(&file, FlockArg::LockExclusiveNonblock)
        .unwrap()
        .is_some());
}

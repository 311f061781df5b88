use super::*;

pub fn path(name: &str) -> StorePath {
    format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}")
        .parse()
        .unwrap()
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

use guard::answer::{Activation, Ended, FreeBytes, Outcome, Purpose};
use guard::store_path::StorePath;

use super::*;

pub fn path(letter: char) -> StorePath {
    let hash = letter.to_string().repeat(32);
    format!("/nix/store/{hash}-nixos-system-Web")
        .parse()
        .unwrap()
}

/// Of a host at rest that runs and boots `p`.
pub fn status() -> Status {
    let system = Some(path('p'));
    Status {
        host: "Web".to_owned(),
        boot_id: Some("first".to_owned()),
        running: system.clone(),
        booted: system.clone(),
        boot_default: system.clone(),
        profile: system,
        state: HostState::Idle,
        last_release: None,
        running_commit: None,
        reboot_due: Vec::new(),
        failed_units: Vec::new(),
        guard_version: "0.1.0".to_owned(),
        free_bytes: FreeBytes {
            store: 0,
            esp: None,
        },
        rollback_target: None,
        unattended_reboot: true,
        boot_on_trial: false,
        last_activation: None,
        last_upgrade: None,
    }
}

/// A boot on trial of `n`; none has not ended.
pub fn trial(outcome: Option<Outcome>) -> Activation {
    let at = Time::from_unix(0);
    Activation {
        id: "t1".to_owned(),
        purpose: Purpose::Boot,
        by: "ci".to_owned(),
        began: at,
        toplevel: path('n'),
        previous: None,
        release: None,
        ended: outcome.map(|outcome| Ended { at, outcome }),
    }
}

fn due() -> Status {
    Status {
        reboot_due: vec!["kernel".to_owned()],
        ..status()
    }
}

/// A host whose reboots are configured so, in JSON.
fn host(name: &str, wave: u32, reboot: &str) -> Host {
    let text = format!(
        r#"{{"name":"{name}","system":"x86_64-linux","targetHost":"192.168.0.9","wave":{wave},"reboot":{reboot}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

const ANY_TIME: &str = r#"{"unattended":true,"window":null}"#;
const NIGHT: &str = r#"{"unattended":true,"window":{"from":"02:00","until":"04:00"}}"#;

fn rules(at: &str) -> Rules {
    Rules {
        whenever: false,
        at: at.parse().unwrap(),
        here: "here".to_owned(),
    }
}

const NOON: &str = "2026-11-21T12:00:00Z";

fn known(reboot: &str, named: bool, status: Status) -> Known {
    Known {
        host: host("Web", 0, reboot),
        named,
        answer: Ok(Live::from(status)),
    }
}

fn left(turn: &Turn) -> &str {
    match turn {
        Turn::Left { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_due_or_asked_for_is_rebooted() {
    let turn = |named, status| turn(&rules(NOON), &known(ANY_TIME, named, status));
    assert_eq!(turn(false, status()), Turn::NotDue);
    assert_eq!(turn(true, status()), Turn::Reboot { why: Vec::new() });
    let why = vec!["kernel".to_owned()];
    assert_eq!(turn(false, due()), Turn::Reboot { why });
    let pending = Status {
        state: HostState::OnTrial { booted: false },
        ..status()
    };
    let why = vec!["boot-pending".to_owned()];
    assert_eq!(turn(false, pending), Turn::Reboot { why });
}

#[test]
fn a_window_holds_unless_it_is_overruled() {
    let known = known(NIGHT, true, due());
    let closed = turn(&rules(NOON), &known);
    assert_eq!(
        left(&closed),
        "its window (02:00 to 04:00 UTC) opens at 2026-11-22T02:00:00Z: then, or --now"
    );
    let overruled = Rules {
        whenever: true,
        ..rules(NOON)
    };
    for rules in [overruled, rules("2026-11-21T03:59:59Z")] {
        assert!(matches!(turn(&rules, &known), Turn::Reboot { .. }));
    }
}

#[test]
fn who_must_not_reboot_alone_is_left_whoever_says_so() {
    let attended = known(r#"{"unattended":false,"window":null}"#, true, due());
    let says_so = known(
        ANY_TIME,
        true,
        Status {
            unattended_reboot: false,
            ..due()
        },
    );
    let overruled = Rules {
        whenever: true,
        ..rules(NOON)
    };
    for known in [attended, says_so] {
        let turn = turn(&overruled, &known);
        assert_eq!(
            left(&turn),
            "homelab.reboot.unattended is false, somebody has to be there: ssh deploy@192.168.0.9 reboot, with an \
             operator's key"
        );
    }
}

#[test]
fn what_is_in_the_way_is_told() {
    let why = |named, state: HostState| {
        let status = Status { state, ..due() };
        left(&turn(&rules(NOON), &known(ANY_TIME, named, status))).to_owned()
    };
    assert_eq!(
        why(true, HostState::Activating),
        "it is activating: the same once that is over"
    );
    let until = NOON.parse().unwrap();
    assert!(why(false, HostState::TestUntil { until }).ends_with("cargo xtask reboot Web"));
    let here = Status {
        boot_id: Some("here".to_owned()),
        ..due()
    };
    let here = turn(&rules(NOON), &known(ANY_TIME, true, here));
    assert!(left(&here).starts_with("this runs on it"));
    let old = Status {
        boot_id: None,
        ..due()
    };
    let old = turn(&rules(NOON), &known(ANY_TIME, true, old));
    assert!(left(&old).starts_with("its guard is too old"));
}

#[test]
fn without_a_guard_a_person_is_told_what_to_do() {
    let mut known = known(ANY_TIME, false, due());
    known.answer = known.answer.map(|live| Live {
        guard: None,
        ..live
    });
    let by_hand = "it has no guard, and nobody else may reboot it from here: ssh 192.168.0.9 sudo systemctl reboot, as its \
                   operator";
    assert_eq!(left(&turn(&rules(NOON), &known)), by_hand);
    known.answer = Err("connection refused".to_owned());
    let why = "connection refused".to_owned();
    assert_eq!(turn(&rules(NOON), &known), Turn::Unreachable { why });
}

#[test]
fn waves_go_first_and_then_names() {
    let known = |name: &str, wave| Known {
        host: host(name, wave, ANY_TIME),
        named: false,
        answer: Ok(Live::from(due())),
    };
    let plan = plan(
        Stage::Rehearsal,
        &rules(NOON),
        vec![known("A", 1), known("C", 0), known("B", 0)],
    );
    let order: Vec<&str> = plan
        .hosts
        .iter()
        .map(|plan| plan.host.name.as_str())
        .collect();
    assert_eq!(order, ["B", "C", "A"]);
}

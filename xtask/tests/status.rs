//! What hosts on this machine (tests/loopback) say of themselves, and what their guards do when they are told to.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod browser;
mod fleet;
mod loopback;
mod schema;
mod support;

use browser::{Browser, Faults};
use fleet::{document, with_filters};
use loopback::outcomes::of_deployment as outcomes;
use loopback::{Loopback, DEPLOY};
use support::transcript;

#[test]
fn status_asks_all_hosts_and_tells_drift() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.commit("second");
    assert_eq!(
        outcomes(&lab.xtask(&[&DEPLOY[..], &["A"]].concat())),
        "A deployed"
    );
    lab.commit("third");
    lab.stop("B");
    let output = lab.xtask(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1), "one does not answer");
    let status = document(&output);
    assert_eq!(schema::complaints("status", &status), [""; 0]);
    let a = &status["hosts"]["A"];
    assert_eq!(
        (&a["origin"]["behind"], &a["origin"]["ahead"]),
        (&1.into(), &0.into())
    );
    assert_eq!(a["live"]["running"], a["live"]["bootDefault"]);
    assert_eq!(a["rebootDue"], serde_json::json!([]));
    assert_eq!(status["hosts"]["B"]["unreachable"], "connection refused");
    let output = lab.xtask(&["status", "A"]);
    assert_eq!(output.status.code(), Some(0));
    let text = transcript(&output);
    assert!(
        text.contains("main is 1 ahead") && text.contains("the same"),
        "{text}"
    );
    assert_eq!(lab.xtask(&["status", "C"]).status.code(), Some(2));
}

/// Answers as a guard's verbs do; what a guard really does is shown elsewhere.
fn guard_script(lab: &Loopback, host: &str) -> String {
    use guard::answer::{
        Activation, Done, Ended, Entry, Event, History, HostState, Outcome, Purpose, ReleaseId,
    };
    let time = |text: &str| text.parse().unwrap();
    let system = std::fs::read_link(lab.run_file(host, "current-system")).unwrap();
    let path = system.to_str().unwrap().parse().unwrap();
    let release = ReleaseId {
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        counter: 7,
    };
    let activation = Activation {
        id: "1".to_owned(),
        purpose: Purpose::Switch,
        by: "ci".to_owned(),
        began: time("2026-11-21T15:00:00Z"),
        toplevel: path,
        previous: None,
        release: Some(release.clone()),
        ended: Some(Ended {
            at: time("2026-11-21T15:00:09Z"),
            outcome: Outcome::Confirmed,
        }),
    };
    let entry = |by: &str, event| Entry {
        at: time("2026-11-21T15:00:09Z"),
        by: by.to_owned(),
        event,
    };
    let signer = "builder".to_owned();
    let history = History {
        host: host.to_owned(),
        entries: vec![
            entry(
                "ci",
                Event::Activation {
                    activation: activation.clone(),
                },
            ),
            entry("ci", Event::ReleaseAccepted { release, signer }),
        ],
    };
    let done = |purpose| {
        let done = Done {
            host: host.to_owned(),
            state: HostState::Idle,
            activation: Some(Activation {
                purpose,
                release: None,
                ..activation.clone()
            }),
        };
        serde_json::to_string(&done).unwrap()
    };
    format!(
        "case $SSH_ORIGINAL_COMMAND in\n\
         'history --limit 20' | 'history --limit 200') echo '{}';;\n\
         rollback) echo 'talk of an activation' >&2; echo '{}';;\n\
         keep) if [ -e /run/not-yours ]; then echo 'refused not-operator: ci' >&2; exit 77; fi; echo '{}';;\n\
         'rollback --to 3') echo 'refused never-confirmed: generation 3' >&2; exit 77;;\n\
         for*) eval \"$SSH_ORIGINAL_COMMAND\";;\n\
         *) exit 127;;\nesac",
        serde_json::to_string(&history).unwrap(),
        done(Purpose::Rollback),
        done(Purpose::Keep),
    )
}

#[test]
fn guards_tell_their_history_and_go_back() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.force("A", &guard_script(&lab, "A"));
    lab.stop("A");
    lab.start("A");
    let output = lab.xtask(&["history"]);
    assert_eq!(output.status.code(), Some(1), "B has none");
    with_filters(&lab.filters(), || {
        insta::assert_snapshot!("history", transcript(&output))
    });
    let all = document(&lab.xtask(&["history", "--json"]));
    assert_eq!(schema::complaints("history", &all), [""; 0]);
    assert_eq!(lab.xtask(&["history", "A"]).status.code(), Some(0));

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("fleet.html");
    let told = lab.xtask(&["status", "--html", file.to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", transcript(&told));
    let page = std::fs::read_to_string(&file).unwrap();
    for part in [
        "switch to nixos-system-A of 0123456789: confirmed",
        "<b>B</b><small>it has no guard",
        "<h2>Wave 0</h2>",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    if let Some(mut browser) = Browser::start() {
        assert_eq!(browser.faults(&file), Faults::default());
    }
    let nowhere = lab.xtask(&["status", "--html", "/proc/fleet.html"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        nowhere.stdout.starts_with("─".as_bytes()),
        "the table comes first"
    );
    let text = transcript(&nowhere);
    assert!(text.contains("cannot write /proc/fleet.html"), "{text}");

    let back = lab.xtask(&["rollback", "A", "--yes"]);
    assert_eq!(back.status.code(), Some(0), "{}", transcript(&back));
    assert!(
        transcript(&back).contains("A: rollback to nixos-system-A: confirmed"),
        "{}",
        transcript(&back)
    );
    let refused = transcript(&lab.xtask(&["rollback", "A", "--to", "3", "--yes"]));
    assert!(
        refused.starts_with("exit 1")
            && refused.contains("host A does not go back: refused never-confirmed: generation 3"),
        "{refused}"
    );
    let kept = lab.xtask(&["deploy", "--keep", "A", "--yes"]);
    assert_eq!(kept.status.code(), Some(0), "{}", transcript(&kept));
    assert!(
        transcript(&kept).contains("A: test kept to nixos-system-A: confirmed"),
        "{}",
        transcript(&kept)
    );
    std::fs::write(lab.run_file("A", "not-yours"), "").unwrap();
    let refused = transcript(&lab.xtask(&["deploy", "--keep", "A", "--yes"]));
    assert!(
        refused.starts_with("exit 1")
            && refused.contains("host A keeps nothing: refused not-operator: ci"),
        "{refused}"
    );
    let no_guard = transcript(&lab.xtask(&["rollback", "B", "--yes"]));
    assert!(
        no_guard.starts_with("exit 1") && no_guard.contains("it has no guard"),
        "{no_guard}"
    );
    let unasked = lab
        .command(&["rollback", "A"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(unasked.status.code(), Some(2));
}

//! Deployments over real ssh with the real deploy-rs: to hosts on this machine (tests/loopback).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use fleet::{document, with_filters};
use loopback::outcomes::of_deployment as outcomes;
use loopback::{Loopback, DEPLOY, FAILS};
use support::transcript;

#[test]
fn a_fleet_is_deployed_and_then_unchanged() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 1)]) else {
        return;
    };
    let idle = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&idle),
        "A unchanged, B unchanged",
        "{}",
        transcript(&idle)
    );
    lab.commit("second");
    let plan = lab.xtask(&["deploy", "--plan", "--json"]);
    assert_eq!(schema::complaints("plan", &document(&plan)), [""; 0]);
    assert_eq!(document(&plan)["hosts"][0]["action"]["kind"], "switch");
    assert_eq!(lab.running("A"), "first", "a plan touches nothing");

    let output = lab.xtask(&["deploy", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    for host in ["A", "B"] {
        assert_eq!(lab.running(host), "second");
        assert_eq!(lab.profile(host), "second");
    }
    with_filters(&lab.filters(), || {
        insta::assert_snapshot!("deployed", transcript(&output));
    });
    assert_eq!(outcomes(&lab.xtask(&DEPLOY)), "A unchanged, B unchanged");
}

/// What a switch does beside what the plan foretold is told; the plan knows of no unit here.
#[test]
fn what_was_not_foretold_is_told() {
    let Some(mut lab) = Loopback::new(&[("A", 0)]) else {
        return;
    };
    let says = "if [ $action = switch ]; then echo 'restarting the following units: ghost.service' >&2; fi";
    lab.script("A", says);
    lab.commit("second");
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed", "{}", transcript(&output));
    let surprises = &document(&output)["hosts"][0]["surprises"];
    assert_eq!(*surprises, serde_json::json!(["restarted ghost.service"]));
    lab.commit("third");
    let text = transcript(&lab.xtask(&["deploy", "--yes"]));
    assert!(
        text.contains("A: not foretold: restarted ghost.service"),
        "{text}"
    );
}

/// Each host is asked by itself, and what it says stands in the plan; one that cannot say it keeps all from being deployed.
#[test]
fn a_dry_activation_confirms_the_plan_and_changes_nothing() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    let says = "if [ $action = dry-activate ]; then echo 'would restart the following units: ghost.service' >&2; fi";
    lab.script("A", says);
    lab.commit("second");
    let output = lab.xtask(&["deploy", "--plan", "--dry-activate", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let plan = document(&output);
    assert_eq!(schema::complaints("plan", &plan), [""; 0]);
    let said = |host: usize| plan["hosts"][host]["dryActivation"].clone();
    let surprise = "would restart ghost.service";
    assert_eq!(said(0)["surprises"], serde_json::json!([surprise]));
    let nothing = serde_json::json!({ "surprises": [], "failure": null, "log": [] });
    assert_eq!(said(1), nothing);
    let untouched = |lab: &Loopback| {
        for host in ["A", "B"] {
            assert_eq!(lab.running(host), "first");
            assert_eq!(lab.profile(host), "first");
        }
    };
    untouched(&lab);

    lab.script(
        "B",
        "if [ $action = dry-activate ]; then echo no >&2; exit 1; fi",
    );
    lab.commit("third");
    let refused = lab.xtask(&["deploy", "--yes", "--dry-activate"]);
    assert_eq!(refused.status.code(), Some(1));
    let text = transcript(&refused);
    for line in [
        "dry activation not foretold: would restart ghost.service",
        "dry activation failed: switch-to-configuration did not come to its end",
        "| no",
        "nothing is deployed: the dry activation failed on B",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let refused = lab.xtask(&[&DEPLOY[..], &["--dry-activate"]].concat());
    assert_eq!(schema::complaints("plan", &document(&refused)), [""; 0]);
    untouched(&lab);

    // A host that is off is told, like in a plan.
    lab.stop("B");
    let output = lab.xtask(&[&DEPLOY[..], &["--dry-activate"]].concat());
    let wanted = "A deployed, B unreachable";
    assert_eq!(outcomes(&output), wanted, "{}", transcript(&output));
}

#[test]
fn a_failed_wave_returns_and_later_waves_are_not_touched() {
    let hosts = [("A", 0), ("B", 1), ("C", 1), ("D", 2)];
    let Some(mut lab) = Loopback::new(&hosts) else {
        return;
    };
    lab.script("C", FAILS);
    lab.commit("second");
    let output = lab.xtask(&["deploy", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let running = ["A", "B", "C", "D"].map(|host| lab.running(host));
    assert_eq!(
        running,
        ["second", "first", "first", "first"],
        "{}",
        transcript(&output)
    );
    let profiles = ["A", "B", "C", "D"].map(|host| lab.profile(host));
    assert_eq!(profiles, ["second", "first", "first", "first"]);
    let mut filters = lab.filters();
    // Which of the two is done first is theirs to say, and how much deploy-rs says of its own is not ours.
    filters.push((r"(?s)--- stderr.*".to_owned(), String::new()));
    filters.push((r"  \| .*\n".to_owned(), String::new()));
    with_filters(&filters, || {
        insta::assert_snapshot!("a_failed_wave", transcript(&output));
    });

    // With another commit everything up to there returns.
    std::fs::remove_file(lab.run_file("C", "failed")).unwrap();
    lab.commit("third");
    let output = lab.xtask(&[&DEPLOY[..], &["--rollback", "all"]].concat());
    assert_eq!(
        outcomes(&output),
        "A rolledBack, B rolledBack, C rolledBack, D notTried",
        "{}",
        transcript(&output)
    );
    assert_eq!(
        lab.running("A"),
        "second",
        "what it had before this deployment"
    );

    // And without, what was deployed stays.
    std::fs::remove_file(lab.run_file("C", "failed")).unwrap();
    let output = lab.xtask(&[&DEPLOY[..], &["--rollback", "none"]].concat());
    let wanted = "A deployed, B deployed, C rolledBack, D notTried";
    assert_eq!(outcomes(&output), wanted, "{}", transcript(&output));
}

#[test]
fn a_host_that_is_off_is_told_and_stops_nobody() {
    let hosts = [("A", 0), ("B", 0), ("C", 1)];
    let Some(mut lab) = Loopback::new(&hosts) else {
        return;
    };
    lab.stop("A");
    // This one is not who the inventory says it is.
    let other = lab.run_file("B", "../key.pub");
    let stranger = std::fs::read_to_string(lab.run_file("C", "../key.pub")).unwrap();
    std::fs::write(other, stranger).unwrap();
    lab.commit("second");
    let output = lab.xtask(&DEPLOY);
    // Nobody proved it in the first wave, so nothing came after.
    assert_eq!(
        outcomes(&output),
        "A unreachable, B unreachable, C notTried"
    );
    let report = document(&output);
    let why = |at: usize| {
        report["hosts"][at]["outcome"]["why"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(why(0), "connection refused");
    assert_eq!(why(1), "its host key is not the one in the inventory");
    assert_eq!(output.status.code(), Some(1));

    lab.start("A");
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed, B unreachable, C deployed");
    assert_eq!(
        output.status.code(),
        Some(1),
        "one of them has not what it should have"
    );
    assert_eq!(lab.running("B"), "first");
    // A key that nobody wrote down is not accepted either.
    lab.forget_key("A");
    lab.commit("third");
    let report = document(&lab.xtask(&["deploy", "--yes", "--json", "A"]));
    assert_eq!(
        report["hosts"][0]["outcome"]["why"],
        "its host key is not known"
    );
}

#[test]
fn an_unhealthy_host_is_taken_back() {
    let Some(mut lab) = Loopback::new(&[("B", 0)]) else {
        return;
    };
    lab.checks("B", "{ page = { command = \"test ! -e /run/ill\"; url = null; user = \"root\"; settle = 0; retries = 1; timeout = 5; }; }");
    lab.script("B", "touch /run/ill");
    lab.commit("second");
    let output = lab.xtask(&["deploy", "--yes", "--json", "B"]);
    assert_eq!(outcomes(&output), "B rolledBack", "{}", transcript(&output));
    let report = document(&output);
    let why = report["hosts"][0]["outcome"]["why"].as_str().unwrap();
    assert!(why.starts_with("health check page: it exited 1"), "{why}");
    assert_eq!(
        (lab.running("B"), lab.profile("B")),
        ("first".to_owned(), "first".to_owned())
    );
}

#[test]
fn refs_try_and_wait_for_a_boot() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.fleet.git(&["checkout", "--quiet", "-b", "test-A"]);
    lab.commit("tried");
    let output = lab.xtask(&[&DEPLOY[..], &["--ref", "test-A"]].concat());
    assert_eq!(outcomes(&output), "A test", "{}", transcript(&output));
    assert_eq!(
        (lab.running("A"), lab.running("B")),
        ("tried".to_owned(), "first".to_owned())
    );
    // A branch of another name is built, and that is all.
    lab.fleet.git(&["checkout", "--quiet", "-b", "topic"]);
    lab.commit("topic");
    assert_eq!(outcomes(&lab.xtask(&DEPLOY)), "A built, B built");
    assert_eq!(lab.running("A"), "tried");
    // A later deployment of main ends the test.
    lab.fleet.git(&["checkout", "--quiet", "main"]);
    let output = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&output),
        "A deployed, B unchanged",
        "{}",
        transcript(&output)
    );
    assert_eq!(lab.running("A"), "first");

    lab.commit("booted");
    let output = lab.xtask(&[&DEPLOY[..], &["--boot", "always"]].concat());
    assert_eq!(
        outcomes(&output),
        "A bootPending, B bootPending",
        "{}",
        transcript(&output)
    );
    assert_eq!(
        (lab.running("A"), lab.profile("A")),
        ("first".to_owned(), "booted".to_owned())
    );
    let again = lab.xtask(&[&DEPLOY[..], &["--boot", "always"]].concat());
    assert_eq!(outcomes(&again), "A unchanged, B unchanged");
}

//! What a deployment costs: evaluations, and connections to hosts on this machine (tests/loopback).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use loopback::guarded::write_program;
use loopback::outcomes::of_deployment as outcomes;
use loopback::{Loopback, DEPLOY};
use support::{prepend_path, transcript};

/// What deploy-rs copies is evaluated with the system that it is made of, and not once more.
#[test]
fn a_host_is_evaluated_once() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.commit("second");
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let script = format!(
        "#!/bin/sh\nprintf '%s ' \"$@\" | tr '\\n' ' ' >>{log}\necho >>{log}\nexec {nix} \"$@\"\n",
        log = log.display(),
        nix = lab.nix.program.display(),
    );
    write_program(&place.path().join("nix"), &script);
    let mut command = lab.command(&DEPLOY);
    prepend_path(&mut command, place.path());
    let output = command.output().unwrap();
    assert_eq!(
        outcomes(&output),
        "A deployed, B deployed",
        "{}",
        transcript(&output)
    );
    let log = std::fs::read_to_string(log).unwrap();
    let with = |wanted: &str| log.lines().filter(|line| line.contains(wanted)).count();
    let both = with("profile = true; toplevel = true;");
    assert!(both > 0, "{log}");
    assert_eq!(with("profile = true;"), both, "{log}");
    assert_eq!(with("toplevel = true;"), both, "{log}");
}

/// What has nothing to do costs a question to each host, and all are asked at once.
#[test]
fn an_unchanged_fleet_costs_one_connection_a_host_and_all_at_once() {
    let names = ["A", "B", "C", "D"];
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0), ("C", 1), ("D", 2)]) else {
        return;
    };
    // Of two kinds: D is asked through its guard.
    lab.guard("D", &serde_json::json!({}), true);
    lab.commit("first");
    let noted = "date +%s%N >/run/asked; sleep 3; date +%s%N >/run/answered; eval \"$SSH_ORIGINAL_COMMAND\"";
    for name in &names[..3] {
        lab.force(name, noted);
    }
    for name in names {
        lab.stop(name);
        lab.start(name);
    }
    // What is built and evaluated is found again; only the hosts are asked.
    let before = names.map(|name| lab.connections(name));
    let idle = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&idle),
        "A unchanged, B unchanged, C unchanged, D unchanged",
        "{}",
        transcript(&idle)
    );
    let after = names.map(|name| lab.connections(name));
    let cost: Vec<usize> = (0..4).map(|at| after[at] - before[at]).collect();
    assert_eq!(cost, [1, 1, 1, 1], "{}", transcript(&idle));
    let time = |name: &str, file: &str| -> u128 {
        let text = std::fs::read_to_string(lab.run_file(name, file)).unwrap();
        text.trim().parse().unwrap()
    };
    let last_asked = names[..3].iter().map(|name| time(name, "asked")).max();
    let first_answered = names[..3].iter().map(|name| time(name, "answered")).min();
    assert!(
        last_asked < first_answered,
        "whatever their waves, they are asked side by side"
    );
}

//! Reboots over real ssh through the real guard: hosts on this machine (tests/loopback/guarded.rs).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use fleet::{document, with_filters};
use loopback::outcomes::of_reboot as outcomes;
use loopback::Loopback;
use serde_json::json;
use support::transcript;

const REBOOT: [&str; 3] = ["reboot", "--yes", "--json"];

fn why(output: &std::process::Output, at: usize) -> String {
    let report = document(output);
    let why = &report["hosts"][at]["outcome"]["why"];
    why.as_str().unwrap_or_default().to_owned()
}

/// Hosts of which those that are named have a guard that is up, and a new kernel to boot.
fn lab(hosts: &[(&str, u32)], guarded: &[&str], prepare: fn(&mut Loopback)) -> Option<Loopback> {
    let mut lab = Loopback::new(hosts)?;
    for name in guarded {
        let check = json!({ "page": { "command": "test ! -e /run/ill", "user": "root", "settle": 0, "retries": 0, "timeout": 5 } });
        lab.guard(name, &check, true);
        lab.kernel(name, "newer");
    }
    prepare(&mut lab);
    lab.commit("second");
    for name in guarded {
        lab.stop(name);
        lab.start(name);
        lab.rebuild(name);
    }
    Some(lab)
}

#[test]
fn what_is_due_boots_again_in_waves_and_is_healthy() {
    let hosts = [("A", 0), ("B", 1), ("C", 1), ("D", 2)];
    let attended = |lab: &mut Loopback| lab.reboots("C", "{ unattended = false; window = null; }");
    let Some(lab) = lab(&hosts, &["A", "B", "C"], attended) else {
        return;
    };
    let before = ["A", "B", "C"].map(|host| lab.boot_id(host));
    let output = lab.xtask(&["reboot", "--yes"]);
    let after = ["A", "B", "C"].map(|host| lab.boot_id(host));
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let again = [0, 1, 2].map(|at| before[at] != after[at]);
    assert_eq!(again, [true, true, false], "{}", transcript(&output));
    with_filters(&lab.filters(), || {
        insta::assert_snapshot!("rebooted", transcript(&output));
    });
    // What waited for a boot has had it.
    let idle = lab.xtask(&REBOOT);
    assert_eq!(outcomes(&idle), "A notDue, B notDue, C left, D notDue");
    assert_eq!(idle.status.code(), Some(0));

    // By name it is another matter: not done is not what was asked for, and CI's key has no say where none is due.
    let named = lab.xtask(&[&REBOOT[..], &["A", "C", "D"]].concat());
    assert_eq!(outcomes(&named), "A refused, C left, D left");
    assert_eq!(named.status.code(), Some(1));
    assert_eq!(why(&named, 0), "refused no-reboot-due: no reboot is due");
    assert!(why(&named, 1).starts_with("homelab.reboot.unattended is false"));
    assert!(why(&named, 2).contains("ssh 127.0.0.1 sudo systemctl reboot"));
    let unasked = lab.command(&["reboot", "C"]).output().unwrap();
    assert_eq!(unasked.status.code(), Some(1), "nothing to be asked about");
}

#[test]
fn an_unhealthy_host_stops_the_waves() {
    let hosts = [("A", 0), ("B", 0), ("C", 1)];
    let Some(lab) = lab(&hosts, &["A", "B", "C"], |_| ()) else {
        return;
    };
    std::fs::write(lab.run_file("A", "ill"), "").unwrap();
    std::fs::write(
        lab.run_file("A", "failed-units"),
        "old.service loaded failed\n",
    )
    .unwrap();
    // This one goes down and does not come up.
    std::fs::write(lab.run_file("B", "../broken"), "").unwrap();
    let before = lab.boot_id("C");
    let output = lab.xtask(&[&REBOOT[..], &["--within", "20s"]].concat());
    assert_eq!(
        outcomes(&output),
        "A unhealthy, B notBack, C notTried",
        "{}",
        transcript(&output)
    );
    assert_eq!(output.status.code(), Some(1));
    // What was broken before is not the boot's doing.
    assert_eq!(why(&output, 0), "health check page: it exited 1");
    assert_eq!(
        why(&output, 1),
        "it does not answer within 20 s: connection refused"
    );
    assert_eq!(why(&output, 2), "wave 0 failed");
    assert_eq!(lab.boot_id("C"), before);
    assert_eq!(
        document(&output)["hosts"][0]["bootId"],
        lab.boot_id("A").trim()
    );
}

/// `HH:MM` of the hour that begins so many hours from now, in UTC.
fn hour(from_now: u64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!(
        "{:02}:00",
        (since.unwrap().as_secs() / 3600 + from_now) % 24
    )
}

#[test]
fn a_closed_window_is_kept_unless_it_is_overruled() {
    let closed = |lab: &mut Loopback| {
        let window = format!(
            "{{ unattended = true; window = {{ from = \"{}\"; until = \"{}\"; days = [ ]; }}; }}",
            hour(2),
            hour(3)
        );
        lab.reboots("A", &window);
    };
    let Some(mut lab) = lab(&[("A", 0)], &["A"], closed) else {
        return;
    };
    let before = lab.boot_id("A");
    let left = lab.xtask(&REBOOT);
    assert_eq!(outcomes(&left), "A left", "{}", transcript(&left));
    assert!(
        why(&left, 0).ends_with(":00:00Z: then, or --now"),
        "{}",
        why(&left, 0)
    );
    // The guard keeps it, too: not every key gets out of it.
    let refused = lab.xtask(&[&REBOOT[..], &["--now"]].concat());
    assert_eq!(outcomes(&refused), "A refused", "{}", transcript(&refused));
    assert!(
        why(&refused, 0).starts_with("refused not-operator"),
        "{}",
        why(&refused, 0)
    );
    assert_eq!(lab.boot_id("A"), before);
    lab.configure_guard("A", &json!({ "operators": ["ci"] }));
    lab.stop("A");
    lab.start("A");
    let output = lab.xtask(&[&REBOOT[..], &["--now"]].concat());
    assert_eq!(outcomes(&output), "A rebooted", "{}", transcript(&output));
    assert_ne!(lab.boot_id("A"), before);
}

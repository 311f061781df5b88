//! Nothing is left behind, whatever ends the process that started the machines. A copy of this test program is that
//! process: it runs the same test, in which it starts a machine, says so, and waits to be ended.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{ok, place};

/// Set for the copy: how it ends.
const VICTIM: &str = "HARNESS_TEST_VICTIM";

/// What the copy does, instead of the test; false in the test itself.
fn was_the_victim() -> bool {
    let Some(how) = std::env::var_os(VICTIM) else {
        return false;
    };
    let place = place("victim").expect("the test itself has looked");
    let machine = place.machine("victim");
    ok(machine.monitor("query-status", serde_json::json!({})));
    println!("logs {}", place.run.logs().display());
    println!("config {}", place.run.ssh_config().display());
    println!("ready");
    if how == "panic" {
        panic!("as it was told to");
    }
    if how == "end" {
        // As from another thread than the one that has the machines.
        harness::end_everything(Duration::from_secs(20));
        // No handle is dropped.
        std::process::exit(3);
    }
    std::thread::sleep(Duration::from_secs(120));
    true
}

struct Victim {
    child: Child,
    // The copy's logs; it cannot remove them itself.
    _temporary: tempfile::TempDir,
    run: PathBuf,
    sockets: PathBuf,
    qemu: u32,
}

/// A copy that runs only `test`.
fn start(test: &str, how: &str) -> Victim {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env("TMPDIR", temporary.path())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VICTIM, how)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut run = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(config) = line.strip_prefix("config ") {
            run = PathBuf::from(config).parent().map(PathBuf::from);
        }
        if line == "ready" {
            break;
        }
    }
    let run = run.expect("the copy told where its run is");
    let sockets = PathBuf::from(std::fs::read_to_string(run.join("sockets")).unwrap());
    let pid = std::fs::read_to_string(run.join("machines/victim/pid"));
    // The copy that panics may be gone before this is read.
    let qemu = pid
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    Victim {
        child,
        _temporary: temporary,
        run,
        sockets,
        qemu,
    }
}

fn is_qemu(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu"))
}

fn nothing_left(mut victim: Victim) {
    victim.child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = (
            is_qemu(victim.qemu),
            victim.run.exists(),
            victim.sockets.exists(),
        );
        if left == (false, false, false) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "left behind (QEMU, run, sockets): {left:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signalled(test: &str, signal: &str) {
    if was_the_victim() || common::harness().is_none() {
        return;
    }
    let victim = start(test, "wait");
    assert!(is_qemu(victim.qemu) && victim.sockets.exists());
    let pid = victim.child.id().to_string();
    Command::new("kill").args([signal, &pid]).status().unwrap();
    nothing_left(victim);
}

#[test]
fn after_a_kill() {
    signalled("after_a_kill", "-KILL");
}

#[test]
fn after_ctrl_c() {
    signalled("after_ctrl_c", "-INT");
}

#[test]
fn after_a_closed_terminal() {
    signalled("after_a_closed_terminal", "-HUP");
}

#[test]
fn after_a_panic() {
    if was_the_victim() || common::harness().is_none() {
        return;
    }
    nothing_left(start("after_a_panic", "panic"));
}

#[test]
fn at_the_exit_of_a_process_that_ends_everything_first() {
    if was_the_victim() || common::harness().is_none() {
        return;
    }
    let test = "at_the_exit_of_a_process_that_ends_everything_first";
    let mut victim = start(test, "end");
    assert_eq!(victim.child.wait().unwrap().code(), Some(3));
    // At once, and not a moment later.
    assert!(!is_qemu(victim.qemu), "QEMU");
    assert!(!victim.run.exists() && !victim.sockets.exists(), "folders");
}

#[test]
fn after_the_last_handle_is_dropped() {
    let Some(place) = place("dropped") else {
        return;
    };
    let machine = place.machine("dropped");
    let run = place.run.ssh_config().parent().map(PathBuf::from).unwrap();
    let pid = std::fs::read_to_string(run.join("machines/dropped/pid")).unwrap();
    let qemu = pid.trim().parse().unwrap();
    assert!(is_qemu(qemu));
    drop(machine);
    assert!(!is_qemu(qemu));
    drop(place);
    assert!(!run.exists());
}

#[test]
fn a_run_of_another_process_is_listed_and_stopped() {
    if was_the_victim() {
        return;
    }
    let Some(harness) = common::harness() else {
        return;
    };
    let victim = start("a_run_of_another_process_is_listed_and_stopped", "wait");
    let ours = |run: &harness::LivingRun| run.ssh_config.starts_with(&victim.run);
    let runs = ok(harness.living_runs());
    let run = runs.iter().find(|run| ours(run)).expect("it is alive");
    assert_eq!(
        (run.name.as_str(), &run.machines[..]),
        ("victim", &["victim".to_owned()][..])
    );
    assert_eq!(run.owner, victim.child.id().cast_signed());
    ok(run.stop());
    nothing_left(victim);
}

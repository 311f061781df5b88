//! Nothing is left behind, whatever ends the process that started the machines. A copy of this test program is that
//! process: it runs the same test, in which it starts a machine, says so, and waits to be ended.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{ok, place};
use harness::{Origin, Spec};

/// Set for the copy: how it ends.
const VICTIM: &str = "HARNESS_TEST_VICTIM";

/// What the copy does, instead of the test; false in the test itself.
fn was_the_victim() -> bool {
    let Some(how) = std::env::var_os(VICTIM) else {
        return false;
    };
    let place = place("victim").expect("the test itself has looked");
    if let Some(delay) = how.to_str().and_then(|how| how.strip_prefix("early ")) {
        die_while_qemu_starts(&place, Duration::from_millis(delay.parse().unwrap()));
    }
    let machine = place.machine("victim");
    ok(machine.monitor("query-status", serde_json::json!({})));
    tell(&place);
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

/// What the test wants to know of the copy, which may be gone when it looks.
fn tell(place: &common::Place) {
    // The test's name stands before what it prints first.
    println!();
    println!("config {}", place.run.ssh_config().display());
    println!("sockets {}", place.run.sockets().display());
    println!("ready");
}

/// Killed, with a machine that is not up: `delay` after its log was opened, which is done just before QEMU is started.
fn die_while_qemu_starts(place: &common::Place, delay: Duration) {
    tell(place);
    let log = place.run.logs().join("victim.qemu");
    std::thread::spawn(move || {
        while !log.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(delay);
        let us = std::process::id().to_string();
        Command::new("kill").args(["-KILL", &us]).status()
    });
    let started = place
        .run
        .start(&place.image, Spec::new("victim"), Origin::Cold);
    panic!("it was to be killed: {:?}", started.err());
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
    let (mut run, mut sockets) = (None, None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(config) = line.strip_prefix("config ") {
            run = PathBuf::from(config).parent().map(PathBuf::from);
        }
        if let Some(folder) = line.strip_prefix("sockets ") {
            sockets = Some(PathBuf::from(folder));
        }
        if line == "ready" {
            break;
        }
    }
    let run = run.expect("the copy told where its run is");
    let sockets = sockets.expect("the copy told where its sockets are");
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

/// Whether any process has this path in its command line, as QEMU has those of its run.
fn is_mentioned(path: &std::path::Path) -> bool {
    let path = path.to_string_lossy();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        // Those that are gone meanwhile mention nothing.
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(&*path))
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
fn after_a_quit() {
    signalled("after_a_quit", "-QUIT");
}

#[test]
fn after_a_termination() {
    signalled("after_a_termination", "-TERM");
}

#[test]
fn after_a_kill_while_qemu_starts() {
    if was_the_victim() || common::harness().is_none() {
        return;
    }
    for delay in ["0", "3", "10", "30", "100"] {
        let victim = start("after_a_kill_while_qemu_starts", &format!("early {delay}"));
        let run = victim.run.clone();
        nothing_left(victim);
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_mentioned(&run) {
            assert!(Instant::now() < deadline, "left behind after {delay} ms");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
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

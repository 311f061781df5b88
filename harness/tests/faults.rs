//! Each fault is seen to do what it says, and to be gone when it is taken back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::time::{Duration, Instant};

use common::{ok, place};
use harness::{Cable, Condition, Machine, Nic, Wait};

const SHORT: Duration = Duration::from_secs(6);
const LONG: Duration = Duration::from_secs(60);

fn ssh_answers(machine: &Machine, within: Duration) -> bool {
    machine
        .ssh("root", "true", within)
        .is_ok_and(|output| output.success())
}

#[test]
fn a_cut_cable_stops_ssh_and_not_the_agent() {
    let Some(place) = place("cable") else { return };
    let machine = place.machine("cable");
    ok(machine.control_cable(Condition::cut()));
    assert!(!ssh_answers(&machine, SHORT));
    assert_eq!(ok(machine.shell("cat /sys/class/net/eth0/carrier")), "1");
    ok(machine.control_cable(Condition::default()));
    ok(machine.wait_for(&Wait::Ssh, LONG));

    ok(machine.plug(Nic::Control, Cable::Out));
    assert!(!ssh_answers(&machine, SHORT));
    assert_eq!(ok(machine.shell("cat /sys/class/net/eth0/carrier")), "0");
    ok(machine.plug(Nic::Control, Cable::In));
    ok(machine.wait_for(&Wait::Ssh, LONG));
}

#[test]
fn a_slow_cable_is_slow_and_a_lossy_one_loses() {
    let Some(place) = place("slow") else { return };
    let machine = place.machine("slow");
    let round_trip = || {
        let started = Instant::now();
        ok(machine.wait_for(&Wait::Banner, LONG));
        started.elapsed()
    };
    let before = round_trip();
    ok(machine.control_cable(Condition::slow(Duration::from_millis(700), None)));
    // The banner needs two round trips at least, connecting included.
    let slow = round_trip();
    assert!(
        slow > before + Duration::from_millis(1400),
        "{before:?} {slow:?}"
    );

    // 100 KiB at 20 KiB a second.
    ok(machine.control_cable(Condition::slow(Duration::ZERO, Some(20 << 10))));
    let started = Instant::now();
    let output = ok(machine.ssh("root", "head -c 102400 /dev/urandom", LONG));
    assert_eq!(output.stdout.len(), 102_400);
    assert!(
        started.elapsed() > Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );

    ok(machine.control_cable(Condition::lossy(0.5)));
    let lost = ok(machine.shell("ping -c 20 -i 0.2 -W 1 10.0.2.2 | grep -o '[0-9]*% packet loss'"));
    let percent: u32 = lost.split('%').next().unwrap().parse().unwrap();
    // Both directions lose: three of four pings do not come back.
    assert!((40..100).contains(&percent), "{lost}");
    ok(machine.control_cable(Condition::default()));
    let lost = ok(machine.shell("ping -c 5 -i 0.2 -W 2 10.0.2.2 | grep -o '[0-9]*% packet loss'"));
    assert_eq!(lost, "0% packet loss");
}

#[test]
fn machines_reach_each_other_by_name_until_a_cable_is_cut() {
    let Some(place) = place("lan") else { return };
    let members = [("web", "192.168.0.31/24"), ("cache", "192.168.0.20/24")];
    let lan = ok(place.run.lan("lan", &members));
    let start = |name: &str| {
        let spec = harness::Spec {
            lan: Some(lan.clone()),
            ..harness::Spec::new(name)
        };
        ok(place.run.start(&place.image, spec, harness::Origin::Up))
    };
    let (web, cache) = (start("web"), start("cache"));
    let ping = |from: &Machine, to: &str| {
        ok(from.exec(harness::Exec::new(["ping", "-c", "2", "-W", "2", to]))).success()
    };
    assert!(ping(&web, "cache"));
    assert!(ping(&cache, "web"));
    assert!(ok(web.shell("ping -c 1 cache")).contains("192.168.0.20"));
    ok(lan.cable("cache", Condition::cut()));
    assert!(!ping(&web, "cache"));
    assert!(
        ssh_answers(&cache, LONG),
        "the control network is another one"
    );
    ok(lan.cable("cache", Condition::slow(Duration::from_millis(150), None)));
    let times =
        ok(web.shell("ping -c 3 cache | sed -n 's/.*time=\\([0-9]*\\).*/\\1/p' | tail -n 1"));
    assert!(
        times.parse::<u32>().unwrap() >= 300,
        "{times} ms there and back"
    );
    ok(lan.cable("cache", Condition::default()));
    // Name, address and network are there again after a reboot, with the machine's own MAC.
    let mac = ok(cache.shell("cat /sys/class/net/eth1/address"));
    assert_ne!(mac, ok(web.shell("cat /sys/class/net/eth1/address")));
    ok(cache.reboot());
    assert_eq!(ok(cache.shell("cat /sys/class/net/eth1/address")), mac);
    assert!(ping(&web, "cache"));
}

#[test]
fn a_full_disk_is_full_to_the_last_byte_and_a_read_only_one_refuses() {
    let Some(place) = place("disk") else { return };
    let machine = place.machine("disk");
    let write = "head -c 8192 /dev/zero >/var/tmp/probe && rm /var/tmp/probe";
    ok(machine.shell(write));
    ok(machine.fill_disk("/var/tmp"));
    let error = machine.shell(write).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    ok(machine.free_disk("/var/tmp"));
    ok(machine.shell(write));

    ok(machine.make_read_only());
    let error = machine.shell(write).unwrap_err();
    assert!(
        error.to_string().contains("Read-only file system"),
        "{error}"
    );
    ok(machine.make_writable());
    ok(machine.shell(write));

    let timed = || {
        let started = Instant::now();
        ok(machine.shell("head -c 3000000 /dev/urandom >/var/tmp/slow; sync /var/tmp/slow"));
        started.elapsed()
    };
    let fast = timed();
    ok(machine.slow_disk(Some(1 << 20)));
    let slow = timed();
    assert!(
        slow > fast && slow > Duration::from_secs(2),
        "{fast:?} {slow:?}"
    );
    ok(machine.slow_disk(None));
}

#[test]
fn clock_process_and_freeze() {
    let Some(place) = place("others") else { return };
    let machine = place.machine("others");
    let now = || ok(machine.shell("date +%s")).parse::<i64>().unwrap();
    let before = now();
    ok(machine.move_clock(-86_400));
    assert!((before - now() - 86_400).abs() < 20);
    ok(machine.move_clock(86_400));

    let nginx = "systemctl show -p MainPID --value nginx.service";
    ok(machine.kill_process("nginx", "KILL"));
    ok(machine.wait_until(
        "nginx to be dead",
        LONG,
        || Ok(machine.shell(nginx)? == "0"),
    ));
    let error = machine
        .kill_process("nothing-of-this-name", "TERM")
        .unwrap_err();
    assert!(error
        .to_string()
        .starts_with("no process nothing-of-this-name to kill"));

    ok(machine.shell(
        "echo $$ >/run/x; (while :; do date +%s.%N >/run/beat; sleep 0.1; done) >/dev/null 2>&1 &",
    ));
    ok(machine.freeze());
    assert!(!machine.is_running());
    assert!(!ssh_answers(&machine, SHORT));
    std::thread::sleep(Duration::from_secs(2));
    ok(machine.thaw());
    assert!(machine.is_running());
    ok(machine.wait_for(&Wait::Ssh, LONG));
}

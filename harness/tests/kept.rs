//! Machines that outlast their run: frozen with their processes, off with their disk, and the serial console.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::{ok, place};
use harness::{Cable, ErrorKind, KeptAs, Nic, Wait};

fn notes(step: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("step".to_owned(), step.to_owned())])
}

#[test]
fn a_frozen_machine_comes_back_as_it_stood_and_as_often_as_one_likes() {
    let Some(place) = place("kept-frozen") else {
        return;
    };
    let harness = common::harness().unwrap();
    let machine = place.machine("frozen");
    let disk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(disk.path(), vec![7u8; 1 << 20]).unwrap();
    let device = ok(machine.attach(disk.path(), "seven"));
    ok(machine.shell("echo precious >/run/in-memory; systemctl stop ssh.socket ssh.service"));
    ok(machine.plug(Nic::Control, Cable::Out));
    // When it is frozen nothing in it answers; a timer brings the agent back after the thaw.
    ok(machine.shell(
        "systemd-run --timer-property=AccuracySec=100ms --on-active=15 systemctl start qemu-guest-agent.service; \
         systemd-run --timer-property=AccuracySec=100ms --on-active=1 systemctl stop qemu-guest-agent.service",
    ));
    std::thread::sleep(machine.host_time(Duration::from_secs(4)));
    let kept = ok(machine.keep("kept-frozen", &notes("the third")));
    drop((machine, disk));
    assert_eq!(kept.how, KeptAs::Frozen);
    let found = harness.kept_machine("kept-frozen", "frozen").unwrap();
    assert_eq!(found.notes["step"], "the third");
    for _ in 0..2 {
        let back = ok(place.run.resume(&found, Vec::new()));
        ok(back.wait_for(&Wait::Agent, Duration::from_secs(30)));
        assert_eq!(ok(back.shell("cat /run/in-memory")), "precious");
        let stopped =
            "systemctl show --property=InactiveEnterTimestampMonotonic --value qemu-guest-agent";
        assert_ne!(ok(back.shell(stopped)), "0");
        let bytes = ok(back.shell(&format!("head -c 2 {device} | od -An -tx1")));
        assert_eq!(bytes, " 07 07");
        ok(back.shell("rm /run/in-memory; systemctl start ssh.service"));
        // The cable is still out, too.
        ok(back.plug(Nic::Control, Cable::In));
        ok(back.wait_for(&Wait::Ssh, Duration::from_secs(30)));
        // While there is a copy, the kept one itself cannot be had.
        let error = place.run.reopen(&found, Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State, "{error}");
    }
    assert!(ok(harness.forget(&found)) > 0);
    assert!(harness.kept_machine("kept-frozen", "frozen").is_none());
}

#[test]
fn a_machine_that_is_settled_keeps_its_disk_and_boots_again() {
    let Some(place) = place("kept-off") else {
        return;
    };
    let harness = common::harness().unwrap();
    let machine = place.machine("settled");
    let kept = ok(machine.settle("kept-off", &notes("x")));
    ok(machine.shell("echo written >/root/file; sync"));
    let error = place.run.resume(&kept, Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State, "{error}");
    ok(machine.power_cut());
    drop(machine);

    let again = ok(place.run.reopen(&kept, Vec::new()));
    ok(again.wait_up());
    assert_eq!(ok(again.shell("cat /root/file; rm /root/file")), "written");
    ok(again.panic());
    drop(again);
    let last = ok(place.run.reopen(&kept, Vec::new()));
    ok(last.wait_up());
    assert_eq!(ok(last.shell("hostname")), "settled");
    drop(last);
    ok(harness.forget(&kept));
}

#[test]
fn somebody_may_type_at_the_console_and_the_log_has_it_too() {
    let Some(place) = place("console") else {
        return;
    };
    let machine = place.machine("console");
    let terminal = harness::Terminal {
        name: "vt100".to_owned(),
        rows: 33,
        columns: 99,
    };
    // Nothing of it needs the network.
    ok(machine.plug(Nic::Control, Cable::Out));
    ok(machine.console_shell(&terminal));
    let mut person = UnixStream::connect(machine.console_socket()).unwrap();
    person
        .set_read_timeout(Some(machine.host_time(Duration::from_secs(30))))
        .unwrap();
    let mut said = String::new();
    let mut type_and_see = |typed: &str, wanted: &str| {
        person.write_all(typed.as_bytes()).unwrap();
        let mut chunk = [0u8; 4096];
        while !said.contains(wanted) {
            let count = person.read(&mut chunk).unwrap_or(0);
            assert!(count > 0, "no `{wanted}` in {said}");
            said.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        said.clear();
    };
    type_and_see("", "root@console:~# ");
    type_and_see(
        "echo $((6 * 7)) $USER $(stty size) $TERM\r",
        "42 root 33 99 vt100",
    );
    drop(person);
    // The same shell goes on for the next visitor, who has another terminal.
    ok(machine.console_shell(&harness::Terminal {
        rows: 20,
        ..terminal
    }));
    ok(machine.wait_until("the log", Duration::from_secs(10), || {
        Ok(machine.console_tail(20).contains("42 root 33 99 vt100"))
    }));
    assert_eq!(ok(machine.shell("stty -F /dev/ttyS0 size")), "20 99");
}

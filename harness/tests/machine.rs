//! A machine's life: cold, rebooted, cut off, restored; what boots is what firmware and loader choose.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::{ok, place};
use harness::{Boot, Exec, Forward, Model, Origin, Spec, Wait};

/// Prints a figure in a form that is easy to find in a log.
fn measured(what: &str, since: Instant) {
    eprintln!("measured: {what}: {:.2} s", since.elapsed().as_secs_f64());
}

#[test]
fn a_cold_boot_goes_through_firmware_and_loader_and_so_does_a_reboot() {
    let Some(place) = place("cold") else { return };
    let started = Instant::now();
    let machine = ok(place
        .run
        .start(&place.image, Spec::new("cold"), Origin::Cold));
    measured("cold boot with firmware, to ssh", started);
    assert_eq!(ok(machine.shell("hostname")), "cold");
    assert_eq!(ok(machine.shell("systemctl --failed --no-legend")), "");
    let first = ok(machine.shell("cat /proc/sys/kernel/random/boot_id"));
    let port = machine.port(22);
    let rebooting = Instant::now();
    ok(machine.reboot());
    measured("reboot through firmware, to ssh", rebooting);
    assert_ne!(
        ok(machine.shell("cat /proc/sys/kernel/random/boot_id")),
        first
    );
    assert_eq!(ok(machine.shell("hostname")), "cold");
    assert_eq!(machine.port(22), port);
    assert!(ok(machine.shell("bootctl status")).contains("systemd-boot"));
    let resident = machine.resident_bytes().unwrap_or(0) >> 20;
    eprintln!("measured: resident after cold boot and reboot: {resident} MiB");
    assert!(resident > 0 && resident < 700);
}

#[test]
fn without_firmware_a_machine_is_up_sooner() {
    let Some(place) = place("direct") else { return };
    let model = Model {
        boot: Boot::Direct,
        ..Model::default()
    };
    let spec = Spec {
        model,
        ..Spec::new("direct")
    };
    let started = Instant::now();
    let machine = ok(place.run.start(&place.image, spec, Origin::Cold));
    measured("cold boot without firmware, to ssh", started);
    assert_eq!(
        ok(machine.shell("test -d /sys/firmware/efi || echo none")),
        "none"
    );
}

#[test]
fn copies_of_a_snapshot_are_machines_of_their_own() {
    let Some(place) = place("copies") else { return };
    let _first = place.machine("first");
    let started = Instant::now();
    let machines: Vec<_> = ["one", "two"].map(|name| place.machine(name)).into();
    measured("two restored one after the other, to ssh", started);
    let mut ids = BTreeSet::new();
    for machine in &machines {
        let over_ssh = ok(machine.ssh("root", "hostname", Duration::from_secs(20)));
        assert_eq!(over_ssh.text(), machine.name());
        ids.insert(ok(machine.shell("cat /etc/machine-id")));
        ids.insert(ok(machine.shell("sha256sum </etc/ssh/ssh_host_ed25519_key")));
        let public = ok(machine.shell("cat /etc/ssh/ssh_host_ed25519_key.pub"));
        assert_eq!(public, machine.host_key());
        let theirs: i64 = ok(machine.shell("date +%s")).parse().unwrap();
        let ours = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        assert!(
            (theirs - ours).abs() < 5,
            "clock is {} s off",
            theirs - ours
        );
        // The journal goes on under the new machine id.
        ok(machine.shell("logger -t test hello; journalctl --sync"));
        let journal = ok(machine.shell("journalctl -q -b -t test -o cat"));
        assert_eq!(journal, "hello");
        let resident = machine.resident_bytes().unwrap_or(0) >> 20;
        eprintln!("measured: resident after restore: {resident} MiB");
        assert!(resident < 700);
    }
    assert_eq!(ids.len(), 4);
}

#[test]
fn four_machines_are_restored_at_once() {
    let Some(place) = place("four") else { return };
    drop(place.machine("first"));
    let started = Instant::now();
    let machines: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| scope.spawn(|| place.machine(name)))
            .into();
        starting.into_iter().map(|s| s.join().unwrap()).collect()
    });
    measured("four restored at once, to ssh", started);
    for machine in &machines {
        assert_eq!(ok(machine.shell("hostname")), machine.name());
    }
}

#[test]
fn the_boot_default_and_a_one_shot_entry_hold_over_a_power_cut() {
    let Some(place) = place("entries") else {
        return;
    };
    let machine = place.machine("entries");
    ok(machine.shell(
        "sed 's/^options/& harness.other/' /boot/loader/entries/debian.conf >/boot/loader/entries/other.conf; \
         bootctl set-oneshot other.conf; sync",
    ));
    let other = "grep -c harness.other /proc/cmdline || true";
    assert_eq!(ok(machine.shell(other)), "0");
    ok(machine.power_cut());
    ok(machine.power_on());
    assert_eq!(
        ok(machine.shell(other)),
        "1",
        "the one-shot entry boots once"
    );
    // The machine keeps name, keys and time over the power cut.
    assert_eq!(
        ok(machine.ssh("root", "hostname", Duration::from_secs(20))).text(),
        "entries"
    );
    ok(machine.shell("logger -t test before; journalctl --sync"));
    ok(machine.reboot());
    assert_eq!(ok(machine.shell(other)), "0", "and only once");
    let journal = ok(machine.shell("journalctl -q -b -1 -t test -o cat"));
    assert_eq!(journal, "before", "the journal of the last boot is there");
}

#[test]
fn a_restart_that_the_guest_begins_and_the_reset_button() {
    let Some(place) = place("restarts") else {
        return;
    };
    let harness = common::harness().expect("the place has one");
    let machine = place.machine("restarts");
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let first = ok(machine.shell(boot));
    let slot = ok(harness.boot_slot());
    let mark = ok(machine.mark());
    ok(machine.spawn(Exec::shell("sleep 1; systemctl reboot")));
    ok(machine.wait_rebooted(mark));
    drop(slot);
    let second = ok(machine.shell(boot));
    assert_ne!(second, first);

    ok(machine.shell("echo kept >/root/kept; sync; echo lost >/root/lost"));
    ok(machine.reset());
    assert_ne!(ok(machine.shell(boot)), second);
    assert_eq!(
        ok(machine.shell("cd /root; cat kept lost 2>/dev/null || true")),
        "kept"
    );

    place.run.transcript().note("test", "the caller's own line");
    let told = place.run.transcript().entries();
    let told: Vec<_> = told.iter().map(|entry| entry.what.as_str()).collect();
    assert!(told.contains(&"reset"), "{told:?}");
    assert_eq!(told.last(), Some(&"the caller's own line"));
}

#[test]
fn a_machine_that_is_to_boot_waits_for_a_place() {
    let Some(place) = place("places") else { return };
    let harness = common::harness().expect("the place has one");
    let machine = place.machine("places");
    let moment = machine.host_time(Duration::from_secs(3));
    let both_taken = || [(); 2].map(|()| ok(harness.boot_slot()));
    std::thread::scope(|scope| {
        let taken = both_taken();
        let before = machine.events().len();
        let resetting = scope.spawn(|| machine.reset());
        std::thread::sleep(moment);
        assert_eq!(machine.events().len(), before);
        drop(taken);
        ok(resetting.join().unwrap());
    });
    ok(machine.power_cut());
    std::thread::scope(|scope| {
        let taken = both_taken();
        let booting = scope.spawn(|| machine.power_on());
        std::thread::sleep(moment);
        assert!(!machine.is_on());
        drop(taken);
        ok(booting.join().unwrap());
    });
}

#[test]
fn what_was_synced_survives_a_power_cut_and_a_machine_that_is_off_says_so() {
    let Some(place) = place("cut") else { return };
    let machine = place.machine("cut");
    ok(machine.shell("echo kept >/root/kept; sync; echo lost >/root/lost"));
    ok(machine.power_cut());
    let error = machine.shell("true").unwrap_err();
    assert_eq!(error.kind(), harness::ErrorKind::State);
    assert_eq!(error.to_string(), "cut is off");
    ok(machine.power_on());
    assert_eq!(ok(machine.shell("cat /root/kept")), "kept");
    assert_eq!(ok(machine.shell("cat /root/lost 2>/dev/null || true")), "");
    ok(machine.power_off());
    assert!(!machine.is_running());
}

#[test]
fn commands_run_as_whom_they_should_and_end_when_they_must() {
    let Some(place) = place("exec") else { return };
    let spec = Spec {
        forwards: vec![Forward { host: 0, guest: 80 }],
        ..Spec::new("exec")
    };
    let machine = ok(place.run.start(&place.image, spec, Origin::Up));
    ok(machine.shell("useradd -m someone"));
    let who = ok(machine.exec(Exec::shell("id -un; pwd; echo $HOME").user("someone")));
    assert_eq!(who.text(), "someone\n/home/someone\n/home/someone");
    let piped = ok(machine.exec(Exec::new(["wc", "-c"]).stdin(vec![7u8; 100_000])));
    assert_eq!(piped.text(), "100000");
    let failed = ok(machine.exec(Exec::shell("echo no >&2; exit 7").env("A", "b")));
    assert_eq!((failed.code, failed.stderr.as_str()), (7, "no\n"));
    assert_eq!(ok(machine.exec(Exec::shell("kill -9 $$"))).code, 137);
    let slow = Exec::new(["sleep", "99"]).timeout(Duration::from_secs(2));
    let error = machine.exec(slow).unwrap_err();
    assert_eq!(error.kind(), harness::ErrorKind::TimedOut);
    assert!(error.to_string().contains("`sleep 99` on exec"));
    assert_eq!(ok(machine.shell("pgrep -x sleep || true")), "");
    let error = machine.exec(Exec::new(["/no/such/program"])).unwrap_err();
    assert!(error.to_string().contains("/no/such/program"));

    ok(machine.write_file("/etc/deep/file", 0o640, b"content"));
    assert_eq!(ok(machine.read_file("/etc/deep/file")), b"content");
    assert_eq!(ok(machine.shell("stat -c %a /etc/deep/file")), "640");

    ok(machine.wait_for(&Wait::Unit("nginx.service".into()), Duration::from_secs(30)));
    let port = machine.port(80).unwrap();
    let page = std::net::TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        use std::io::{Read, Write};
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    });
    assert!(page.unwrap().contains("nginx"));
}

#[test]
fn an_image_is_attached_while_the_machine_runs() {
    let Some(place) = place("attach") else { return };
    let machine = place.machine("attach");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    std::fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
    let device = ok(machine.attach(&file, "closure-1"));
    assert_eq!(device, "/dev/disk/by-id/virtio-closure-1");
    assert_eq!(ok(machine.shell(&format!("head -c 3 {device}"))), "xxx");
    assert!(
        machine.shell(&format!("echo y >{device}")).is_err(),
        "it is read-only"
    );
    assert!(
        machine.attach(&file, "closure-1").is_err(),
        "a serial is used once"
    );
    assert!(machine
        .attach(&dir.path().join("none"), "closure-2")
        .is_err());
}

//! What goes wrong is told with object, cause and next step: tools, ports, guests that panic or hang, snapshots.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use common::{ok, place, recipe};
use harness::{
    Boot, ErrorKind, Exec, Forward, Harness, Model, Options, Origin, Progress, Recipe, Spec, Tools,
    Wait, Wanted,
};

fn options(tools: Tools, cache: &std::path::Path) -> Options {
    Options {
        tools,
        cache: cache.to_owned(),
        accelerator: Wanted::Tcg,
        timeout_scale: 1.0,
        progress: Progress::silent(),
    }
}

#[test]
fn no_qemu_and_one_that_is_too_old() {
    if common::harness().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut tools = common::tools();
    tools.qemu = "/nowhere/qemu-system-x86_64".into();
    let error = Harness::open(options(tools.clone(), dir.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolMissing);
    assert_eq!(error.to_string(), "/nowhere/qemu-system-x86_64 is missing");
    assert_eq!(
        error.next_step(),
        Some("install Debian's package qemu-system-x86")
    );

    let old = dir.path().join("qemu");
    std::fs::write(&old, "#!/bin/sh\necho QEMU emulator version 7.2.17\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&old, mode).unwrap();
    tools.qemu = old;
    let error = Harness::open(options(tools, dir.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolTooOld);
    assert!(error
        .to_string()
        .contains("is version 7.2, and 9.0 is needed"));
}

#[test]
fn a_mirror_that_breaks_off_is_a_download_error_and_leaves_no_image() {
    if common::harness().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let harness = ok(Harness::open(options(common::tools(), dir.path())));
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let recipe = Recipe {
        mirror: Some(format!("http://127.0.0.1:{port}/debian")),
        ..recipe()
    };
    let error = harness.image(&recipe).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Download, "{error}");
    assert!(
        error.to_string().contains("a package did not arrive"),
        "{error}"
    );
    assert_eq!(
        error.next_step(),
        Some("run again: what did arrive is kept")
    );
    let done = dir.path().join("images").join(recipe.hash());
    assert!(!done.exists());
    ok(harness.collect_garbage(u64::MAX));
    assert_eq!(
        std::fs::read_dir(dir.path().join("images"))
            .unwrap()
            .count(),
        0
    );
}

/// A mirror that sends the beginning of every file and hangs up.
fn mirror_that_hangs_up() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0u8; 4096];
                // A client that is gone wants no answer.
                let _ = stream.read(&mut request).and_then(|_| {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nOrigin: ")
                });
            });
        }
    });
    port
}

#[test]
fn a_download_that_breaks_off_in_the_middle_is_told_as_one() {
    if common::harness().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let harness = ok(Harness::open(options(common::tools(), dir.path())));
    let recipe = Recipe {
        mirror: Some(format!(
            "http://127.0.0.1:{}/debian",
            mirror_that_hangs_up()
        )),
        ..recipe()
    };
    let error = harness.image(&recipe).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Download, "{error}");
    assert!(!dir.path().join("images").join(recipe.hash()).exists());
}

/// Runs one test of this file again, with a small file system of its own at the folder in `SMALL`.
fn on_a_small_disk(test: &str, mib: u32) -> Option<bool> {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={mib}m none '{}' || exit 99; exec \"$@\"",
        dir.path().display()
    );
    let status = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "small"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SMALL, dir.path())
        .status()
        .unwrap();
    if status.code() == Some(99) || status.code() == Some(1) && namespaces_are_forbidden() {
        println!("skip: this machine lets nobody mount a file system of his own");
        return None;
    }
    Some(status.success())
}

fn namespaces_are_forbidden() -> bool {
    let tried = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .status();
    !tried.is_ok_and(|status| status.success())
}

const SMALL: &str = "HARNESS_SMALL_DISK";

#[test]
fn no_space_for_an_image_is_told_with_what_is_needed() {
    let Some(small) = std::env::var_os(SMALL) else {
        if common::harness().is_some() {
            let passed = on_a_small_disk("no_space_for_an_image_is_told_with_what_is_needed", 64);
            assert_ne!(passed, Some(false));
        }
        return;
    };
    let small = std::path::Path::new(&small);
    let harness = ok(Harness::open(options(common::tools(), small)));
    let error = harness.image(&recipe()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    let text = error.to_string();
    assert!(text.contains("MiB free and 2560 MiB are needed"), "{text}");
    assert_eq!(
        error.next_step(),
        Some("free some space, or use a cache on another file system")
    );
}

#[test]
fn a_machine_whose_disk_has_no_more_space_on_the_host_says_so() {
    let name = "a_machine_whose_disk_has_no_more_space_on_the_host_says_so";
    let Some(small) = std::env::var_os(SMALL) else {
        let Some(harness) = common::harness() else {
            return;
        };
        // The other one takes the image from here.
        ok(harness.image(&recipe()));
        assert_ne!(on_a_small_disk(name, 600), Some(false));
        return;
    };
    let small = std::path::Path::new(&small);
    let image = ok(common::harness().unwrap().image(&recipe()));
    std::fs::create_dir(small.join("images")).unwrap();
    let link = small.join("images").join(image.hash());
    std::os::unix::fs::symlink(image.disk().parent().unwrap(), &link).unwrap();
    let harness = ok(Harness::open(options(common::tools(), small)));
    let image = ok(harness.image(&recipe()));
    let run = ok(harness.run("small", &small.join("logs")));
    let spec = Spec {
        model: Model {
            boot: Boot::Direct,
            ..Model::default()
        },
        ..Spec::new("small")
    };
    let machine = ok(run.start(&image, spec, Origin::Cold));
    // Somebody else fills it; the machine's next megabytes have no place any more.
    let mut ballast = std::fs::File::create(small.join("ballast")).unwrap();
    while ballast.write_all(&[1u8; 1 << 16]).is_ok() {}
    let write = Exec::shell("dd if=/dev/urandom of=/root/file bs=1M count=20; sync");
    let error = machine
        .exec(write.timeout(Duration::from_secs(120)))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert!(
        error
            .to_string()
            .contains("the disk of small cannot be written on the host"),
        "{error}"
    );
    // The entry is a link into the shared cache: it must not be followed when this one is removed.
    std::fs::remove_file(link).unwrap();
}

#[test]
fn a_taken_port_two_machines_of_one_name_and_a_name_that_is_none() {
    let Some(place) = place("names") else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = Spec {
        forwards: vec![Forward {
            host: port,
            guest: 80,
        }],
        ..Spec::new("web")
    };
    let error = place.run.start(&place.image, spec, Origin::Up).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortTaken, "{error}");
    assert!(error
        .to_string()
        .contains(&format!("port {port} of 127.0.0.1 is taken")));

    let _web = place.machine("web");
    let error = place
        .run
        .start(&place.image, Spec::new("web"), Origin::Up)
        .unwrap_err();
    assert!(error
        .to_string()
        .contains("two machines of one run have the name web"));
    let error = place
        .run
        .start(&place.image, Spec::new("a b"), Origin::Up)
        .unwrap_err();
    assert!(error.to_string().contains("`a b` is no machine name"));
    let error = place
        .run
        .lan("lan", &[("web", "192.168.0.31")])
        .unwrap_err();
    assert_eq!(error.next_step(), Some("write it as 192.168.0.31/24"));
}

#[test]
fn a_guest_that_panics_and_a_qemu_that_dies() {
    let Some(place) = place("deaths") else { return };
    let machine = place.machine("panics");
    ok(machine.panic());
    let error = machine
        .wait_for(&Wait::Ssh, Duration::from_secs(20))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked, "{error}");
    assert!(
        error
            .to_string()
            .contains("the kernel of panics panicked: not syncing: sysrq"),
        "{error}"
    );

    let machine = place.machine("dies");
    let waiting = ok(machine.spawn(Exec::new(["sleep", "60"])));
    ok(machine.kill_qemu());
    let error = waiting.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MachineDied, "{error}");
    assert!(
        error.to_string().contains("QEMU of dies ended with 137"),
        "{error}"
    );
}

#[test]
fn a_guest_that_hangs_is_given_up_with_the_end_of_its_console() {
    let Some(place) = place("hangs") else { return };
    let machine = place.machine("hangs");
    ok(machine.freeze());
    let error = machine
        .wait_for(&Wait::Agent, Duration::from_secs(3))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error
        .to_string()
        .contains("the guest agent of hangs was not there within 3 s"));
    assert!(error.next_step().unwrap().contains("hangs.console"));
}

#[test]
fn a_guest_that_never_boots_is_given_up() {
    let Some(place) = place("never") else { return };
    let machine = place.machine("never");
    // Neither entry nor default: the loader has nothing to start.
    ok(machine.shell("rm -rf /boot/loader/entries/* /boot/EFI/BOOT /boot/EFI/systemd; sync"));
    ok(machine.power_cut());
    let error = machine
        .power_on_within(Duration::from_secs(12))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(
        error.to_string().contains("its console ends with"),
        "{error}"
    );
}

#[test]
fn a_broken_snapshot_is_made_again_and_said_once() {
    let Some(place) = place("broken") else { return };
    let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&said);
    // A cache of its own: others use the snapshots of the shared one. Images and packages are linked.
    let cache = tempfile::tempdir_in(
        place
            .image
            .disk()
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .parent()
            .unwrap(),
    )
    .unwrap();
    std::fs::create_dir(cache.path().join("images")).unwrap();
    std::os::unix::fs::symlink(
        place.image.disk().parent().unwrap(),
        cache.path().join("images").join(place.image.hash()),
    )
    .unwrap();
    let harness = ok(Harness::open(Options {
        progress: Progress::new(move |_, step| heard.lock().unwrap().push(step.to_owned())),
        ..options(common::tools(), cache.path())
    }));
    let image = ok(harness.image(&recipe()));
    let run = ok(harness.run("broken", &cache.path().join("logs")));
    drop(ok(run.start(&image, Spec::new("first"), Origin::Up)));
    let snapshots = cache.path().join("snapshots");
    let kept: Vec<_> = std::fs::read_dir(&snapshots)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    let state = kept[0].join("state");
    std::fs::write(&state, b"not a machine").unwrap();
    said.lock().unwrap().clear();
    // On a network, as the machines of every play are.
    let lan = ok(run.lan("lan", &[("second", "192.168.0.2/24")]));
    let spec = Spec {
        lan: Some(lan),
        ..Spec::new("second")
    };
    let machine = ok(run.start(&image, spec, Origin::Up));
    assert_eq!(ok(machine.shell("hostname")), "second");
    let said = said.lock().unwrap();
    assert_eq!(
        said.iter().filter(|step| step.contains("broken")).count(),
        1,
        "{said:?}"
    );
    // The entry is a link into the shared cache: it must not be followed when this one is removed.
    std::fs::remove_file(cache.path().join("images").join(image.hash())).unwrap();
}

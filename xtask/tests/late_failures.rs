//! What fails beside the builds: a full or read-only cache, files that cannot be written, an xtask that is killed, a lock
//! that another process holds. The report is told all the same.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod hosts;
mod processes;
mod support;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use fleet::Fleet;
use hosts::{host, Host};
use nix::sys::signal::{kill, Signal};
use nix::unistd::{Pid, Uid};
use processes::{processes, wait_for};
use support::{all_nixes, nix, skip, transcript};

const GOOD: &str = "echo good > $out";

/// A file system of its own, gone with the test.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, options: &str) -> Option<Self> {
        let mounted = Uid::effective().is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(at)
                .status()
                .is_ok_and(|status| status.success());
        if !mounted {
            skip("no tmpfs: mounting one takes root and a mount program");
        }
        mounted.then_some(Self(at))
    }

    fn again(&self, options: &str) {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", options]).arg(self.0).status();
        assert!(status.unwrap().success(), "{options}");
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_cache_that_cannot_be_written_to_hides_no_result() {
    let Some(nix) = nix() else { return };
    let cache = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(cache.path(), "size=4m") else {
        return;
    };
    let fleet = hosts::fleet(&[host("Good", GOOD), host("Bad", "exit 3")]);
    let run = |args: &[&str]| {
        let mut command = fleet.command(&nix, args);
        command.env("SLIPWAY_CACHE", cache.path()).output().unwrap()
    };
    // The stand-in is there from now on.
    assert_eq!(run(&["hosts"]).status.code(), Some(0));
    let built = || {
        let output = run(&["build-all"]);
        let text = transcript(&output);
        assert!(text.contains("1 of 2 hosts built"), "{text}");
        assert!(text.contains("warning: cannot "), "{text}");
        assert!(!text.contains("error: cannot write"), "{text}");
        assert_eq!(output.status.code(), Some(1), "{text}");
    };
    // As large as the file system, which is what fails.
    std::fs::write(cache.path().join("full"), vec![0; 4 << 20]).unwrap_err();
    built();
    mount.again("remount,ro");
    built();
}

#[test]
fn without_a_place_for_what_is_needed_the_cure_is_told() {
    let Some(nix) = nix() else { return };
    let cache = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(cache.path(), "ro") else {
        return;
    };
    let fleet = hosts::fleet(&[host("Good", GOOD)]);
    let mut command = fleet.command(&nix, &["build-all"]);
    let output = command.env("SLIPWAY_CACHE", cache.path()).output().unwrap();
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(": Read-only file system\ntry: SLIPWAY_CACHE=FOLDER"),
        "{text}"
    );
}

#[test]
fn records_that_cannot_be_written_are_a_warning() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Good", GOOD)]);
    std::fs::write(fleet.cache().join("closures"), "no folder").unwrap();
    std::fs::write(fleet.cache().join("evaluations"), "no folder").unwrap();
    let summary = fleet.path().to_str().unwrap();
    let output = fleet
        .command(&nix, &["build-all"])
        .env("GITHUB_STEP_SUMMARY", summary)
        .output()
        .unwrap();
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for warning in [
        "warning: cannot keep the evaluations: ",
        "warning: cannot keep or record every closure: ",
        "warning: cannot write the job summary ",
    ] {
        assert!(text.contains(warning), "{text}");
    }
    assert!(text.contains("1 of 1 host built"), "{text}");
}

#[test]
fn what_was_asked_for_and_cannot_be_written_is_an_error_below_the_table() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Good", GOOD)]);
    for (args, error) in [
        (
            ["--json", "/nowhere/report.json"],
            "error: cannot write the report /nowhere/report.json",
        ),
        (
            ["--out-links", "/dev/null/links"],
            "error: cannot make /dev/null/links",
        ),
    ] {
        let output = fleet.xtask(&nix, &[&["build-all"], &args[..]].concat());
        let text = transcript(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("1 of 1 host built"), "{text}");
        assert!(text.contains(error), "{text}");
    }
}

#[test]
fn data_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Good", GOOD)]);
    for args in [
        &["hosts", "--json"][..],
        &["hosts"],
        &["nodes"],
        &["build-all"],
        &["build-all", "--json", "-"],
        &["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = fleet.command(&nix, args).stdout(full).output().unwrap();
        let text = transcript(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(
            text.contains("error: cannot write to stdout: No space left"),
            "{args:?}: {text}"
        );
        let mut child = fleet
            .command(&nix, args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
}

#[test]
fn nothing_outlives_an_xtask_that_is_killed() {
    let thinks = || {
        Host {
        evaluation: "builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i + builtins.length \
                     (builtins.genList (j: j) 100000)) 1000000)) toplevel",
        ..host("Thinks", GOOD)
    }
    };
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[
            thinks(),
            host("Waits", "while ! test -e GATE; do sleep 0.1; done"),
        ]);
        let gate = fleet.cache().join("gate");
        let gate = gate.to_str().unwrap();
        let flake = fleet.read("flake.nix");
        fleet.write("flake.nix", &flake.replace("GATE", gate));
        fleet.commit();
        let flake = fleet.path().to_str().unwrap().to_owned();
        for (name, mark) in [("Waits", gate), ("Thinks", &flake)] {
            let mut child = fleet
                .command(&nix, &["build-all", name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let works = || {
                let lines = processes(mark);
                lines
                    .iter()
                    .any(|line| name == "Waits" || line.contains("\"Thinks\""))
            };
            wait_for(name, works);
            // Until the evaluation is where it does not look for signals.
            std::thread::sleep(std::time::Duration::from_millis(500));
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
            child.wait().unwrap();
            wait_for("end of what was started", || {
                processes(&flake).is_empty() && processes(gate).is_empty()
            });
        }
    }
}

#[test]
fn a_lock_that_another_process_holds_is_named() {
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[host(
            "Waits",
            "while ! test -e GATE; do sleep 0.1; done; echo > $out",
        )]);
        let gate = fleet.cache().join("gate");
        let mark = gate.to_str().unwrap();
        let flake = fleet.read("flake.nix");
        fleet.write("flake.nix", &flake.replace("GATE", mark));
        fleet.commit();
        let mut first = fleet
            .command(&nix, &["build-all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The flake's text is on the command line of its evaluation, too; the builder's shell stands first on its own.
        wait_for("builder", || {
            processes(mark).iter().any(|line| !line.contains("nix "))
        });
        let told = fleet.cache().join("told");
        let mut second = fleet
            .command(&nix, &["build-all"])
            .stdout(Stdio::null())
            .stderr(File::create(&told).unwrap())
            .spawn()
            .unwrap();
        let text = || std::fs::read_to_string(&told).unwrap();
        wait_for("word of the lock", || {
            text().contains("another process is busy: waiting for lock on ")
        });
        std::fs::write(&gate, "").unwrap();
        assert!(first.wait().unwrap().success());
        assert!(second.wait().unwrap().success(), "{}", text());
    }
}

#[test]
fn a_failed_build_is_no_built_path() {
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[host("Bad", "exit 3")]);
        let output = fleet.xtask(&nix, &["build-all", "--json", "-"]);
        let report = fleet::document(&output);
        // `shared` was built for it; its own toplevel was not.
        assert_eq!(
            report["hosts"][0]["pathsBuilt"],
            1,
            "{}",
            transcript(&output)
        );
    }
}

#[test]
fn links_of_foreign_names_stay_in_their_folder() {
    let Some(nix) = nix() else { return };
    let fleet: Fleet = hosts::fleet(&[host("../esc", GOOD), host("", GOOD), host("Good", GOOD)]);
    let flake = fleet
        .read("flake.nix")
        .replace("nixos-system-${name}", "system");
    let quoted = flake
        .replace("        ../esc =", "        \"../esc\" =")
        .replace("         = host", "        \"\" = host");
    fleet.write("flake.nix", &quoted);
    fleet.commit();
    let links = fleet.cache().join("links");
    let output = fleet.xtask(&nix, &["build-all", "--out-links", links.to_str().unwrap()]);
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("3 of 3 hosts built"), "{text}");
    assert!(
        text.contains("the name of host `../esc` is no file's: its link is %2E.%2Fesc"),
        "{text}"
    );
    let entries = std::fs::read_dir(&links).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["%", "%2E.%2Fesc", "Good"]);
    assert!(!fleet.cache().join("esc").exists());
}

#[test]
fn a_link_that_cannot_be_made_is_named_and_the_others_are_made() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("A", GOOD), host("B", GOOD)]);
    let links = fleet.cache().join("links");
    std::fs::create_dir_all(links.join("A/in-the-way")).unwrap();
    std::fs::set_permissions(&links, PermissionsExt::from_mode(0o755)).unwrap();
    let output = fleet.xtask(&nix, &["build-all", "--out-links", links.to_str().unwrap()]);
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("2 of 2 hosts built"), "{text}");
    assert!(
        text.contains(&format!("error: cannot link {}/A: ", links.display())),
        "{text}"
    );
    assert!(links.join("B").is_symlink());
}

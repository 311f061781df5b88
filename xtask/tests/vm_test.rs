//! `xtask vm-test` on fleets and machines that lack something: what a person is told, and how it ends. No machine is
//! started here; scenarios are played by `cargo xtask test scenarios`.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use fleet::{downstream, with_filters, Fleet};
use insta::assert_snapshot;
use support::{nix, prepend_path, skip, transcript, Nix};

/// A scenario that is right, for the host `Web` of `downstream`.
const GOOD: &str = r#"title = "It boots"
proves = "The host reaches its multi-user target."

[machines.Web]
generations = ["good"]

[[steps]]
name = "it is up"
wait = { unit = "multi-user.target", on = "Web" }
"#;

fn with_scenarios(files: &[(&str, &str)]) -> Fleet {
    let fleet = downstream();
    fleet.write("tests/generations/good.nix", "{ }\n");
    for (path, text) in files {
        fleet.write(&format!("tests/scenarios/{path}"), text);
    }
    fleet.commit();
    fleet
}

fn vm_test(fleet: &Fleet, nix: &Nix, args: &[&str]) -> Output {
    let all: Vec<&str> = ["vm-test"].iter().chain(args).copied().collect();
    fleet.xtask(nix, &all)
}

fn told(fleet: &Fleet, output: &Output) -> String {
    let mut text = String::new();
    with_filters(&fleet.filters(), || text = transcript(output));
    text
}

#[test]
fn a_good_scenario_is_listed_and_checked() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let list = vm_test(&fleet, &nix, &["--list"]);
    let check = vm_test(&fleet, &nix, &["--check"]);
    with_filters(&fleet.filters(), || {
        assert_snapshot!(format!("{}{}", transcript(&list), transcript(&check)));
    });
}

#[test]
fn names_that_are_nobodys_and_no_names_at_all_say_what_there_is() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD), ("other.toml", GOOD)]);
    let mut text = String::new();
    for args in [&["boot"][..], &["zzz"], &["zzz*"], &[]] {
        let output = vm_test(&fleet, &nix, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        text.push_str(&told(&fleet, &output));
    }
    with_filters(&fleet.filters(), || assert_snapshot!(text));
}

#[test]
fn what_is_wrong_in_files_is_told_with_line_and_nearest_word_before_anything_is_started() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[
        ("key.toml", &GOOD.replace("wait =", "wiat =")),
        (
            "machine.toml",
            &GOOD.replace("on = \"Web\"", "on = \"Wbe\""),
        ),
        ("generation.toml", &GOOD.replace("\"good\"", "\"goood\"")),
        (
            "host.toml",
            &GOOD.replace("[machines.Web]", "[machines.Web]\nhost = \"Wbe\""),
        ),
        ("syntax.toml", "title = \n"),
        ("right.toml", GOOD),
    ]);
    let mut text = String::new();
    for args in [
        &["--check"][..],
        &["--all"],
        &["key", "right"],
        &["ho*"],
        &["machine-Web"],
    ] {
        let output = vm_test(&fleet, &nix, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        text.push_str(&told(&fleet, &output));
    }
    // Nobody asked for the others.
    let output = vm_test(&fleet, &nix, &["--check", "right"]);
    text.push_str(&told(&fleet, &output));
    with_filters(&fleet.filters(), || assert_snapshot!(text));
}

#[test]
fn numbers_that_are_none_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for args in [
        ["--jobs", "0"],
        ["--jobs", "two"],
        ["--repeat", "0"],
        ["--timeout-scale", "0"],
        ["--timeout-scale", "nan"],
        ["--accel", "xen"],
    ] {
        let output = support::xtask(cache.path())
            .args(["vm-test", "x"])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        text.push_str(said.lines().next().unwrap());
        text.push('\n');
    }
    assert_snapshot!(text);
}

#[test]
fn a_folder_without_a_flake_and_a_fleet_without_scenarios_are_told_apart() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let empty = tempfile::tempdir().unwrap();
    let no_flake = empty.path().to_str().unwrap();
    let mut text = String::new();
    for args in [
        &["vm-test", "boot", "--flake", no_flake][..],
        &["vm-test", "boot", "--flake", "github:nobody/nothing"],
    ] {
        let output = fleet.xtask(&nix, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        text.push_str(&transcript(&output));
    }
    let output = vm_test(&fleet, &nix, &["--all"]);
    assert_eq!(output.status.code(), Some(2));
    text.push_str(&transcript(&output));
    let text = text.replace(no_flake, "[EMPTY]");
    with_filters(&fleet.filters(), || assert_snapshot!(text));
}

#[test]
fn a_scenario_that_git_does_not_know_is_not_played() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    fleet.write("tests/scenarios/new.toml", GOOD);
    let output = vm_test(&fleet, &nix, &["new"]);
    assert_eq!(output.status.code(), Some(2));
    with_filters(&fleet.filters(), || assert_snapshot!(transcript(&output)));
}

#[test]
fn without_a_nix_files_are_read_all_the_same() {
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let path = tempfile::tempdir().unwrap();
    for program in ["git", "sh"] {
        std::os::unix::fs::symlink(which::which(program).unwrap(), path.path().join(program))
            .unwrap();
    }
    let output = support::xtask(fleet.cache())
        .env("PATH", path.path())
        .args(["vm-test", "--check", "--flake"])
        .arg(fleet.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let mut filters = fleet.filters();
    filters.push((
        regex::escape(&path.path().display().to_string()),
        "[PATH]".to_owned(),
    ));
    with_filters(&filters, || assert_snapshot!(transcript(&output)));
}

#[test]
fn without_qemu_and_setup_the_cure_is_told() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let output = vm_test(&fleet, &nix, &["boots", "--no-setup"]);
    assert_eq!(output.status.code(), Some(69));
    with_filters(&fleet.filters(), || assert_snapshot!(transcript(&output)));
}

/// Tools for machines that only know their versions.
fn pretend_tools(fleet: &Fleet, qemu: &str) -> tempfile::TempDir {
    let tools = fleet.cache().join("tools/vm-trixie");
    let program = |path: &Path, printed: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for file in [
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "usr/share/OVMF/OVMF_VARS_4M.fd",
        "usr/bin/mtools",
        "usr/sbin/sfdisk",
        "usr/bin/qemu-img",
    ] {
        program(&tools.join(file), "");
    }
    let version = format!("QEMU emulator version {qemu}");
    program(&tools.join("usr/bin/qemu-system-x86_64"), &version);
    program(&tools.join("usr/sbin/mke2fs"), "mke2fs 1.47.2 (1-Jan-2025)");
    let path = tempfile::tempdir().unwrap();
    for (name, printed) in [
        ("mmdebstrap", "mmdebstrap 1.3.5"),
        ("ssh", "OpenSSH_9.2p1"),
        ("newuidmap", ""),
        ("deploy", "deploy-rs 1.0.0"),
        ("sops", "sops 3.11.0"),
        ("activate", ""),
    ] {
        program(&path.path().join(name), printed);
    }
    path
}

/// xtask on a machine with these programs in front of all others.
fn on(path: &Path, mut command: Command) -> Command {
    prepend_path(&mut command, path);
    command
}

#[test]
fn a_qemu_that_is_too_old_is_named_with_both_versions() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let path = pretend_tools(&fleet, "7.2.9 (Debian 1:7.2)");
    let output = on(path.path(), fleet.command(&nix, &["vm-test", "boots"]))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69), "{}", transcript(&output));
    with_filters(&fleet.filters(), || assert_snapshot!(transcript(&output)));
}

#[test]
fn a_full_disk_is_told_before_anything_is_fetched() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let path = pretend_tools(&fleet, "10.0.2");
    let machines = fleet.cache().join("machines");
    std::fs::create_dir_all(&machines).unwrap();
    // A small disk that only this process sees.
    let script = "mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\"";
    let inner = on(path.path(), fleet.command(&nix, &["vm-test", "boots"]));
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]);
    command
        .arg(&machines)
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("unshare") || said.contains("mount:") {
        skip(&format!(
            "no disk of its own can be mounted here: {}",
            said.trim()
        ));
        return;
    }
    assert_eq!(output.status.code(), Some(69), "{said}");
    let mut filters = fleet.filters();
    filters.push((r"image [0-9a-f]{32}".to_owned(), "image [HASH]".to_owned()));
    filters.push((
        r"has \d+ MiB free".to_owned(),
        "has [N] MiB free".to_owned(),
    ));
    with_filters(&filters, || assert_snapshot!(transcript(&output)));
}

#[test]
fn stage_nixos_is_what_opens_a_drivers_shell() {
    let Some(nix) = nix() else { return };
    let fleet = with_scenarios(&[("boots.toml", GOOD)]);
    let output = vm_test(&fleet, &nix, &["boots", "--interactive"]);
    assert_eq!(output.status.code(), Some(2));
    with_filters(&fleet.filters(), || assert_snapshot!(transcript(&output)));
}

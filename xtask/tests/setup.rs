//! Machines that lack something: what doctor says of them, and how a command ends that may not install it.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use support::{transcript, xtask};

/// A folder for PATH with programs that only know their version.
fn programs(versions: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, printed) in versions {
        let path = dir.path().join(name);
        // An absolute interpreter: nothing else is on this PATH.
        std::fs::write(&path, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

/// The program on a machine with these programs and an empty cache, as if nobody had set anything up.
fn on(path: &Path, cache: &Path) -> Command {
    let mut command = xtask(cache);
    command
        .env("PATH", path)
        .env_remove("NIX_REMOTE")
        .env_remove("NIX_CONF_DIR");
    command
}

fn with_redactions(cache: &Path, path: &Path, check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex::escape(&cache.display().to_string()), "[CACHE]");
    settings.add_filter(&regex::escape(&path.display().to_string()), "[PATH]");
    // What depends on this machine: its name, its user, its disks, whether that user can write /nix.
    settings.add_filter(r"(?m)^\S.* \((x86_64|aarch64)-linux\), as .*$", "[MACHINE]");
    settings.add_filter(
        r"(private Nix|Prometheus) on .*: its packages",
        "$1 on [MACHINE]: its packages",
    );
    settings.add_filter(r"\d+ MiB free", "[N] MiB free");
    settings.add_filter(
        r"(sudo )?apt-get install mmdebstrap openssh-client( uidmap)?",
        "apt-get install mmdebstrap openssh-client",
    );
    settings.add_filter(r"(?m)^(store  /nix \([^)]*\)): .*$", "$1: [FINDING]");
    settings.add_filter(r"(?m)^ /nix .*\n|, /nix|without root ", "");
    // Columns and rules are as wide as what was redacted.
    settings.add_filter(r"[─═]{5,}", "───");
    settings.add_filter(r" {2,}", "  ");
    settings.add_filter(r" +\n", "\n");
    settings.bind(check);
}

#[test]
fn without_a_nix_no_setup_says_how_to_get_one() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[]);
    let output = on(path.path(), cache.path())
        .args(["setup", "nix", "--no-setup"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    with_redactions(cache.path(), path.path(), || {
        assert_snapshot!(transcript(&output));
    });
    assert_eq!(
        cache.path().read_dir().unwrap().count(),
        0,
        "something was written"
    );
}

#[test]
fn a_nix_that_is_too_old_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[("nix", "nix (Nix) 2.8.0")]);
    let output = on(path.path(), cache.path())
        .args(["setup", "nix", "--no-setup"])
        .output()
        .unwrap();
    with_redactions(cache.path(), path.path(), || {
        assert_snapshot!(transcript(&output));
    });
}

#[test]
fn without_apt_a_private_nix_is_no_cure() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[]);
    let output = on(path.path(), cache.path())
        .args(["setup", "nix"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    let text = transcript(&output);
    assert!(text.contains("https://nixos.org/download"), "{text}");
    assert!(!cache.path().join("tools/nix-trixie").exists());
}

/// apt and dpkg as they would end on a machine in trouble.
fn apt_that(script: &str) -> tempfile::TempDir {
    let dir = programs(&[]);
    for name in ["apt-get", "dpkg-deb"] {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

/// Whether a private Nix could be installed here at all, as this user.
fn can_install() -> bool {
    let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists();
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let can = keyring && root;
    if !can {
        support::skip("a private Nix is installed in tests by root on a Debian only");
    }
    can
}

#[test]
fn a_full_disk_and_a_missing_network_are_told_with_the_cure() {
    if !can_install() {
        return;
    }
    let mut text = String::new();
    for complaint in [
        "E: Write error - write (28: No space left on device)",
        "E: Failed to fetch http://mirror.example/debian  Could not resolve mirror.example",
        "W: GPG error: The following signatures cannot be verified: NO_PUBKEY 6ED0E7B82643E131",
    ] {
        let cache = tempfile::tempdir().unwrap();
        let path = apt_that(&format!("echo '{complaint}' >&2; exit 100"));
        let output = on(path.path(), cache.path())
            .args(["setup", "nix"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(69), "{complaint}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let error = stderr
            .find("error: ")
            .unwrap_or_else(|| panic!("no error in {stderr}"));
        text.push_str(&stderr[error..].replace(&cache.path().display().to_string(), "[CACHE]"));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"trixie \(\S+\)", "trixie ([MIRROR])");
    settings.bind(|| assert_snapshot!(text));
}

#[test]
fn an_interrupted_installation_leaves_no_process_and_no_tool() {
    if !can_install() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let path = apt_that("echo $$ > \"$SLIPWAY_CACHE/pid\"; /bin/sleep 600 & wait");
    let child = on(path.path(), cache.path())
        .args(["setup", "nix"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let apt = read_pid(&cache.path().join("pid"));
    assert!(Path::new(&format!("/proc/{apt}")).exists());

    nix::sys::signal::kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", transcript(&output));
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("interrupted\n"));
    // The group that the stand-in for apt led, with its sleep.
    let group = nix::sys::signal::killpg(Pid::from_raw(apt), None);
    assert_eq!(group, Err(nix::errno::Errno::ESRCH));
    assert!(!cache.path().join("tools/nix-trixie").exists());
    // Nothing keeps the next run from going on: it comes as far as its apt.
    let path = apt_that("echo 'E: odd' >&2; exit 100");
    let output = on(path.path(), cache.path())
        .args(["setup", "nix"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("it exited 100:\nE: odd"), "{stderr}");
}

/// Waits until the process has told its id.
fn read_pid(file: &Path) -> i32 {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some(line) = text.strip_suffix('\n') {
            return line.parse().unwrap();
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "apt was never started"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_tool_has_its_own_word_when_setup_is_forbidden() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[("deploy", "Capistrano 3.17")]);
    let mut text = String::new();
    for tool in ["nix-newer", "deploy-rs", "act", "vm"] {
        let output = on(path.path(), cache.path())
            .args(["setup", tool, "--no-setup"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(69), "{tool}");
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    with_redactions(cache.path(), path.path(), || assert_snapshot!(text));
}

#[test]
fn doctor_tells_found_from_too_old_and_missing() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[
        ("git", "git version 2.39.5"),
        ("nix", "nix (Nix) 2.8.0"),
        ("cargo", "cargo 1.63.0 (fd9c4297c 2022-07-01)"),
        ("cargo-fmt", "rustfmt 1.5.1"),
        ("act", "act version 0.2.89"),
    ]);
    let output = on(path.path(), cache.path())
        .arg("doctor")
        .output()
        .unwrap();
    // Neither Nix nor apt: nothing can be built here.
    assert_eq!(output.status.code(), Some(69));
    with_redactions(cache.path(), path.path(), || {
        assert_snapshot!(transcript(&output));
    });
}

#[test]
fn doctor_speaks_json() {
    let cache = tempfile::tempdir().unwrap();
    let path = programs(&[("nix", "nix (Nix) 2.26.3"), ("git", "git version 2.39.5")]);
    let output = on(path.path(), cache.path())
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let nix = &document["tools"][0];
    assert_eq!(nix["name"], "nix");
    assert_eq!(nix["state"], "found");
    assert_eq!(nix["version"], "2.26");
    let builds = &document["commands"][0];
    assert_eq!(builds["name"], "build-all");
    // Where this user cannot use /nix, that stands in the way, and nothing else.
    let usable = document["store"]["usable"].as_bool().unwrap();
    assert_eq!(builds["works"], if usable { "now" } else { "no" });
    assert_eq!(output.status.code(), Some(if usable { 0 } else { 69 }));
}

#[test]
fn completions_are_for_the_program_on_path() {
    let cache = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = xtask(cache.path())
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("build-all"), "{shell}");
    }
}

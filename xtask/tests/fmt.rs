//! `xtask fmt` on a small repository: what it changes, what it leaves, what it says.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;
use support::{transcript, xtask};

/// A flake in a git repository; git knows of all but the file that is named last.
fn flake() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("flake.nix", "{ outputs = _: { }; }\n");
    write("ugly.nix", "{a=1;}");
    let git = |args: &[&str]| {
        let status = Command::new("git").args(args).current_dir(&dir).status();
        assert!(status.unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    write("untracked.nix", "{a=1;}");
    dir
}

fn fmt(dir: &Path, args: &[&str]) -> Output {
    let cache = tempfile::tempdir().unwrap();
    xtask(cache.path())
        .arg("fmt")
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn snapshot(dir: &Path, output: &Output) -> String {
    let dir = dir.canonicalize().unwrap();
    transcript(output).replace(&dir.display().to_string(), "[FLAKE]")
}

#[test]
fn check_tells_what_is_not_formatted_and_changes_nothing() {
    let dir = flake();
    let output = fmt(dir.path(), &["--check"]);
    assert_snapshot!(snapshot(dir.path(), &output), @r"
    exit 1
    --- stdout
    --- stderr
    [FLAKE]/ugly.nix: not formatted
    error: 1 of 2 Nix files not formatted as nixfmt does
    try: cargo xtask fmt
    ");
    let text = std::fs::read_to_string(dir.path().join("ugly.nix")).unwrap();
    assert_eq!(text, "{a=1;}");
}

#[test]
fn what_git_tracks_is_formatted_and_nothing_else() {
    let dir = flake();
    assert!(fmt(dir.path(), &[]).status.success());
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("ugly.nix"), "{ a = 1; }\n");
    assert_eq!(read("untracked.nix"), "{a=1;}");
    assert!(fmt(dir.path(), &["--check"]).status.success());
}

#[test]
fn what_is_no_nix_is_told_by_file_and_line() {
    let dir = flake();
    std::fs::write(dir.path().join("broken.nix"), "{\n  a = ;\n}\n").unwrap();
    let output = fmt(dir.path(), &["broken.nix"]);
    assert_snapshot!(snapshot(dir.path(), &output), @r"
    exit 1
    --- stdout
    --- stderr
    broken.nix:2:7: expected one of identifier, number, string, set, list, path, found ';'
    error: cannot format 1 file: not Nix
    ");
}

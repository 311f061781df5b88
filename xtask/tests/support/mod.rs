//! What the integration tests share: the Nix they run with, the program under test, and how a test says that it lacks
//! something (docs/testing.md).
#![allow(dead_code)] // Each test program uses its own share of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Says that this test, or a part of it, is not done; `cargo xtask test` counts these lines.
pub fn skip(why: &str) {
    println!("skip: {why}");
}

/// A Nix to test with.
#[derive(Debug, Clone)]
pub struct Nix {
    pub program: PathBuf,
    /// `2.26.3`
    pub version: String,
}

impl Nix {
    fn at(program: PathBuf) -> Self {
        let output = Command::new(&program).arg("--version").output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", program.display());
        let text = String::from_utf8(output.stdout).unwrap();
        let version = text.trim().rsplit(' ').next().unwrap().to_owned();
        Self { program, version }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--extra-experimental-features", "nix-command flakes"]);
        command
    }
}

/// The Nix that `cargo xtask test` provisions, else the one on PATH; none is a skip.
pub fn nix() -> Option<Nix> {
    let provided = std::env::var_os("SLIPWAY_TEST_NIX").map(PathBuf::from);
    let found = provided.or_else(|| which::which("nix").ok());
    if found.is_none() {
        skip("no Nix: neither SLIPWAY_TEST_NIX nor one on PATH");
    }
    found.map(Nix::at)
}

/// The newer Nix that `cargo xtask test` provisions; none is a skip.
pub fn newer_nix() -> Option<Nix> {
    let found = std::env::var_os("SLIPWAY_TEST_NIX_NEWER").map(PathBuf::from);
    if found.is_none() {
        skip("no second, newer Nix: SLIPWAY_TEST_NIX_NEWER is not set");
    }
    found.map(Nix::at)
}

/// Both, for what reads Nix's output.
pub fn all_nixes() -> Vec<Nix> {
    nix().into_iter().chain(newer_nix()).collect()
}

/// xtask as it was just built, with a cache of its own and with nothing of the caller's wishes.
pub fn xtask(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("SLIPWAY_CACHE", cache);
    command.env("SLIPWAY_STATE", cache.join("state"));
    for wish in [
        "SLIPWAY_FLAKE",
        "SLIPWAY_STAGE",
        "CI",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_OUTPUT",
    ] {
        command.env_remove(wish);
    }
    command
}

/// The cache with the machines that all tests share, if it has these tools, each by the beginning of its name; else a skip.
/// xtask is given this very folder: Nix takes no store below a symbolic link to it.
pub fn cache_with_machines(tools: &[&str]) -> Option<PathBuf> {
    let machines = std::env::var_os("HARNESS_CACHE").map(PathBuf::from);
    let Some(shared) = machines.and_then(|machines| Some(machines.parent()?.to_owned())) else {
        skip("no guests here: HARNESS_CACHE is not set");
        return None;
    };
    let there = entries(&shared.join("tools"));
    for tool in tools {
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(tool)
        };
        if !there.iter().any(is_it) {
            skip(&format!("no {tool} in {}", shared.display()));
            return None;
        }
    }
    Some(shared)
}

/// What is in a folder; nothing, if it is not there.
pub fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Exit code, stdout and stderr in one text, for snapshots.
pub fn transcript(output: &Output) -> String {
    let code = output
        .status
        .code()
        .map_or_else(|| "signal".to_owned(), |code| code.to_string());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("exit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
}

/// Puts a folder before all others of the PATH that a command was given.
pub fn prepend_path(command: &mut Command, folder: &Path) {
    let path = command
        .get_envs()
        .find_map(|(name, value)| value.filter(|_| name == "PATH"))
        .unwrap();
    let path = format!("{}:{}", folder.display(), path.to_str().unwrap());
    command.env("PATH", path);
}

/// A key pair of ssh's without a passphrase: `file`, and `file.pub`.
pub fn key_pair(file: &Path) {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

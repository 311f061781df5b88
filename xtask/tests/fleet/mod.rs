//! A small fleet in a git repository of its own, with a cache of its own.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{self, Nix};

pub struct Fleet {
    dir: TempDir,
    cache: TempDir,
}

impl Fleet {
    /// Files in a new repository; nothing is added to it yet.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let fleet = Self {
            dir: tempfile::tempdir().unwrap(),
            cache: tempfile::tempdir().unwrap(),
        };
        fleet.git(&["init", "--quiet", "--initial-branch", "main"]);
        for (path, text) in files {
            fleet.write(path, text);
        }
        fleet
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    /// Everything as it is now.
    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "next"]);
    }

    pub fn shallow_clone(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("file://{}", self.path().display());
        git(dir.path(), &["clone", "--quiet", "--depth", "1", &url, "."]);
        Self {
            dir,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    /// In the rehearsal stage: a test must not depend on whether there is a network.
    pub fn xtask(&self, nix: &Nix, args: &[&str]) -> Output {
        self.xtask_in("rehearsal", nix, args)
    }

    pub fn xtask_in(&self, stage: &str, nix: &Nix, args: &[&str]) -> Output {
        let mut all = vec!["--stage", stage];
        let own = self.path().to_str().unwrap();
        if !args.contains(&"--flake") {
            all.extend(["--flake", own]);
        }
        all.extend(args);
        xtask(self.cache.path(), nix, &all)
    }

    /// What differs from run to run.
    pub fn filters(&self) -> Vec<(String, String)> {
        let path = |dir: &TempDir| regex::escape(&dir.path().display().to_string());
        vec![
            (path(&self.dir), "[FLEET]".to_owned()),
            (path(&self.cache), "[CACHE]".to_owned()),
            (r"\b[0-9a-f]{10}\b".to_owned(), "[COMMIT]".to_owned()),
            (
                r"/nix/store/[0-9a-z]{32}-".to_owned(),
                "/nix/store/[HASH]-".to_owned(),
            ),
        ]
    }
}

/// xtask with this Nix on PATH, and no other.
pub fn xtask(cache: &Path, nix: &Nix, args: &[&str]) -> Output {
    let bin = cache.join("test-bin");
    std::fs::create_dir_all(&bin).unwrap();
    let link = bin.join("nix");
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link).unwrap();
    }
    std::os::unix::fs::symlink(&nix.program, &link).unwrap();
    let path = std::env::var("PATH").unwrap();
    support::xtask(cache)
        .args(args)
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .unwrap()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.org",
            "-C",
        ])
        .arg(dir)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

//! A repository with signed commits, and a signer that releases from it: real git, real ssh-keygen.
#![allow(dead_code)] // Each test program uses its own share of it.

use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use crate::fleet::{downstream, Fleet};
use crate::support::{key_pair, Nix};

pub struct Signer {
    pub fleet: Fleet,
    dir: TempDir,
}

impl Signer {
    /// A fleet whose commits so far are trusted; ann may do everything, bot may change flake.lock.
    pub fn new(nix: &Nix) -> Self {
        let signer = Self {
            fleet: downstream(),
            dir: tempfile::tempdir().unwrap(),
        };
        for key in ["ann", "bot", "eve", "forge", "release"] {
            key_pair(&signer.key(key));
        }
        let secret = nix
            .command()
            .args(["key", "generate-secret", "--key-name", "test-1"])
            .output()
            .unwrap();
        assert!(secret.status.success(), "{secret:?}");
        std::fs::write(signer.dir.path().join("nix.sec"), secret.stdout).unwrap();
        signer.configure("");
        signer
    }

    /// Writes the configuration, with more lines at its top.
    pub fn configure(&self, more: &str) {
        self.configure_for(&self.fleet, more);
    }

    /// The same for another repository than its own.
    pub fn configure_for(&self, fleet: &Fleet, more: &str) {
        let dir = self.dir.path().display();
        let trusted = fleet.git(&["rev-list", "--max-parents=0", "HEAD"]);
        let public = |name: &str| {
            std::fs::read_to_string(self.key(name).with_extension("pub"))
                .unwrap()
                .trim()
                .to_owned()
        };
        let text = format!(
            "repository = \"{}\"\nstate = \"{dir}/state\"\nrelease-key = \"{dir}/release\"\n\
             nix-key = \"{dir}/nix.sec\"\ntrusted = \"{trusted}\"\n{more}\n\
             [[signers]]\nname = \"ann\"\nkey = \"{}\"\n\
             [[signers]]\nname = \"bot\"\nkey = \"{}\"\npaths = [\"flake.lock\"]\n\
             [[signers]]\nname = \"forge\"\nkey = \"{}\"\npaths = [\"docs/**\"]\nmerges = \"clean\"\n",
            fleet.path().display(),
            public("ann"),
            public("bot"),
            public("forge"),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("signer.toml")
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What an allowed signers file says of the key that signs releases.
    pub fn release_signers(&self) -> String {
        let public = std::fs::read_to_string(self.key("release.pub")).unwrap();
        format!("signer {public}")
    }

    /// git as somebody who signs what they commit.
    pub fn git(&self, who: &str, args: &[&str]) {
        self.git_in(&self.fleet, who, args);
    }

    /// The same in another repository.
    pub fn git_in(&self, fleet: &Fleet, who: &str, args: &[&str]) {
        let key = format!("user.signingkey={}", self.key(who).display());
        let name = format!("user.name={who}");
        let config = [
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "-c",
            &name,
            "-c",
            "commit.gpgsign=true",
        ];
        fleet.git(&[&config, args].concat());
    }

    /// A signed commit that gives a file this text; its id.
    pub fn commit(&self, who: &str, file: &str, text: &str) -> String {
        self.commit_with(who, file, text, &format!("change {file}"))
    }

    pub fn commit_with(&self, who: &str, file: &str, text: &str, message: &str) -> String {
        self.fleet.write(file, text);
        self.fleet.git(&["add", "--all"]);
        self.git(who, &["commit", "--quiet", "--message", message]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.fleet.git(&["rev-parse", "HEAD"])
    }

    pub fn release(&self, nix: &Nix, args: &[&str]) -> Output {
        let config = self.config();
        let all = [&["release", "--config", config.to_str().unwrap()], args].concat();
        self.fleet.xtask(nix, &all)
    }
}

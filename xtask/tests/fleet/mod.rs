//! A small fleet in a git repository of its own, with a cache of its own.
#![allow(dead_code)] // Each test program uses its own share of it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{self, repository, transcript, Nix};

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

    /// This repository itself: every file that git tracks, as it is now. None is a skip.
    pub fn of_this_repository() -> Option<Self> {
        let listed = Command::new("git")
            .arg("-C")
            .arg(repository())
            .args(["ls-files", "-z"])
            .output()
            .unwrap();
        if !listed.status.success() {
            support::skip("this repository's files are in no git repository");
            return None;
        }
        let fleet = Self::new(&[]);
        for path in String::from_utf8(listed.stdout)
            .unwrap()
            .split_terminator('\0')
        {
            // Deleted, and git does not know it yet.
            if let Ok(text) = std::fs::read_to_string(repository().join(path)) {
                fleet.write(path, &text);
            }
        }
        fleet.commit();
        Some(fleet)
    }

    pub fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// In the rehearsal stage, to be changed before it is started.
    pub fn command(&self, nix: &Nix, args: &[&str]) -> Command {
        let own = self.path().to_str().unwrap();
        let mut command = command(self.cache.path(), nix);
        command
            .args(["--stage", "rehearsal", "--flake", own])
            .args(args);
        command
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

    /// Locks the inputs of a fleet that has Slipway as the only one; without that nothing is taken over from run to run.
    /// Slipway is then a copy in the folder that comes back: a repository with uncommitted changes cannot be locked.
    pub fn lock(&self, nix: &Nix) -> TempDir {
        let slipway = slipway();
        let own = format!("git+file://{}", repository().display());
        let copied = format!("path:{}", slipway.path().display());
        self.write("flake.nix", &self.read("flake.nix").replace(&own, &copied));
        self.commit();
        let mut lock = nix.command();
        lock.args(["flake", "lock"]).current_dir(self.path());
        let output = lock.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.commit();
        slipway
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
            // Whoever comes first after a change of the guard.
            (
                r"setup: compiling slipway-guard[^\n]*\n".to_owned(),
                String::new(),
            ),
            (
                r"/nix/store/[0-9a-z]{32}-".to_owned(),
                "/nix/store/[HASH]-".to_owned(),
            ),
        ]
    }
}

/// xtask with this Nix on PATH, and no other.
pub fn xtask(cache: &Path, nix: &Nix, args: &[&str]) -> Output {
    command(cache, nix).args(args).output().unwrap()
}

fn command(cache: &Path, nix: &Nix) -> Command {
    let bin = cache.join("test-bin");
    std::fs::create_dir_all(&bin).unwrap();
    let link = bin.join("nix");
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link).unwrap();
    }
    std::os::unix::fs::symlink(&nix.program, &link).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = support::xtask(cache);
    command.env("PATH", format!("{}:{path}", bin.display()));
    command
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

/// A stranger's flake: hosts of a function of their own, inputs that nobody locked, nothing of Slipway.
pub const STRANGER: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs =
    { self, nixpkgs }:
    {
      nixosConfigurations = builtins.mapAttrs (
        name: _:
        nixpkgs.lib.nixosSystem {
          modules = [
            (./machines + "/${name}")
            {
              networking.hostName = name;
              nixpkgs.hostPlatform = "x86_64-linux";
              system.stateVersion = "26.05";
              fileSystems."/" = {
                device = "/dev/vda1";
                fsType = "ext4";
              };
            }
          ];
        }
      ) (builtins.readDir ./machines);
      deploy.nodes.Web = {
        hostname = "web.example.org";
        sshUser = "admin";
        profiles.system.user = "root";
      };
    };
}
"#;

pub fn stranger(machines: &[(&str, &str)]) -> Fleet {
    let fleet = Fleet::new(&[("flake.nix", STRANGER)]);
    for (name, text) in machines {
        fleet.write(&format!("machines/{name}/default.nix"), text);
    }
    fleet.commit();
    fleet
}

/// Snapshots without what differs from run to run.
pub fn with_filters(filters: &[(String, String)], assert: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in filters {
        settings.add_filter(pattern, replacement.as_str());
    }
    settings.bind(assert);
}

/// Slipway as an input, as it is now: a repository with uncommitted changes cannot be locked, and one without may have
/// gigabytes in it that no flake needs.
pub fn slipway() -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    let mut copy = Command::new("cp");
    copy.current_dir(repository()).arg("--recursive");
    copy.args(["flake.nix", "flake.lock", "nix", "modules", "templates"]);
    // The guard's program is made of them.
    copy.args(["Cargo.toml", "Cargo.lock"]);
    assert!(copy.arg(copied.path()).status().unwrap().success());
    copied
}

/// A fleet as somebody makes it who has Slipway as the only input.
pub fn downstream() -> Fleet {
    let flake = format!(
        r#"{{
  inputs.slipway.url = "git+file://{}";
  outputs =
    inputs:
    inputs.slipway.lib.mkFleet {{
      inherit inputs;
      hosts = ./hosts;
      modules = [ {{ homelab.common.enable = true; }} ];
    }};
}}
"#,
        repository().display()
    );
    let fleet = Fleet::new(&[
        ("flake.nix", &flake),
        (
            "hosts/Web/default.nix",
            "{\n  homelab = {\n    host.description = \"Web server\";\n    deploy.targetHost = \"10.0.0.1\";\n  };\n}\n",
        ),
        (
            "hosts/Base/default.nix",
            "# What others start from.\n{\n  homelab = {\n    host.description = \"Base\";\n    deploy.enable = false;\n  };\n}\n",
        ),
    ]);
    fleet.commit();
    fleet
}

/// The document that a command prints.
pub fn document(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", transcript(output)))
}

/// Much of a host that `downstream` has, changed.
pub const AFTER: &str = r#"{ pkgs, ... }:
{
  homelab.host.description = "Web server";
  homelab.deploy.targetHost = "10.0.0.1";
  environment.systemPackages = [ pkgs.git pkgs.curl ];
  boot.kernelParams = [ "quiet" ];
  systemd.services.new = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/true"; };
  systemd.services.kept = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/false"; };
  users.users.ann = { isNormalUser = true; extraGroups = [ "wheel" ]; home = "/home/annie"; };
  users.users.cleo = { isNormalUser = true; };
  security.sudo.extraRules = [ { users = [ "cleo" ]; commands = [ "ALL" ]; } ];
}
"#;

/// Hosts of a fleet that has Slipway as it is here, and what `apply` makes of their configurations.
pub fn applied(nix: &Nix, hosts: &[(&str, &str)], apply: &str) -> serde_json::Value {
    let flake = format!(
        "{{\n  inputs.slipway.url = \"git+file://{}\";\n  outputs =\n    inputs:\n    inputs.slipway.lib.mkFleet {{\n      \
         inherit inputs;\n      hosts = ./hosts;\n      modules = [ {{ homelab.common.enable = true; }} ];\n    }};\n}}\n",
        repository().display()
    );
    let fleet = Fleet::new(&[("flake.nix", &flake)]);
    for (name, text) in hosts {
        fleet.write(&format!("hosts/{name}/default.nix"), text);
    }
    fleet.commit();
    let stand_in = format!("path:{}", repository().join("nix/rehearsal").display());
    let mut command = nix.command();
    command.args(["eval", "--json", "--no-write-lock-file"]);
    for input in ["nixpkgs", "deploy-rs", "sops-nix"] {
        command.args(["--override-input", &format!("slipway/{input}"), &stand_in]);
    }
    let output = command
        .arg(format!(
            "git+file://{}#nixosConfigurations",
            fleet.path().display()
        ))
        .args(["--apply", apply])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

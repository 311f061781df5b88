//! A host whose figures a test makes with the real collector, the tools that judge them, and what Production is built with.
#![allow(dead_code)] // Each test program uses its own share of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use guard::answer::{Activation, Ended, Entry, Event, Outcome, Purpose, ReleaseId};
use guard::history::History;
use guard::metrics::{self, Settings};
use guard::state::Store;
use guard::store_path::StorePath;
use guard::time::Time;
use serde_json::json;

use crate::fleet;
use crate::support::{repository, skip, transcript, Nix};

/// Where Debian's packages are unpacked; `cargo xtask test` says so.
pub fn unpacked() -> Option<PathBuf> {
    let folder = std::env::var_os("SLIPWAY_TEST_PROMETHEUS");
    if folder.is_none() {
        skip("no Prometheus: SLIPWAY_TEST_PROMETHEUS is not set");
    }
    folder.map(PathBuf::from)
}

/// A program of theirs.
pub fn tool(name: &str) -> Option<PathBuf> {
    Some(unpacked()?.join("usr/bin").join(name))
}

#[track_caller]
pub fn passes(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}{talk}");
    said
}

/// A host that the collector looks at: toplevels in the store, links in a folder, and a guard's state.
pub struct Host {
    dir: tempfile::TempDir,
    pub toplevels: BTreeMap<&'static str, StorePath>,
    /// The binary cache that it asks first; nobody answers there at first.
    pub cache: String,
}

impl Host {
    pub fn new(nix: &Nix) -> Self {
        let toplevel = |name: &'static str| {
            let script = format!("mkdir $out; for f in init initrd kernel-params; do echo same > $out/$f; done; \
                echo {} > $out/kernel; ln -s $out/kernel $out/kernel-modules; echo 26.05.{name} > $out/nixos-version",
                if name == "new-kernel" { "new" } else { "old" });
            let expression = format!(
                "derivation {{ name = \"nixos-system-Niko-{name}\"; system = builtins.currentSystem; \
                 builder = \"/bin/sh\"; args = [ \"-c\" \"export PATH=/usr/bin:/bin; {} \" ]; }}",
                script.replace('$', "\\$")
            );
            let mut build = nix.command();
            build.args([
                "build",
                "--impure",
                "--no-link",
                "--print-out-paths",
                "--expr",
                &expression,
            ]);
            (name, passes(&mut build).trim().parse().unwrap())
        };
        let host = Self {
            dir: tempfile::tempdir().unwrap(),
            cache: "http://127.0.0.1:9".to_owned(),
            toplevels: ["good", "other", "new-kernel"].map(toplevel).into(),
        };
        for (number, name) in [(1, "good"), (2, "new-kernel")] {
            host.link(&format!("system-{number}-link"), name);
        }
        host.runs("good", "good");
        host.link("booted", "good");
        host
    }

    pub fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn link(&self, link: &str, toplevel: &str) {
        let place = self.place(link);
        if place.symlink_metadata().is_ok() {
            std::fs::remove_file(&place).unwrap();
        }
        std::os::unix::fs::symlink(self.toplevels[toplevel].as_path(), place).unwrap();
    }

    pub fn runs(&self, running: &str, boot_default: &str) {
        self.link("running", running);
        self.link("system", boot_default);
    }

    pub fn store(&self) -> Store {
        Store::open(&self.place("state")).unwrap()
    }

    pub fn release(&self, counter: u64) -> ReleaseId {
        ReleaseId {
            commit: "0123456789abcdef".to_owned(),
            counter,
        }
    }

    pub fn confirm(&self, toplevel: &str, counter: u64) {
        let (path, release) = (&self.toplevels[toplevel], self.release(counter));
        self.store()
            .change(|state| state.confirm(path, Time::now(), Some(release)))
            .unwrap();
    }

    pub fn deployed(&self, toplevel: &str, outcome: Outcome) {
        self.store();
        let activation = Activation {
            id: "a".to_owned(),
            purpose: Purpose::Switch,
            by: "ci".to_owned(),
            began: Time::now(),
            toplevel: self.toplevels[toplevel].clone(),
            previous: None,
            release: Some(self.release(7)),
            ended: Some(Ended {
                at: Time::now(),
                outcome,
            }),
        };
        let entry = Entry {
            at: Time::now(),
            by: "ci".to_owned(),
            event: Event::Activation { activation },
        };
        History::new(&self.place("state")).append(&entry).unwrap();
    }

    /// What the collector writes.
    pub fn collected(&self) -> String {
        let settings: Settings = serde_json::from_value(json!({
            "loader": "other",
            "bootctl": "/bin/false",
            "testLeaseSeconds": 3600,
            "cache": { "url": self.cache, "curl": "/usr/bin/curl", "timeout": 2 },
            "places": {
                "profile": self.place("system"),
                "running": self.place("running"),
                "booted": self.place("booted"),
                "state": self.place("state"),
            },
        }))
        .unwrap();
        let file = self.place("nixos.prom");
        metrics::write(&settings, &file).unwrap();
        std::fs::read_to_string(file).unwrap()
    }
}

/// What Production's units run its monitoring with, built in the rehearsal stage.
pub struct Generated {
    cache: tempfile::TempDir,
}

impl Generated {
    pub fn build(nix: &Nix) -> Self {
        let generated = Self {
            cache: tempfile::tempdir().unwrap(),
        };
        let mut args = vec!["build-all", "Production", "--stage", "rehearsal"];
        let links = generated.links();
        args.extend(["--out-links", links.to_str().unwrap()]);
        args.extend(["--flake", repository().to_str().unwrap()]);
        let output = fleet::xtask(generated.cache.path(), nix, &args);
        assert!(output.status.success(), "{}", transcript(&output));
        generated
    }

    fn links(&self) -> PathBuf {
        self.cache.path().join("links")
    }

    /// What a service is started with, its program left out.
    pub fn arguments(&self, unit: &str) -> Vec<String> {
        let units = self.links().join("Production/etc/systemd/system");
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        let start = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        let words = start.unwrap().split_whitespace().skip(1);
        words.map(str::to_owned).collect()
    }

    /// The file that it reads.
    pub fn configuration(&self, unit: &str) -> PathBuf {
        let arguments = self.arguments(unit);
        let file = arguments
            .iter()
            .find_map(|it| it.strip_prefix("--config.file="));
        file.unwrap().into()
    }
}

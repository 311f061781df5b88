//! What the deploy workflow does, with the key that CI has and no other: it asks the builder for a release, and hands that
//! to hosts. The builder's door is the real guard's, behind a real sshd, and the real xtask is behind that.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod signer;
mod support;

use std::process::Output;

use fleet::{document, with_filters};
use guard::release::{ActionKind, Release, SignedRelease};
use loopback::{guarded, Loopback};
use signer::Signer;
use support::transcript;

/// A makes releases of this fleet, and B is deployed.
struct Pipeline {
    lab: Loopback,
    signer: Signer,
    /// What a workflow is given.
    key: String,
}

impl Pipeline {
    fn new() -> Option<Self> {
        let mut lab = Loopback::new(&[("A", 0), ("B", 1)])?;
        let signer = Signer::new(&lab.nix);
        signer.configure_for(&lab.fleet, "");
        lab.makes_releases("A", true);
        // The key is in the job's environment, and in no file.
        let key = std::fs::read_to_string(lab.client_key()).unwrap();
        std::fs::remove_file(lab.client_key()).unwrap();
        let pipeline = Self { lab, signer, key };
        pipeline.answers(&format!(
            "export NIX_CONF_DIR={}\nexec {} --stage rehearsal --no-setup --plain release --config {} \"$@\"",
            std::env::var("NIX_CONF_DIR").unwrap_or_else(|_| "/etc/nix".to_owned()),
            env!("CARGO_BIN_EXE_xtask"),
            pipeline.signer.config().display(),
        ));
        Some(pipeline.with_a_door())
    }

    /// What is behind the builder's door, from now on.
    fn answers(&self, script: &str) {
        let program = self.signer.key("makes-releases");
        guarded::write_program(&program, &format!("#!/bin/sh\n{script}\n"));
    }

    fn with_a_door(mut self) -> Self {
        let home = self.signer.key("home");
        std::fs::create_dir_all(&home).unwrap();
        let nix = self.lab.nix.program.parent().unwrap().display();
        let config = serde_json::json!({
            "program": self.signer.key("makes-releases"),
            "args": [],
            "path": format!("{nix}:/usr/bin:/bin"),
            "home": home,
        });
        let file = self.signer.key("builder.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let guard = guarded::program();
        let door = format!(
            "exec {} release --as ci --builder {}",
            guard.display(),
            file.display()
        );
        self.lab.force("A", &door);
        self.lab.stop("A");
        self.lab.start("A");
        self
    }

    /// Commits the fleet with this word in every system, and has ann sign it; its id.
    fn commit(&mut self, word: &str) -> String {
        self.lab.commit(word);
        let amend = ["commit", "--quiet", "--amend", "--no-edit"];
        self.signer.git_in(&self.lab.fleet, "ann", &amend);
        self.lab.fleet.git(&["rev-parse", "HEAD"])
    }

    /// As a job of a workflow.
    fn ci(&self, args: &[&str]) -> Output {
        let mut command = self.lab.command(args);
        command.env("DEPLOY_SSH_KEY", self.key.trim_end());
        command.output().unwrap()
    }
}

fn released(output: &Output) -> Release {
    assert!(output.status.success(), "{}", transcript(output));
    assert_eq!(schema::complaints("release", &document(output)), [""; 0]);
    let signed = SignedRelease::from_wire(&output.stdout).unwrap();
    Release::parse(&signed.release).unwrap()
}

#[test]
fn a_commit_is_released_by_the_builder_and_handed_to_hosts() {
    let Some(mut pipeline) = Pipeline::new() else {
        return;
    };
    let commit = pipeline.commit("second");
    let output = pipeline.ci(&["release", &commit, "--from"]);
    let release = released(&output);
    assert_eq!((release.commit.as_str(), release.counter), (&*commit, 1));
    assert_eq!(release.hosts["B"].action.kind, ActionKind::Switch);
    // What the builder says while it works is told as its own.
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("A: main of "), "{stderr}");

    let file = pipeline.lab.fleet.cache().join("release.json");
    std::fs::write(&file, &output.stdout).unwrap();
    let file = file.to_str().unwrap();
    let deployed = pipeline.ci(&["deploy", "--yes", "--json", "--release", file, "B"]);
    let outcome = &document(&deployed)["hosts"][0]["outcome"]["kind"];
    assert_eq!(outcome, "deployed", "{}", transcript(&deployed));
    assert_eq!(pipeline.lab.running("B"), "second");

    // A person who starts the workflow may have hosts boot into it.
    let booting = ["release", "main", "--from=A", "--boot", "always"];
    let release = released(&pipeline.ci(&booting));
    assert_eq!((release.commit.as_str(), release.counter), (&*commit, 2));
    assert_eq!(release.hosts["B"].action.kind, ActionKind::Boot);
}

#[test]
fn what_the_builder_does_not_release_is_told() {
    let Some(mut pipeline) = Pipeline::new() else {
        return;
    };
    let mut told = String::new();
    let mut tell = |what: &str, output: Output| {
        assert!(output.stdout.is_empty(), "{}", transcript(&output));
        told.push_str(&format!("==== {what}\n{}\n", transcript(&output)));
    };
    let good = pipeline.commit("second");
    let asks = ["release", &good, "--from"];
    tell("another key", {
        pipeline.lab.command(&asks).output().unwrap()
    });
    tell("no key", {
        let mut command = pipeline.lab.command(&asks);
        command
            .env("DEPLOY_SSH_KEY", "ssh-ed25519 AAAA")
            .output()
            .unwrap()
    });
    tell("no builder", pipeline.ci(&["release", "--from=C"]));
    tell("a host that is none", pipeline.ci(&["release", "--from=B"]));
    tell("no commit", pipeline.ci(&["release", "nothing", "--from"]));
    let first = released(&pipeline.ci(&asks));

    pipeline.lab.commit("third");
    tell(
        "a commit that nobody signed",
        pipeline.ci(&["release", "--from"]),
    );
    pipeline.answers("echo talk >&2; exit 3");
    tell("a program that fails", pipeline.ci(&["release", "--from"]));
    let old = pipeline.signer.state().join("releases/1.json");
    pipeline.answers(&format!("cat {}", old.display()));
    tell(
        "another commit's release",
        pipeline.ci(&["release", "--from"]),
    );
    pipeline.answers("echo {}");
    tell("no release", pipeline.ci(&["release", "--from"]));
    pipeline.lab.stop("A");
    tell("a builder that is off", pipeline.ci(&["release", "--from"]));

    assert_eq!(first.commit, good);
    let mut filters = pipeline.lab.filters();
    let dir = pipeline
        .signer
        .config()
        .parent()
        .unwrap()
        .display()
        .to_string();
    filters.push((regex::escape(&dir), "[SIGNER]".to_owned()));
    filters.push((r"SHA256:\S+".to_owned(), "SHA256:[KEY]".to_owned()));
    with_filters(&filters, || insta::assert_snapshot!("not_released", told));
}

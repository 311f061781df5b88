//! What the deploy workflow does, with the key that CI has and no other: it asks the builder for a release, and hands that
//! to hosts. The builder's door is the real guard's, behind a real sshd, and the real xtask is behind that.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod signer;
mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use fleet::{document, with_filters, Fleet};
use guard::release::{ActionKind, Release, SignedRelease};
use loopback::{guarded, Loopback};
use signer::Signer;
use support::{prepend_path, repository, skip, transcript};

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
        prepend_path(&mut command, &self.signer.key("spy"));
        command.env("DEPLOY_SSH_KEY", self.key.trim_end());
        command.output().unwrap()
    }

    /// What a program that CI's xtask starts finds in its environment, from now on: a file.
    fn spy(&self) -> PathBuf {
        let seen = self.signer.key("seen");
        std::fs::create_dir_all(self.signer.key("spy")).unwrap();
        let script = format!(
            "#!/bin/sh\nenv >>{}\nPATH=${{PATH#*:}} exec git \"$@\"\n",
            seen.display()
        );
        guarded::write_program(&self.signer.key("spy/git"), &script);
        seen
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
    let seen = pipeline.spy();
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

    // What xtask starts has the key in no variable.
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("DEPLOY_SSH_KEY"));

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

/// In place of `nix run XTASK --`: notes the command line and whether it has a tailnet's secret, and hands on what the next
/// step needs.
const XTASK: &str = r#"#!/bin/sh
shift 3
echo "$*${TAILNET_OAUTH_SECRET:+ (in a tailnet)}" >>CALLS
case $1 in
  matrix) printf 'matrix={"include":[{"host":"A","runner":"nix"}]}\nhosts=1\n' >>"$GITHUB_OUTPUT" ;;
  release) [ "$DEPLOY_SSH_KEY" = secret ] && echo '{}' ;;
  deploy) [ "$2" = --plan ] || test -s release.json ;;
esac
"#;

/// The unchanged workflow with the real act: what of xtask it calls, with each of its inputs, however a forge spells them.
#[test]
fn the_workflow_calls_what_it_was_asked_for() {
    let provided = std::env::var_os("SLIPWAY_TEST_ACT").map(PathBuf::from);
    let Some(act) = provided.or_else(|| which::which("act").ok()) else {
        return skip("no act: neither SLIPWAY_TEST_ACT nor one on PATH");
    };
    let fleet = Fleet::new(&[]);
    for name in ["build.yml", "deploy.yml"] {
        let file = format!(".forgejo/workflows/{name}");
        fleet.write(
            &file,
            &std::fs::read_to_string(repository().join(&file)).unwrap(),
        );
    }
    fleet.commit();
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(place("bin")).unwrap();
    let calls = place("calls").display().to_string();
    guarded::write_program(&place("bin/nix"), &XTASK.replace("CALLS", &calls));
    let run_with = |secrets: &[&str], event: &str, inputs: &str| {
        let document = format!(r#"{{"ref":"refs/heads/main"{inputs}}}"#);
        std::fs::write(place("event.json"), document).unwrap();
        let output = Command::new(&act)
            .args([event, "-W", ".forgejo/workflows/deploy.yml"])
            .args(["-P", "nix=-self-hosted", "--rm", "--no-cache-server", "-e"])
            .arg(place("event.json"))
            .args(["--env-file", "/dev/null", "--secret-file", "/dev/null"])
            .args(["--var-file", "/dev/null", "--input-file", "/dev/null"])
            .args(["-s", "DEPLOY_SSH_KEY=secret"])
            .args(secrets)
            .current_dir(fleet.path())
            .env_clear()
            .env("HOME", dir.path())
            .env("PATH", format!("{}:/usr/bin:/bin", place("bin").display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        let called = std::fs::read_to_string(&calls).unwrap();
        std::fs::remove_file(&calls).unwrap();
        // First everything is built, in a workflow of its own.
        let rest = called.strip_prefix("matrix\nbuild-all A\nreport --post\n");
        rest.unwrap_or(&called)
            .trim_end()
            .replace(&head(&fleet), "COMMIT")
    };
    let run = |event: &str, inputs: &str| run_with(&[], event, inputs);
    let deployed = |boot: &str, host: &str| {
        format!("release COMMIT --from --boot {boot}\ndeploy --yes --release release.json --{host}")
    };
    assert_eq!(run("push", ""), deployed("auto", ""));
    // Nothing but what reaches hosts is in their tailnet.
    let secret = ["-s", "TAILNET_OAUTH_SECRET=tskey-client-x"];
    let in_a_tailnet: String = deployed("auto", "")
        .lines()
        .map(|line| format!("{line} (in a tailnet)\n"))
        .collect();
    assert_eq!(run_with(&secret, "push", ""), in_a_tailnet.trim_end());
    let asked = |inputs: &str| run("workflow_dispatch", &format!(r#","inputs":{{{inputs}}}"#));
    assert_eq!(run("workflow_dispatch", ""), deployed("auto", ""));
    let all = r#""host":"Niko","boot":"always","plan-only":"#;
    for no in ["false", "\"false\""] {
        assert_eq!(asked(&format!("{all}{no}")), deployed("always", " Niko"));
    }
    for yes in ["true", "\"true\""] {
        let planned = asked(&format!("{all}{yes}"));
        assert_eq!(planned, "deploy --plan --boot always -- Niko");
    }
    // Whoever may start the workflow chooses a host, and no option.
    let host = asked(r#""host":"--local""#);
    assert_eq!(host, deployed("auto", " --local"));
}

fn head(fleet: &Fleet) -> String {
    fleet.git(&["rev-parse", "HEAD"])
}

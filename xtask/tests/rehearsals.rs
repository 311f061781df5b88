//! `ci-local --deploy rehearsal`: this repository's own workflow deploys a commit to a machine in place of the host, which
//! boots one that asks for it and takes a broken one back, and the builder refuses one that nobody signed.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{entries, repository, skip, transcript, Nix};

/// A clone of this repository whose commits are ann's.
struct Clone {
    dir: tempfile::TempDir,
}

impl Clone {
    fn new() -> Self {
        let clone = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let key = clone.place("ann");
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key));
        run(Command::new("git")
            .args(["clone", "--quiet", "--shared"])
            .arg(repository())
            .arg(clone.root()));
        // Whatever is checked out here is main there.
        clone.git(&["checkout", "--quiet", "-B", "main"]);
        for (name, value) in [
            ("user.name", "ann"),
            ("user.email", "ann@example.org"),
            ("gpg.format", "ssh"),
            ("user.signingKey", &key.display().to_string()),
        ] {
            clone.git(&["config", name, value]);
        }
        clone.git(&["checkout", "--quiet", "-b", "test-Testing"]);
        clone
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.place("fleet")
    }

    fn git(&self, args: &[&str]) {
        run(Command::new("git").arg("-C").arg(self.root()).args(args));
    }

    /// A commit that gives Testing this line of configuration, with this in the last paragraph of its message.
    fn commit(&self, line: &str, trailer: &str, signed: bool) {
        let host = self.root().join("hosts/Testing/default.nix");
        let configured = std::fs::read_to_string(repository().join("hosts/Testing/default.nix"));
        let (before, end) = configured.as_deref().unwrap().rsplit_once('}').unwrap();
        std::fs::write(host, format!("{before}  {line}\n}}{end}")).unwrap();
        self.git(&["add", "--all"]);
        let sign = if signed {
            "--gpg-sign"
        } else {
            "--no-gpg-sign"
        };
        let message = format!("{line}\n\n{trailer}");
        self.git(&["commit", "--quiet", sign, "--message", &message]);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Played by `cargo xtask test machines`.
mod with_a_machine {
    use super::*;

    /// The cache of all tests, where it has what is needed.
    fn cache() -> Option<PathBuf> {
        let cache = support::cache_with_machines(&["act-", "deploy-rs-"])?;
        if !Path::new("/usr/sbin/sshd").exists() {
            skip("no sshd: openssh-server is not installed");
            return None;
        }
        Some(cache)
    }

    /// A flake whose app is the xtask that was just built: the commit's would have to be compiled first.
    fn program(clone: &Clone, nix: &Nix) -> String {
        let added = nix
            .command()
            .args([
                "store",
                "add",
                "--name",
                "xtask",
                env!("CARGO_BIN_EXE_xtask"),
            ])
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
        let folder = clone.place("xtask");
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            "{{ outputs = _: {{ apps.x86_64-linux.default = {{ type = \"app\"; program = \"{}\"; }}; }}; }}\n",
            String::from_utf8(added.stdout).unwrap().trim()
        );
        std::fs::write(folder.join("flake.nix"), text).unwrap();
        format!("path:{}", folder.display())
    }

    fn ci_local(clone: &Clone, cache: &Path, program: &str, args: &[&str]) -> Output {
        support::xtask(cache)
            .args(["--no-setup", "--plain"])
            .args(["ci-local", "--deploy", "rehearsal"])
            .args(["--workflow", "deploy.yml", "--json"])
            .args(args)
            .env("SLIPWAY_STATE", clone.place("state"))
            .env("SLIPWAY_XTASK", program)
            .env("CARGO_TARGET_DIR", clone.place("target"))
            .current_dir(clone.root())
            .output()
            .unwrap()
    }

    /// What a run has while it goes on: its own folder, and that of its machines.
    fn runs(cache: &Path) -> BTreeSet<PathBuf> {
        let machines = entries(&cache.join("machines/runs")).into_iter();
        let of_ours = machines.filter(|run| {
            let name = run.file_name().unwrap().to_string_lossy();
            name.starts_with("ci-local-")
        });
        of_ours
            .chain(entries(&cache.join("ci-local/runs")))
            .collect()
    }

    /// The guard as it was built here, which the clone's sources say, too: nothing is compiled.
    fn guard(clone: &Clone) {
        let folder = clone.place("target/debug");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(loopback::guarded::program(), folder.join("slipway-guard")).unwrap();
    }

    #[test]
    fn commits_are_deployed_booted_taken_back_and_not_released() {
        let Some(cache) = cache() else { return };
        let Some(nix) = support::nix() else { return };
        let clone = Clone::new();
        let program = program(&clone, &nix);
        guard(&clone);
        let rehearse = |args: &[&str]| {
            let before = runs(&cache);
            let output = ci_local(&clone, &cache, &program, args);
            let document = fleet::document(&output);
            assert_eq!(schema::complaints("ci-local", &document), [""; 0]);
            // Nothing of the run is left.
            let left: Vec<_> = runs(&cache).difference(&before).cloned().collect();
            assert!(left.is_empty(), "{left:?}");
            (output, document)
        };
        let deploys = |document: &serde_json::Value| {
            let jobs = document["workflows"][0]["jobs"].as_array().unwrap();
            jobs.iter()
                .find(|job| job["job"] == "deploy")
                .unwrap()
                .clone()
        };
        let generation =
            |text: &str| format!("environment.etc.slipway-generation.text = \"{text}\\n\";");

        clone.commit(&generation("good"), "", true);
        let (output, document) = rehearse(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
        let machine = &document["machines"][0];
        assert_eq!(
            (&machine["host"], &machine["state"]),
            (&"Testing".into(), &"equal".into())
        );
        assert_eq!(machine["running"], machine["wanted"]);
        assert_ne!(machine["running"], machine["installed"]);
        assert_eq!(machine["rebooted"], false);

        clone.commit(&generation("booted"), "Deploy: boot", true);
        let host = [
            "--event",
            "dispatch",
            "--ref",
            "main",
            "--input",
            "host=Testing",
        ];
        let (output, document) = rehearse(&host);
        assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
        let machines = document["machines"].as_array().unwrap();
        let booted: Vec<_> = machines
            .iter()
            .filter(|it| it["rebooted"] == true)
            .collect();
        assert_eq!(booted.len(), 1, "{machines:?}");
        assert_eq!(
            (&booted[0]["host"], &booted[0]["state"]),
            (&"Testing".into(), &"equal".into())
        );
        assert_eq!(booted[0]["running"], booted[0]["wanted"]);
        let others = machines.iter().filter(|it| it["host"] != "Testing");
        assert!(others.clone().count() > 0 && others.clone().all(|it| it["state"] == "leftOut"));

        clone.commit(
            "homelab.deploy.healthChecks.never = { command = \"false\"; retries = 0; };",
            "",
            true,
        );
        let (output, document) = rehearse(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
        let machine = &document["machines"][0];
        assert_eq!(machine["state"], "asBefore", "{}", transcript(&output));
        assert_eq!(machine["running"], machine["installed"]);
        let job = deploys(&document);
        assert_eq!(job["state"], "failed");
        let told = job["lastLines"].to_string();
        assert!(told.contains("never"), "{told}");

        clone.commit(&generation("unsigned"), "", false);
        let (output, document) = rehearse(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
        assert_eq!(document["machines"][0]["state"], "asBefore");
        let told = deploys(&document)["lastLines"].to_string();
        assert!(told.contains("not signed"), "{told}");
    }
}

//! `ci-local --deploy rehearsal`: this repository's own workflow deploys a commit to a machine in place of the host, which
//! takes a broken one back, and the builder refuses one that nobody signed.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{repository, skip, transcript, Nix};

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

    /// A commit that gives Testing this line of configuration.
    fn commit(&self, line: &str, signed: bool) {
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
        self.git(&["commit", "--quiet", sign, "--message", line]);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Played by `cargo xtask test machines`.
mod with_a_machine {
    use super::*;

    /// A cache of the test's own, with the tools and machines of the one that all share.
    fn cache(clone: &Clone) -> Option<PathBuf> {
        let machines = std::env::var_os("HARNESS_CACHE").map(PathBuf::from);
        let shared = machines.and_then(|machines| Some(machines.parent()?.to_owned()));
        let Some(shared) = shared else {
            skip("no guests here: HARNESS_CACHE is not set");
            return None;
        };
        let cache = clone.place("cache");
        std::fs::create_dir(&cache).unwrap();
        for name in ["tools", "machines"] {
            std::os::unix::fs::symlink(shared.join(name), cache.join(name)).unwrap();
        }
        let has = |tool: &str| {
            let all = std::fs::read_dir(cache.join("tools")).unwrap();
            all.flatten()
                .any(|it| it.file_name().to_string_lossy().starts_with(tool))
        };
        for tool in ["act-", "deploy-rs-"] {
            if !has(tool) {
                skip(&format!("no {tool} in {}", cache.display()));
                return None;
            }
        }
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

    fn ci_local(clone: &Clone, cache: &Path, program: &str) -> Output {
        support::xtask(cache)
            .args([
                "ci-local",
                "--deploy",
                "rehearsal",
                "--workflow",
                "deploy.yml",
                "--json",
            ])
            .env("SLIPWAY_XTASK", program)
            .env("CARGO_TARGET_DIR", clone.place("target"))
            .current_dir(clone.root())
            .output()
            .unwrap()
    }

    /// The guard as it was built here, which the clone's sources say, too: nothing is compiled.
    fn guard(clone: &Clone) {
        let folder = clone.place("target/debug");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(loopback::guarded::program(), folder.join("slipway-guard")).unwrap();
    }

    #[test]
    fn a_push_is_deployed_a_broken_one_is_taken_back_and_an_unsigned_one_is_not_released() {
        let clone = Clone::new();
        let Some(cache) = cache(&clone) else { return };
        let Some(nix) = support::nix() else { return };
        let program = program(&clone, &nix);
        guard(&clone);
        let rehearse = || {
            let output = ci_local(&clone, &cache, &program);
            let document = fleet::document(&output);
            assert_eq!(schema::complaints("ci-local", &document), [""; 0]);
            // Nothing of the run is left.
            let left: Vec<_> = std::fs::read_dir(cache.join("ci-local/runs"))
                .unwrap()
                .collect();
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

        clone.commit(
            "environment.etc.slipway-generation.text = \"good\\n\";",
            true,
        );
        let (output, document) = rehearse();
        assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
        let machine = &document["machines"][0];
        assert_eq!(
            (&machine["host"], &machine["state"]),
            (&"Testing".into(), &"equal".into())
        );
        assert_eq!(machine["running"], machine["wanted"]);
        assert_ne!(machine["running"], machine["installed"]);

        clone.commit(
            "homelab.deploy.healthChecks.never = { command = \"false\"; retries = 0; };",
            true,
        );
        let (output, document) = rehearse();
        assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
        let machine = &document["machines"][0];
        assert_eq!(machine["state"], "asBefore", "{}", transcript(&output));
        assert_eq!(machine["running"], machine["installed"]);
        let job = deploys(&document);
        assert_eq!(job["state"], "failed");
        let told = job["lastLines"].to_string();
        assert!(told.contains("never"), "{told}");

        clone.commit(
            "environment.etc.slipway-generation.text = \"next\\n\";",
            false,
        );
        let (output, document) = rehearse();
        assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
        assert_eq!(document["machines"][0]["state"], "asBefore");
        let told = deploys(&document)["lastLines"].to_string();
        assert!(told.contains("not signed"), "{told}");
    }
}

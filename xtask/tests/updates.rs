//! `xtask update` with real git and real Nix, on a fleet whose input is a repository beside it: what is committed, what is
//! not, and that a checkout stays as it is.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod forge;
mod processes;
mod schema;
mod support;

use std::process::{Command, Output, Stdio};

use fleet::{document, stranger, with_filters, Fleet};
use forge::forge;
use insta::assert_snapshot;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use processes::{processes, wait_for};
use support::{key_pair, nix, transcript, Nix};

/// What the hosts are made of comes from the input `tools`.
const FLAKE: &str = r##"{
  inputs.tools.url = "git+file://TOOLS";
  outputs =
    { tools, ... }:
    let
      host = name: script: {
        config = {
          homelab.inventory = { inherit name; system = "x86_64-linux"; };
          system.build.toplevel = derivation {
            name = "nixos-system-${name}";
            system = "x86_64-linux";
            builder = "/bin/sh";
            PATH = "/usr/bin:/bin";
            args = [ "-c" "# NONCE\nmkdir $out; ${script}" ];
          };
        };
      };
    in
    {
      nixosConfigurations.Same = host "Same" "echo same > $out/kernel-params";
      nixosConfigurations.Web = host "Web" tools.web;
    };
}
"##;

struct Scene {
    nix: Nix,
    fleet: Fleet,
    tools: Fleet,
}

/// None without a Nix.
fn scene() -> Option<Scene> {
    let nix = nix()?;
    let tools = Fleet::new(&[]);
    let nonce = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let flake = FLAKE
        .replace("TOOLS", tools.path().to_str().unwrap())
        .replace("NONCE", &nonce.to_string());
    let scene = Scene {
        nix,
        tools,
        fleet: Fleet::new(&[("flake.nix", &flake), ("README.md", "ours\n")]),
    };
    scene.tools_make("echo 1 > $out/version");
    scene.fleet.git(&["add", "."]);
    let mut lock = scene.nix.command();
    lock.args(["flake", "lock"]).current_dir(scene.fleet.path());
    let output = lock.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    scene.fleet.commit();
    Some(scene)
}

impl Scene {
    /// A new revision of the input, with which Web is made like this.
    fn tools_make(&self, script: &str) {
        let text = format!("{{ outputs = _: {{ web = {script:?}; }}; }}\n");
        self.tools.write("flake.nix", &text);
        self.tools.commit();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fleet.command(&self.nix, &[&["update"], args].concat());
        for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
            command.env(format!("{name}_NAME"), "updates");
            command.env(format!("{name}_EMAIL"), "updates@example.org");
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.env_remove("SLIPWAY_SIGNING_KEY");
        command
    }

    fn update(&self, args: &[&str]) -> Output {
        let before = self.checkout();
        let output = self.command(args).output().unwrap();
        assert_eq!(self.checkout(), before);
        self.assert_clean();
        output
    }

    /// All that is checked out.
    fn checkout(&self) -> [String; 4] {
        let git = |args: &[&str]| self.fleet.git(args);
        [
            git(&["status", "--porcelain=v2", "--branch"]),
            git(&["diff", "HEAD"]),
            git(&["stash", "list"]),
            self.fleet.read("flake.lock"),
        ]
    }

    /// Nothing of an update is left but what it committed.
    fn assert_clean(&self) {
        let updates = self.fleet.cache().join("updates");
        let left = std::fs::read_dir(&updates).map_or(0, Iterator::count);
        assert_eq!(left, 0);
        assert_eq!(processes(updates.to_str().unwrap()), Vec::<String>::new());
    }

    fn branches(&self) -> String {
        let format = "--format=%(refname:short)";
        self.fleet.git(&["for-each-ref", format, "refs/heads"])
    }

    /// Without what differs from run to run.
    fn told(&self, output: &Output) -> String {
        let text = transcript(output);
        let (stdout, stderr) = text.split_once("--- stderr\n").unwrap();
        let told = stderr.lines().filter(|line| {
            // Of builds: with times, and in any order.
            !["Web", "Same", "comparing with"]
                .iter()
                .any(|it| line.starts_with(it))
        });
        let told: Vec<&str> = told.collect();
        self.stable(&format!("{stdout}--- stderr\n{}\n", told.join("\n")))
    }

    fn stable(&self, text: &str) -> String {
        let tools = self.tools.path().display().to_string();
        let text = text.replace(&tools, "[TOOLS]");
        let day = regex::Regex::new(r"\b\d{4}-\d\d-\d\d\b").unwrap();
        let log = regex::Regex::new(r"try: \S+nix log").unwrap();
        let text = log.replace_all(&text, "try: nix log");
        let id = regex::Regex::new(r"\b[0-9a-f]{40}\b").unwrap();
        let text = id.replace_all(&text, "[ID]");
        day.replace_all(&text, "[DAY]").into_owned()
    }

    fn assert_told(&self, name: &str, text: &str) {
        with_filters(&self.fleet.filters(), || assert_snapshot!(name, text));
    }
}

#[test]
fn an_update_is_committed_on_a_branch_of_its_own() {
    let Some(scene) = scene() else { return };
    scene.tools_make("echo 2 > $out/version; echo quiet > $out/kernel-params");
    // What is changed here and not committed is no part of it.
    scene.fleet.write("README.md", "changed\n");
    let output = scene.update(&[]);
    scene.assert_told("updated", &scene.told(&output));

    let branches = scene.branches();
    let branch = branches
        .lines()
        .find(|it| it.starts_with("update-"))
        .unwrap();
    let log = scene
        .fleet
        .git(&["log", "-1", "--format=%an <%ae> %G?%n%B", branch]);
    scene.assert_told("updated_message", &scene.stable(&log));
    let range = format!("main..{branch}");
    let git = |args: &[&str]| scene.fleet.git(args);
    assert_eq!(git(&["rev-list", "--count", &range]), "1");
    assert_eq!(git(&["diff", "--name-only", "main", branch]), "flake.lock");
    let lock = git(&["show", &format!("{branch}:flake.lock")]);
    let newest = scene.tools.git(&["rev-parse", "HEAD"]);
    assert!(lock.contains(&newest), "{lock}");

    // The same day again: the branch is there.
    let again = scene.update(&[]);
    scene.assert_told("branch_is_there", &scene.told(&again));
    let other = scene.update(&["tools", "--branch", "other", "--json"]);
    let document = document(&other);
    assert_eq!(schema::complaints("update", &document), [""; 0]);
    assert_eq!(document["commit"]["branch"], "other");
    assert_eq!(document["commit"]["signed"], false);
    assert_eq!(document["hosts"][0]["diff"], serde_json::Value::Null);
    assert_eq!(document["hosts"][1]["reboot"]["kind"], "due");
    assert_eq!(git(&["rev-parse", "other^"]), git(&["rev-parse", "main"]));
}

#[test]
fn nothing_to_update_is_said() {
    let Some(scene) = scene() else { return };
    let output = scene.update(&[]);
    scene.assert_told("nothing_to_update", &scene.told(&output));
    assert_eq!(scene.branches(), "main");
    let document = document(&scene.update(&["--json"]));
    assert_eq!(schema::complaints("update", &document), [""; 0]);
}

#[test]
fn a_host_that_no_longer_builds_is_named_and_nothing_is_committed() {
    let Some(scene) = scene() else { return };
    scene.tools_make("echo why it fails >&2; exit 3");
    let output = scene.update(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    scene.assert_told("no_longer_builds", &scene.told(&output));
    assert_eq!(scene.branches(), "main");
}

#[test]
fn what_is_wrong_is_told_before_anything_is_built() {
    let Some(scene) = scene() else { return };
    scene.tools_make("exit 3");
    let mut all = String::new();
    let mut refuse = |args: &[&str], code| {
        let output = scene.update(args);
        assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
        all.push_str(&format!("==== {}\n{}", args.join(" "), scene.told(&output)));
    };
    refuse(&["tolls"], 2);
    refuse(&["--branch", "main"], 2);
    refuse(&["--branch", "test-Web"], 2);
    refuse(&["--branch", "a..b"], 2);
    refuse(&["--propose"], 2);
    scene.fleet.git(&["config", "gpg.format", "ssh"]);
    scene
        .fleet
        .git(&["config", "user.signingKey", "/nowhere.pub"]);
    refuse(&[], 1);
    scene.fleet.git(&["config", "commit.gpgSign", "false"]);
    let lock = scene.fleet.read("flake.lock");
    scene
        .fleet
        .write("flake.lock", &lock.replace(": 7", ":  7"));
    refuse(&[], 2);
    assert_eq!(scene.branches(), "main");
    scene.assert_told("refused", &all);
}

#[test]
fn an_input_that_cannot_be_had_is_told() {
    let Some(scene) = scene() else { return };
    std::fs::remove_dir_all(scene.tools.path()).unwrap();
    let output = scene.update(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("cannot update tools: nix flake update exited 1"),
        "{stderr}"
    );
    std::fs::create_dir_all(scene.tools.path()).unwrap();
}

#[test]
fn a_commit_is_signed_with_the_key_that_is_set() {
    let Some(scene) = scene() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    key_pair(&file);
    let key = file.display().to_string();
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let allowed = dir.path().join("allowed");
    std::fs::write(&allowed, format!("updates {public}")).unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    let verdict = |branch: &str| {
        let show = ["-c", &setting, "log", "-1", "--format=%G? %GS", branch];
        scene.fleet.git(&show)
    };
    scene.tools_make("echo 2 > $out/version");

    // As a bot has it: the key itself, which a forge's settings rob of its last line feed.
    let text = std::fs::read_to_string(&key).unwrap();
    let output = scene
        .command(&["--branch", "by-bot"])
        .env("SLIPWAY_SIGNING_KEY", text.trim_end())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    assert!(!transcript(&output).contains(&text[50..90]));
    assert_eq!(verdict("by-bot"), "G updates");
    scene.assert_clean();

    // As a person has it.
    scene.fleet.git(&["config", "gpg.format", "ssh"]);
    scene.fleet.git(&["config", "user.signingKey", &key]);
    let output = scene.update(&["--branch", "by-person"]);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    assert_eq!(verdict("by-person"), "G updates");
    scene.fleet.git(&["config", "commit.gpgSign", "false"]);
    let output = scene.update(&["--branch", "by-nobody"]);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    assert_eq!(verdict("by-nobody"), "N");
}

#[test]
fn an_interrupt_leaves_everything_as_it_was() {
    let Some(scene) = scene() else { return };
    let gate = scene.fleet.cache().join("gate");
    let gate = gate.to_str().unwrap();
    scene.tools_make(&format!("while ! test -e {gate}; do sleep 0.1; done"));
    let before = scene.checkout();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let child = scene
            .command(&[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("builder", || !processes(gate).is_empty());
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", transcript(&output));
        assert_eq!(scene.checkout(), before);
        assert_eq!(scene.branches(), "main");
        assert_eq!(processes(gate), Vec::<String>::new());
        scene.assert_clean();
    }
}

#[test]
fn inputs_that_the_stage_replaces_are_left_as_they_are() {
    let Some(nix) = nix() else { return };
    let fleet = stranger(&[("Web", "{ }")]);
    let flake = fleet.read("flake.nix");
    let nowhere = "github:NixOS/nixpkgs?host=github.invalid";
    let flake = flake.replace("github:NixOS/nixpkgs/nixos-26.05", nowhere);
    fleet.write("flake.nix", &flake);
    let lock = r#"{"nodes":{"nixpkgs":{"locked":{"type":"github","host":"github.invalid","owner":"NixOS","repo":"nixpkgs",
      "rev":"c69ae8fb8faeb3472fd11234ba55a70ac3601f9b","lastModified":1787042014,
      "narHash":"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
      "original":{"type":"github","host":"github.invalid","owner":"NixOS","repo":"nixpkgs"}},
      "root":{"inputs":{"nixpkgs":"nixpkgs"}}},"root":"root","version":7}"#;
    fleet.write("flake.lock", lock);
    fleet.commit();
    let mut all = String::new();
    for (stage, args, code) in [
        ("rehearsal", ["update"].as_slice(), 0),
        ("rehearsal", &["update", "nixpkgs"], 69),
        ("auto", &["update"], 69),
    ] {
        let output = fleet.xtask_in(stage, &nix, args);
        assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
        let args = args.join(" ");
        all.push_str(&format!("==== {stage}: {args}\n{}", transcript(&output)));
    }
    with_filters(&fleet.filters(), || assert_snapshot!("replaced", all));
}

const REQUIRED: &str = r#"200 {"name": "main", "enable_status_check": true, "status_check_contexts": ["check / *", "build / *"]}"#;
const OURS: &str = r#"{"number": 7, "html_url": "https://git.example.org/me/fleet/pulls/7", "head": {"ref": "update-inputs"}, "base": {"ref": "main"}}"#;

impl Scene {
    /// Proposes, and comes back with what the forge was asked.
    fn propose(&self, answers: Vec<String>) -> (Output, String) {
        let (api, forge) = forge(answers);
        let before = self.checkout();
        let output = self
            .command(&["--branch", "update-inputs", "--propose", "--json"])
            .env("GITHUB_API_URL", api)
            .env("GITHUB_REPOSITORY", "me/fleet")
            .env("FORGEJO_TOKEN", "t0ken")
            .output()
            .unwrap();
        assert_eq!(self.checkout(), before);
        self.assert_clean();
        (output, self.stable(&forge.join().unwrap().join("\n")))
    }

    fn forget(&self) {
        let branch = "update-inputs";
        self.fleet
            .git(&["branch", "--quiet", "--delete", "--force", branch]);
    }
}

#[test]
fn a_proposal_merges_itself_or_waits() {
    let Some(scene) = scene() else { return };
    let origin = Fleet::new(&[]);
    let url = format!("file://{}", origin.path().display());
    scene.fleet.git(&["remote", "add", "origin", &url]);
    let pushed = || origin.git(&["rev-parse", "update-inputs"]);
    let here = || scene.fleet.git(&["rev-parse", "update-inputs"]);
    let answers = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();

    scene.tools_make("echo 2 > $out/version");
    let (created, scheduled) = (format!("201 {OURS}"), "201 {}");
    let first = answers(&["200 []", REQUIRED, &created, scheduled]);
    let (output, asked) = scene.propose(first);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let told = document(&output);
    assert_eq!(schema::complaints("update", &told), [""; 0]);
    assert_eq!(told["pullRequest"]["waits"], serde_json::json!([]));
    assert_eq!(pushed(), here());
    scene.assert_told("proposal_that_merges_itself", &asked);

    // The next one is to reboot: the same branch, the same pull request, and no longer by itself.
    scene.forget();
    scene.tools_make("echo 3 > $out/version; echo quiet > $out/kernel-params");
    let open = format!("200 [{OURS}]");
    let second = answers(&[&open, "204 ", REQUIRED, "201 {}"]);
    let (output, asked) = scene.propose(second);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let waits = document(&output)["pullRequest"]["waits"].clone();
    assert_eq!(waits, serde_json::json!(["a reboot is due on Web"]));
    assert_eq!(pushed(), here());
    scene.assert_told("proposal_that_waits", &asked);

    // A forge that waits for no checks, and one that has nothing to take back.
    scene.forget();
    scene.tools_make("echo 4 > $out/version");
    let bare =
        r#"200 {"name": "main", "enable_status_check": false, "status_check_contexts": null}"#;
    let third = answers(&[&open, "404 {}", bare, "201 {}"]);
    let (output, _) = scene.propose(third);
    let waits = document(&output)["pullRequest"]["waits"].clone();
    let why = "branch main does not require the checks of check and build";
    assert_eq!(waits, serde_json::json!([why]));

    // Somebody worked on the branch: that stays.
    scene.fleet.git(&["switch", "--quiet", "update-inputs"]);
    scene.fleet.write("hosts.nix", "{ }\n");
    scene.fleet.commit();
    scene
        .fleet
        .git(&["push", "--quiet", "origin", "update-inputs"]);
    let theirs = pushed();
    scene.fleet.git(&["switch", "--quiet", "main"]);
    scene.forget();
    let (output, asked) = scene.propose(Vec::new());
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    assert_eq!((pushed(), asked.as_str()), (theirs, ""));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("of origin changes hosts.nix, too"), "{said}");
}

#[test]
fn a_forge_that_refuses_is_told() {
    let Some(scene) = scene() else { return };
    let origin = Fleet::new(&[]);
    let url = format!("file://{}", origin.path().display());
    scene.fleet.git(&["remote", "add", "origin", &url]);
    scene.tools_make("echo 2 > $out/version");
    let refusal = r#"403 {"message":"token does not have the scope"}"#;
    let (output, _) = scene.propose(vec![refusal.to_owned()]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("cannot propose branch update-inputs"),
        "{said}"
    );
    assert!(said.contains("does not have the scope"), "{said}");
    assert!(!said.contains("t0ken"), "{said}");
    // Nothing was pushed before the forge had been asked.
    let branches = origin.git(&["for-each-ref", "refs/heads"]);
    assert_eq!(branches, "");
}

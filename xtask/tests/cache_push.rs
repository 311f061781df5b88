//! `cargo xtask cache push` and `cache gc`, with a cache that has a store of its own behind a real sshd and a Nix that
//! trusts nobody: what gets into it, and what stays.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod binary_cache;
mod fleet;
mod loopback;
mod schema;
mod signer;
mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use binary_cache::{key, Key, Server};
use fleet::{document, with_filters};
use loopback::{guarded::write_program, Loopback};
use serde_json::Value;
use signer::Signer;
use support::transcript;
use tempfile::TempDir;

/// Host A uses the cache that C serves. C's store is a folder of its own.
struct Scene {
    lab: Loopback,
    fleet_key: Key,
    other_key: Key,
    upstream_key: Key,
    upstream: Server,
    dir: TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let mut lab = Loopback::new(&[("A", 0), ("C", 1)])?;
        let dir = tempfile::tempdir().unwrap();
        let fleet_key = key(&lab.nix, dir.path(), "fleet-1");
        let other_key = key(&lab.nix, dir.path(), "other-1");
        let upstream_key = key(&lab.nix, dir.path(), "upstream-1");
        let cache = format!(
            "{{ cache = {{ url = \"http://127.0.0.1:9\"; publicKeys = [ \"{0}\" ]; trustedPublicKeys = [ \"{0}\" ]; \
             substituters = [ \"http://127.0.0.1:9\" ]; }}; }}",
            fleet_key.public
        );
        lab.inventory("A", &cache);
        let roots = dir.path().join("store/nix/var/nix/gcroots/slipway");
        std::fs::create_dir_all(&roots).unwrap();
        let serves = format!(
            "{{ binaryCache = {{ user = \"root\"; roots = \"{}\"; }}; }}",
            roots.display()
        );
        lab.inventory("C", &serves);
        lab.commit("first");
        let scene = Self {
            upstream: Server::start(),
            lab,
            fleet_key,
            other_key,
            upstream_key,
            dir,
        };
        scene.trusts(&[&scene.fleet_key, &scene.upstream_key]);
        Some(scene.restarted())
    }

    fn restarted(mut self) -> Self {
        self.lab.stop("C");
        self.lab.start("C");
        self
    }

    /// Whose signatures the cache's Nix takes, from C's next start on. Whoever logs in is nobody special to it.
    fn trusts(&self, keys: &[&Key]) {
        let keys: Vec<&str> = keys.iter().map(|key| key.public.as_str()).collect();
        let bin = self.dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let own = self.lab.nix.program.parent().unwrap();
        let daemon = format!(
            "#!/bin/sh\nexec {}/nix-daemon --force-untrusted \"$@\"\n",
            own.display()
        );
        write_program(&bin.join("nix-daemon"), &daemon);
        self.lab.force(
            "C",
            &format!(
                "export NIX_REMOTE='{0}' PATH={1}:$PATH XDG_CACHE_HOME={1}\nexport NIX_CONFIG='{2}\ntrusted-public-keys = {3}'\neval \"$SSH_ORIGINAL_COMMAND\"",
                self.store(),
                bin.display(),
                self.settings(),
                keys.join(" "),
            ),
        );
    }

    fn store(&self) -> String {
        format!("local?root={}/store", self.dir.path().display())
    }

    fn settings(&self) -> String {
        format!(
            "experimental-features = nix-command flakes daemon-trust-override\nsubstituters = {}\n\
             narinfo-cache-negative-ttl = 0",
            self.upstream.url
        )
    }

    fn xtask(&self, args: &[&str]) -> Output {
        self.lab.xtask(args)
    }

    /// `cache push --json` with the fleet's key; what it says of A.
    fn push(&self) -> Value {
        let secret = self.fleet_key.secret.to_str().unwrap();
        let output = self.xtask(&["cache", "push", "--key", secret, "--json"]);
        assert!(output.status.success(), "{}", transcript(&output));
        let told = document(&output);
        assert_eq!(schema::complaints("cache-push", &told), [""; 0]);
        assert_eq!(told["cache"], "C");
        assert_eq!(told["hosts"].as_array().unwrap().len(), 1, "{told}");
        told["hosts"][0].clone()
    }

    /// A commit, pushed; its system.
    fn pushed(&mut self, word: &str, generation: u64) -> String {
        self.lab.commit(word);
        let told = self.push();
        assert_eq!(told["generation"], generation, "{told}");
        told["toplevel"].as_str().unwrap().to_owned()
    }

    /// `cache gc --json --keep 1`; what it says of A: what is kept and why, and what is let go.
    fn collect(&self, more: &[&str]) -> String {
        let output = self.xtask(&[&["cache", "gc", "--json", "--keep", "1"], more].concat());
        assert!(output.status.success(), "{}", transcript(&output));
        let told = document(&output);
        assert_eq!(schema::complaints("cache-gc", &told), [""; 0]);
        let a = &told["hosts"][0];
        let kept = a["kept"].as_array().unwrap().iter();
        let kept = kept.map(|it| format!("{} {}", it["generation"], it["why"].as_str().unwrap()));
        let held = a["held"].as_array().unwrap().len();
        format!(
            "{} | {} | {held}",
            kept.collect::<Vec<_>>().join(", "),
            a["dropped"]
        )
    }

    fn in_store(&self) -> Command {
        let mut command = self.lab.nix.command();
        command.env("NIX_REMOTE", self.store());
        command.env("NIX_CONFIG", "substituters =");
        command
    }

    /// Whether the cache's Nix knows the path.
    fn has(&self, path: &str) -> bool {
        let output = self.in_store().args(["path-info", path]).output().unwrap();
        output.status.success()
    }

    fn signatures(&self, path: &str) -> String {
        let mut asked = self.in_store();
        let output = asked.args(["path-info", "--sigs", path]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn filters(&self) -> Vec<(String, String)> {
        let mut filters = self.lab.filters();
        let dir = regex::escape(&self.dir.path().display().to_string());
        filters.insert(0, (dir, "[CACHE]".to_owned()));
        filters
    }

    fn roots(&self) -> PathBuf {
        self.dir.path().join("store/nix/var/nix/gcroots/slipway")
    }
}

#[test]
fn what_is_pushed_is_signed_and_sent_once_and_kept() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let (system, profile) = scene.lab.built("A");
    // Nobody signed it, or somebody whom A does not trust: it does not leave.
    let unsigned = scene.xtask(&["cache", "push"]);
    assert_eq!(unsigned.status.code(), Some(1), "{}", transcript(&unsigned));
    let other = scene.other_key.secret.to_str().unwrap().to_owned();
    let foreign = scene.xtask(&["cache", "push", "A", "--key", &other]);
    assert_eq!(foreign.status.code(), Some(1), "{}", transcript(&foreign));
    assert!(!scene.roots().join("A").exists(), "nothing was begun");
    with_filters(&scene.filters(), || {
        insta::assert_snapshot!("not_signed", transcript(&foreign));
    });

    let first = scene.push();
    assert_eq!(first["generation"], 1);
    assert_eq!(first["sent"], first["paths"], "{first}");
    assert_eq!(first["toplevel"], system.as_str());
    assert_eq!(first["profile"], profile.as_str());
    for path in [&system, &profile] {
        assert!(scene.signatures(path).contains("fleet-1:"), "{path}");
    }
    // The same again is no generation of its own, and nothing is sent.
    let again = scene.push();
    assert_eq!(
        (&again["generation"], &again["sent"]),
        (&first["generation"], &Value::from(0))
    );
    let second = scene.pushed("second", 2);
    assert!(scene.has(&second) && second != system);
    // Signed by now, it needs no key.
    let text = scene.xtask(&["cache", "push"]);
    assert!(text.status.success(), "{}", transcript(&text));
    with_filters(&scene.filters(), || {
        insta::assert_snapshot!("pushed", transcript(&text));
    });
}

#[test]
fn the_cache_itself_takes_what_it_trusts_and_fetches_the_rest_from_upstream() {
    let Some(scene) = Scene::new() else { return };
    // Whatever the builder signs with: the cache knows the upstream's key only.
    scene.trusts(&[&scene.upstream_key]);
    let scene = scene.restarted();
    let secret = scene.fleet_key.secret.to_str().unwrap();
    let refused = scene.xtask(&["cache", "push", "--key", secret]);
    assert_eq!(refused.status.code(), Some(1), "{}", transcript(&refused));
    let (system, profile) = scene.lab.built("A");
    assert!(!scene.has(&system) && !scene.has(&profile));
    with_filters(&scene.filters(), || {
        insta::assert_snapshot!("not_taken", transcript(&refused));
    });

    // What upstream has, is fetched there, with upstream's signature; the rest is sent.
    let store = format!(
        "file://{}?compression=none&secret-key={}",
        scene.upstream.dir.path().display(),
        scene.upstream_key.secret.display()
    );
    let mut copy = scene.lab.nix.command();
    let copied = copy
        .args(["copy", "--to", &store, &system])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    scene.trusts(&[&scene.fleet_key, &scene.upstream_key]);
    let scene = scene.restarted();
    let told = scene.push();
    assert_eq!(
        (&told["sent"], told["paths"].as_u64() > Some(1)),
        (&Value::from(1), true),
        "{told}"
    );
    assert!(scene.signatures(&system).contains("upstream-1:"));
    assert!(scene.signatures(&profile).contains("fleet-1:"));
}

/// A copy leaves what is there as it is, and what nobody signed would be handed out like that.
#[test]
fn what_the_cache_had_unsigned_is_signed_there() {
    let Some(scene) = Scene::new() else { return };
    let (system, _) = scene.lab.built("A");
    let mut copy = scene.lab.nix.command();
    let copied = copy
        .args(["copy", "--no-check-sigs", "--to", &scene.store(), &system])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    assert!(!scene.signatures(&system).contains("fleet-1:"));
    let told = scene.push();
    assert_eq!(told["sent"], 1, "{told}");
    assert!(scene.signatures(&system).contains("fleet-1:"));
}

#[test]
fn a_deployment_says_what_the_cache_lacks_and_goes_on() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let dead = scene.xtask(&["deploy", "--plan"]);
    assert!(
        !transcript(&dead).contains("warning"),
        "{}",
        transcript(&dead)
    );
    scene.lab.commit("second");
    let dead = scene.xtask(&["deploy", "--plan"]);
    let told = "warning: the binary cache http://127.0.0.1:9 gives no answer: ";
    assert!(transcript(&dead).contains(told), "{}", transcript(&dead));
    assert!(dead.status.success());

    // One that answers.
    let client = format!(
        "{{ cache = {{ url = \"{0}\"; publicKeys = [ \"{1}\" ]; trustedPublicKeys = [ \"{1}\" ]; substituters = [ \"{0}\" ]; }}; }}",
        scene.upstream.url, scene.fleet_key.public
    );
    scene.lab.inventory("A", &client);
    scene.lab.commit("second");
    let (system, _) = scene.lab.built("A");
    let export = |options: &str| {
        let dir = scene.upstream.dir.path().display();
        let store = format!("file://{dir}?compression=none{options}");
        let mut copy = scene.lab.nix.command();
        let copied = copy.args(["copy", "--to", &store, &system]).output();
        assert!(copied.unwrap().status.success());
    };
    std::fs::write(
        scene.upstream.dir.path().join("nix-cache-info"),
        "StoreDir: /nix/store\n",
    )
    .unwrap();
    let warnings = |output: &Output| {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = stderr
            .lines()
            .skip_while(|line| !line.starts_with("warning"));
        let lines: Vec<&str> = lines.take(2).collect();
        lines.join("\n").replace(&scene.upstream.url, "[URL]")
    };
    let lacks = scene.xtask(&["deploy", "--plan"]);
    assert_eq!(
        warnings(&lacks),
        "warning: the binary cache [URL] lacks 1 path; A will get that over ssh\n  \
         try: on the builder: cargo xtask cache push A"
    );
    export("");
    let unsigned = warnings(&scene.xtask(&["deploy", "--plan"]));
    assert!(
        unsigned.contains(&format!(
            "[URL] has {system} without a signature that counts"
        )),
        "{unsigned}"
    );
    std::fs::remove_file(scene.upstream.narinfo(&system)).unwrap();
    export(&format!("&secret-key={}", scene.fleet_key.secret.display()));
    assert_eq!(warnings(&scene.xtask(&["deploy", "--plan"])), "");

    std::fs::remove_file(scene.upstream.narinfo(&system)).unwrap();
    let deployed = scene.xtask(&["deploy", "--yes", "A"]);
    assert!(deployed.status.success(), "{}", transcript(&deployed));
    assert!(warnings(&deployed).contains("lacks 1 path"));
    assert_eq!(scene.lab.running("A"), "second");
}

#[test]
fn a_collection_leaves_what_hosts_may_go_back_to() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let (first, _) = scene.lab.built("A");
    assert_eq!(scene.push()["generation"], 1);
    let second = scene.pushed("second", 2);
    let third = scene.pushed("third", 3);
    let fourth = scene.pushed("fourth", 4);
    assert_eq!(scene.lab.running("A"), "first");

    let planned = scene.collect(&["--plan"]);
    assert!(
        scene.has(&second) && scene.has(&third),
        "a plan takes nothing"
    );
    // A runs the first, whatever is kept besides.
    assert_eq!(scene.collect(&[]), planned);
    assert_eq!(planned, "4 newest, 1 needed | [2,3] | 0");
    let there = [&first, &second, &third, &fourth].map(|path| scene.has(path));
    assert_eq!(there, [true, false, false, true]);

    // Its rollback target is the generation of its profile before the one that it runs.
    let deployed = scene.xtask(&["deploy", "--yes", "A"]);
    assert!(deployed.status.success(), "{}", transcript(&deployed));
    assert_eq!(scene.lab.running("A"), "fourth");
    scene.pushed("fifth", 5);
    assert_eq!(scene.collect(&[]), "5 newest, 4 needed, 1 needed | [] | 0");
    assert!(scene.has(&first), "it can go back");

    // What it needs is kept, too, if no generation has it any more.
    std::fs::remove_dir_all(scene.roots().join("A/1")).unwrap();
    assert_eq!(scene.collect(&[]), "5 newest, 4 needed | [] | 1");
    assert!(scene.has(&first));
    let text = scene.xtask(&["cache", "gc", "--keep", "1"]);
    with_filters(&scene.filters(), || {
        insta::assert_snapshot!("collected", transcript(&text));
    });

    // One that does not answer loses nothing.
    scene.pushed("sixth", 6);
    scene.lab.stop("A");
    assert_eq!(
        scene.collect(&[]),
        "6 newest, 5 unknown, 4 unknown | [] | 0"
    );
    assert!(scene.has(&first), "nobody said that it is not needed");
    scene.lab.start("A");
    assert_eq!(scene.collect(&[]), "6 newest, 4 needed | [5] | 1");
}

#[test]
fn a_release_fills_the_cache_and_does_not_need_it() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let signer = Signer::new(&scene.lab.nix);
    signer.configure_for(&scene.lab.fleet, "");
    // Hosts trust the signer's key.
    let secret = std::fs::read(&scene.fleet_key.secret).unwrap();
    std::fs::write(signer.key("nix.sec"), secret).unwrap();
    let sign = |lab: &Loopback| {
        let amend = ["commit", "--quiet", "--amend", "--no-edit"];
        signer.git_in(&lab.fleet, "ann", &amend);
        lab.built("A").0
    };
    sign(&scene.lab);
    scene.lab.commit("second");
    let second = sign(&scene.lab);
    let config = signer.config();
    let release = ["release", "--config", config.to_str().unwrap()];
    let output = scene.xtask(&release);
    assert!(output.status.success(), "{}", transcript(&output));
    assert!(scene.has(&second), "{}", transcript(&output));
    assert!(scene.roots().join("A/1/profile").symlink_metadata().is_ok());

    // `cache push` on the signer takes its keys from the same file.
    scene.lab.commit("third");
    let third = sign(&scene.lab);
    let args = ["cache", "push", "--config", config.to_str().unwrap()];
    let pushed = scene.xtask(&args);
    assert!(pushed.status.success(), "{}", transcript(&pushed));
    assert!(scene.has(&third));

    scene.lab.stop("C");
    let without = scene.xtask(&release);
    assert!(without.status.success(), "{}", transcript(&without));
    let stderr = String::from_utf8_lossy(&without.stderr);
    let told =
        "warning: released without the binary cache: cannot reach the cache C: connection refused";
    assert!(stderr.contains(told), "{stderr}");
}

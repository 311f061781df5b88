//! Releases with real git, real ssh-keygen and real Nix: whose commits are taken, and what comes of them.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod schema;
mod signer;
mod support;

use std::process::{Command, Output, Stdio};

use guard::release::{ActionKind, Release, SignedRelease, NAMESPACE};

use fleet::document;
use signer::Signer;
use support::{nix, transcript};

/// What was released, if its signature holds.
fn released(signer: &Signer, output: &Output) -> Release {
    assert!(output.status.success(), "{}", transcript(output));
    let signed = SignedRelease::from_wire(&output.stdout).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (allowed, signature) = (dir.path().join("allowed"), dir.path().join("signature"));
    std::fs::write(&allowed, signer.release_signers()).unwrap();
    std::fs::write(&signature, &signed.signature).unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, &signed.release).unwrap();
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", "signer", "-n", NAMESPACE, "-f"])
        .arg(&allowed)
        .arg("-s")
        .arg(&signature)
        .stdin(Stdio::from(std::fs::File::open(&text).unwrap()))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    Release::parse(&signed.release).unwrap()
}

/// Why nothing was released: the lines about commits.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", transcript(output));
    assert!(output.stdout.is_empty(), "{}", transcript(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines = stderr.lines().filter(|line| line.starts_with("  "));
    let lines: Vec<&str> = lines
        .map(|line| line.trim().split_once(' ').unwrap().1)
        .collect();
    lines.join("\n")
}

const WEB: &str =
    "{ homelab.deploy.targetHost = \"10.0.0.1\"; environment.etc.motd.text = \"TEXT\"; }\n";

#[test]
fn a_signed_commit_becomes_a_release_that_hosts_can_check() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let first = signer.commit("ann", "hosts/Web/default.nix", WEB);
    let output = signer.release(&nix, &[]);
    let release = released(&signer, &output);
    assert_eq!(schema::complaints("release", &document(&output)), [""; 0]);
    let inner = serde_json::to_value(&release).unwrap();
    assert_eq!(schema::complaints("release-text", &inner), [""; 0]);
    assert_eq!(
        (release.commit.as_str(), release.counter),
        (first.as_str(), 1)
    );
    assert_eq!(release.expires.since(release.made).as_secs(), 7 * 24 * 3600);
    let hosts: Vec<&String> = release.hosts.keys().collect();
    assert_eq!(hosts, ["Web"], "Base is not deployable");
    let web = &release.hosts["Web"];
    assert_eq!(web.action.kind, ActionKind::Switch);
    assert!(!web.removes_guard);
    assert!(web.profile.join("deploy-rs-activate").exists());
    assert!(web.toplevel.join("bin/switch-to-configuration").exists());

    // Every path is signed, and kept.
    let info = nix
        .command()
        .args([
            "path-info",
            "--json",
            "--recursive",
            "--sigs",
            web.profile.as_str(),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(info.stdout).unwrap();
    let paths: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    for (path, info) in &paths {
        let signatures = info["signatures"].as_array().unwrap();
        let ours = signatures
            .iter()
            .any(|it| it.as_str().unwrap().starts_with("test-1:"));
        assert!(ours, "{path}: {info}");
    }
    assert!(paths.contains_key(web.toplevel.as_str()));
    let roots = std::fs::read_dir(signer.state().join("roots/1"))
        .unwrap()
        .count();
    assert_eq!(roots, 2);

    // The same commit again is another release, and a later one, too: the counter never stands still.
    signer.configure("valid-for = \"2h\"");
    let again = released(&signer, &signer.release(&nix, &[&first]));
    assert_eq!((again.counter, again.hosts), (2, release.hosts.clone()));
    assert_eq!(again.expires.since(again.made).as_secs(), 7200);
    let next = signer.commit_with(
        "ann",
        "hosts/Web/default.nix",
        &WEB.replace("TEXT", "next"),
        "x\n\nDeploy: boot",
    );
    let third = released(&signer, &signer.release(&nix, &["--removes-guard", "Web"]));
    assert_eq!((third.counter, third.commit), (3, next));
    assert_eq!(third.hosts["Web"].action.kind, ActionKind::Boot);
    assert!(third.hosts["Web"].removes_guard);
    assert_ne!(third.hosts["Web"].toplevel, web.toplevel);

    // What was released is not released again under what came after it.
    let back = transcript(&signer.release(&nix, &[&first]));
    assert!(back.contains("does not come after"), "{back}");
}

#[test]
fn a_test_branch_is_released_for_its_host_alone() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let main = signer.head();
    signer.fleet.git(&["checkout", "--quiet", "-b", "test-Web"]);
    let tried = signer.commit_with("ann", "hosts/Web/default.nix", WEB, "x\n\nDeploy: boot");
    for wanted in ["test-Web", &tried] {
        let release = released(&signer, &signer.release(&nix, &[wanted]));
        assert_eq!(release.commit, tried);
        assert_eq!(release.hosts["Web"].action.kind, ActionKind::Test);
        let lease = release.hosts["Web"].action.lease_seconds;
        assert_eq!(lease, None, "as long as Web says");
    }
    let leased = released(
        &signer,
        &signer.release(&nix, &["test-Web", "--for", "90m"]),
    );
    let lease = leased.hosts["Web"].action.lease_seconds;
    assert_eq!(lease, Some(5400));
    let kept = transcript(&signer.release(&nix, &["main", "--for", "90m"]));
    assert!(kept.contains("main goes to its hosts for good"), "{kept}");
    // It says nothing about main, which is where it was.
    signer.fleet.git(&["checkout", "--quiet", "main"]);
    assert_eq!(released(&signer, &signer.release(&nix, &[])).commit, main);
    let booting = transcript(&signer.release(&nix, &["test-Web", "--boot", "always"]));
    assert!(
        booting.contains("test-Web is tried on Web, which does not boot into it"),
        "{booting}"
    );
    let no_guard = transcript(&signer.release(&nix, &["test-Web", "--removes-guard", "Base"]));
    assert!(no_guard.contains("has no host `Base`"), "{no_guard}");
}

#[test]
fn every_commit_since_the_last_release_counts() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let start = signer.head();
    let reset = || signer.fleet.git(&["reset", "--quiet", "--hard", &start]);

    // A stranger's between two good ones.
    signer.commit("ann", "a", "1");
    signer.commit("eve", "b", "1");
    signer.commit("ann", "b", "2");
    let why = refused(&signer.release(&nix, &[]));
    assert!(
        why.starts_with("signed by an unknown key, SHA256:"),
        "{why}"
    );
    assert!(why.ends_with(": change b"), "{why}");

    reset();
    signer.fleet.write("a", "2");
    signer.fleet.commit();
    signer.commit("ann", "b", "2");
    assert_eq!(refused(&signer.release(&nix, &[])), "not signed: next");

    // A good one, edited.
    reset();
    let good = signer.commit("ann", "a", "3");
    let object = signer.fleet.git(&["cat-file", "commit", &good]);
    let file = signer.key("edited-commit");
    let written = |text: &str| {
        std::fs::write(&file, format!("{text}\n")).unwrap();
        let name = file.to_str().unwrap();
        signer
            .fleet
            .git(&["hash-object", "-t", "commit", "-w", name])
    };
    assert_eq!(written(&object), good);
    let forged = written(&object.replace("change a", "change all"));
    signer.fleet.git(&["reset", "--quiet", "--hard", &forged]);
    assert_eq!(
        refused(&signer.release(&nix, &[])),
        "its signature does not hold: change all"
    );

    // Who signs under another's name is who signs.
    reset();
    signer.fleet.write("a", "4");
    signer.fleet.git(&["add", "--all"]);
    signer.git(
        "eve",
        &[
            "-c",
            "user.name=ann",
            "commit",
            "--quiet",
            "--message",
            "as ann",
        ],
    );
    assert!(refused(&signer.release(&nix, &[])).contains("unknown key"));
    assert!(
        !signer.state().join("releases").exists(),
        "nothing was ever released"
    );
}

#[test]
fn a_bot_stays_in_its_paths() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let start = signer.head();
    let reset = || signer.fleet.git(&["reset", "--quiet", "--hard", &start]);

    signer.fleet.write("hosts/Web/default.nix", "{ }");
    signer.commit("bot", "flake.lock", "{}");
    assert_eq!(
        refused(&signer.release(&nix, &[])),
        "bot may not change hosts/Web/default.nix: change flake.lock"
    );

    reset();
    std::os::unix::fs::symlink(
        "hosts/Web/default.nix",
        signer.fleet.path().join("flake.lock"),
    )
    .unwrap();
    signer.fleet.git(&["add", "--all"]);
    signer.git("bot", &["commit", "--quiet", "--message", "link"]);
    assert_eq!(
        refused(&signer.release(&nix, &[])),
        "bot may not make flake.lock a link: link"
    );

    // Newer revisions are its business, other sources are not.
    reset();
    let lock = |owner: &str, rev: &str| {
        format!(
            r#"{{"version":7,"root":"root","nodes":{{"root":{{"inputs":{{"x":"x"}}}},"x":{{"locked":{{"type":"github","owner":"{owner}","repo":"x","rev":"{rev}"}}}}}}}}"#
        )
    };
    signer.commit("ann", "flake.lock", &lock("good", "1"));
    signer.commit("bot", "flake.lock", &lock("good", "2"));
    signer.commit("bot", "flake.lock", &lock("eve", "2"));
    assert_eq!(
        refused(&signer.release(&nix, &[])),
        "bot may not take sources from github:eve/x: change flake.lock"
    );

    // Renaming a file changes both names.
    reset();
    signer.fleet.git(&["mv", "flake.nix", "flake.lock"]);
    signer.git("bot", &["commit", "--quiet", "--message", "move"]);
    assert_eq!(
        refused(&signer.release(&nix, &[])),
        "bot may not change flake.nix: move"
    );
}

#[test]
fn rules_are_the_signers_and_never_the_commits() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    // Whatever names rules are given in the repository, they are files like any others.
    let eve = std::fs::read_to_string(signer.key("eve.pub")).unwrap();
    let own = std::fs::read_to_string(signer.config()).unwrap();
    let rules = own.replace(
        "[[signers]]\nname = \"bot\"",
        &format!(
            "[[signers]]\nname = \"eve\"\nkey = \"{}\"\n[[signers]]\nname = \"bot\"",
            eve.trim()
        ),
    );
    signer.fleet.write("signer.toml", &rules);
    signer.fleet.write(
        ".gitconfig",
        "[gpg \"ssh\"]\n\tallowedSignersFile = allowed_signers\n",
    );
    signer.fleet.write("allowed_signers", &format!("eve {eve}"));
    signer.commit("eve", "etc/slipway/signer.toml", &rules);
    let why = refused(&signer.release(&nix, &[]));
    assert!(why.starts_with("signed by an unknown key"), "{why}");
    // Nor does the environment of whoever asks matter, nor their git's configuration.
    let home = tempfile::tempdir().unwrap();
    let allowed = home.path().join("allowed");
    std::fs::write(&allowed, format!("ann {eve}")).unwrap();
    std::fs::write(
        home.path().join(".gitconfig"),
        format!(
            "[gpg \"ssh\"]\n\tallowedSignersFile = {}\n",
            allowed.display()
        ),
    )
    .unwrap();
    let config = signer.config();
    let mut command = signer
        .fleet
        .command(&nix, &["release", "--config", config.to_str().unwrap()]);
    command.env("HOME", home.path());
    assert!(refused(&command.output().unwrap()).starts_with("signed by an unknown key"));
}

#[test]
fn merges_are_taken_from_those_who_may_merge() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let start = signer.commit("ann", "a", "1");
    let fork = || {
        signer
            .fleet
            .git(&["checkout", "--quiet", "-B", "main", &start]);
        signer
            .fleet
            .git(&["checkout", "--quiet", "-B", "side", &start]);
    };
    let merge = |who: &str, evil: bool| {
        fork();
        signer.commit("ann", "side", "1");
        signer.fleet.git(&["checkout", "--quiet", "main"]);
        signer.commit("ann", "b", "1");
        signer.git(who, &["merge", "--quiet", "--no-ff", "--no-commit", "side"]);
        if evil {
            signer.fleet.write("hosts/Web/default.nix", "{ }");
            signer.fleet.git(&["add", "--all"]);
        }
        signer.git(who, &["commit", "--quiet", "--message", "merge"]);
        signer.release(&nix, &[])
    };
    assert_eq!(
        refused(&merge("bot", false)),
        "bot may not sign merges: merge"
    );
    let evil = refused(&merge("forge", true));
    assert!(
        evil.starts_with("forge may sign merges only as git makes them"),
        "{evil}"
    );
    assert!(refused(&merge("eve", false)).starts_with("signed by an unknown key"));

    // What came in by a merge is looked at, too.
    fork();
    signer.commit("eve", "side", "1");
    signer.fleet.git(&["checkout", "--quiet", "main"]);
    signer.git(
        "ann",
        &["merge", "--quiet", "--no-ff", "--message", "merge", "side"],
    );
    assert!(refused(&signer.release(&nix, &[])).ends_with(": change side"));

    released(&signer, &merge("forge", false));
}

#[test]
fn what_cannot_be_released_is_told() {
    let Some(nix) = nix() else { return };
    let signer = Signer::new(&nix);
    let main = signer.commit("ann", "hosts/Web/default.nix", WEB);
    released(&signer, &signer.release(&nix, &[]));
    signer.fleet.git(&["checkout", "--quiet", "-b", "topic"]);
    let topic = signer.commit("ann", "a", "1");
    signer.fleet.git(&["branch", "test-Wbe"]);
    signer.fleet.git(&["checkout", "--quiet", "main"]);
    let broken = signer.commit("ann", "hosts/Web/default.nix", "{ nope = 1; }");
    let mut told = String::new();
    let mut tell = |what: &str, output: Output| {
        told.push_str(&format!("==== {what}\n{}\n", transcript(&output)));
    };
    tell("a branch of another name", signer.release(&nix, &["topic"]));
    tell("half a commit id", signer.release(&nix, &[&main[..10]]));
    tell("no commit", signer.release(&nix, &[&"0".repeat(40)]));
    tell("no branch", signer.release(&nix, &["test-Web"]));
    tell("no host", signer.release(&nix, &["test-Wbe"]));
    tell("a host that does not evaluate", signer.release(&nix, &[]));
    signer.fleet.git(&["branch", "-D", "test-Wbe"]);
    tell(
        "a commit of another branch",
        signer.release(&nix, &[&topic]),
    );
    signer
        .fleet
        .git(&["reset", "--quiet", "--hard", &format!("{main}^")]);
    signer.commit("ann", "c", "1");
    tell("history that was written anew", signer.release(&nix, &[]));
    std::fs::remove_file(signer.config()).unwrap();
    tell("no signer", signer.release(&nix, &[]));
    let dir = signer.config().parent().unwrap().display().to_string();
    let mut filters = signer.fleet.filters();
    filters.push((regex::escape(&dir), "[SIGNER]".to_owned()));
    for (id, name) in [(&main, "MAIN"), (&topic, "TOPIC"), (&broken, "BROKEN")] {
        filters.insert(0, (id.clone(), format!("[{name}]")));
        filters.insert(1, (id[..10].to_owned(), format!("[{name}]")));
    }
    fleet::with_filters(&filters, || {
        insta::assert_snapshot!("release_refused", told)
    });
}

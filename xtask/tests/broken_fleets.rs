//! Fleets and references with something wrong in them, and how that is told.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod support;

use fleet::{stranger, with_filters, Fleet, STRANGER};
use support::{all_nixes, nix, transcript};

#[test]
fn a_host_that_does_not_evaluate_hides_no_other() {
    for nix in all_nixes() {
        let fleet = stranger(&[
            ("Aaa", "{ services.ngimx.enable = true; }"),
            ("Db", "{ }"),
            (
                "Thrown",
                "{ lib, ... }: { nixpkgs.hostPlatform = lib.mkForce (throw \"no platform yet\"); }",
            ),
            ("Web", "{ }"),
        ]);
        let output = fleet.xtask(&nix, &["hosts"]);
        assert_eq!(output.status.code(), Some(1));
        with_filters(&fleet.filters(), || {
            insta::assert_snapshot!("unhealthy_hosts", transcript(&output));
        });
        let json = fleet.xtask(&nix, &["hosts", "--json"]);
        let text = String::from_utf8(json.stdout).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            document["failed"]["Aaa"]["file"],
            "machines/Aaa/default.nix"
        );
        assert!(document["hosts"]["Web"].is_object());
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for nix in all_nixes() {
        let fleet = stranger(&[("Lost", "{ imports = [ ./gone.nix ]; }"), ("Web", "{ }")]);
        let output = transcript(&fleet.xtask(&nix, &["hosts"]));
        // The versions of Nix word it differently.
        assert!(output.contains("host Lost does not evaluate: "), "{output}");
        assert!(
            output.contains("machines/Lost/gone.nix' does not exist"),
            "{output}"
        );
    }
}

#[test]
fn failures_of_a_toplevel_are_told_with_file_and_message() {
    let Some(nix) = nix() else { return };
    let fleet = stranger(&[
        ("Assert", "{ assertions = [ { assertion = false; message = \"no disk\"; } { assertion = false; message = \"no\\nnetwork\"; } ]; }"),
        ("Conflict", "{ networking.hostName = \"other\"; }"),
        ("Db", "{ }"),
        ("Syntax", "{\n  a = 1;\n  b 3\n}\n"),
        ("Type", "{ services.nginx.enable = \"yes\"; }"),
    ]);
    let output = fleet.xtask(&nix, &["diff", "HEAD"]);
    assert_eq!(output.status.code(), Some(1));
    with_filters(&fleet.filters(), || {
        insta::assert_snapshot!(transcript(&output));
    });
    let traced = fleet.xtask(&nix, &["diff", "HEAD", "Type", "--show-trace"]);
    let text = String::from_utf8(traced.stdout).unwrap();
    assert!(text.contains("while evaluating the option"), "{text}");
}

#[test]
fn wrong_references_and_revisions_are_told_from_each_other() {
    let Some(nix) = nix() else { return };
    let fleet = stranger(&[("Web", "{ }")]);
    fleet.git(&["tag", "release-1"]);
    let no_flake = tempfile::tempdir().unwrap();
    let unknown = Fleet::new(&[("flake.nix", STRANGER)]);
    let plain = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(plain.path().join("machines/Web")).unwrap();
    std::fs::write(plain.path().join("machines/Web/default.nix"), "{ }").unwrap();
    std::fs::write(plain.path().join("flake.nix"), STRANGER).unwrap();
    let no_hosts = Fleet::new(&[("flake.nix", "{ outputs = _: { }; }")]);
    no_hosts.commit();
    let broken = Fleet::new(&[(
        "flake.nix",
        "{ outputs = _: { nixosConfigurations = 1 + \"a\"; }; }",
    )]);
    broken.commit();
    let path = |dir: &tempfile::TempDir| dir.path().display().to_string();

    let mut all = String::new();
    let cases: [(&str, &Fleet, &[&str]); 12] = [
        ("an unknown revision", &fleet, &["diff", "relase-1"]),
        ("a revision like no other", &fleet, &["diff", "zzzzzz"]),
        ("an unknown host", &fleet, &["diff", "HEAD", "Wbe"]),
        ("no such folder", &fleet, &["hosts", "--flake", "/nowhere"]),
        (
            "a folder without a flake",
            &fleet,
            &["hosts", "--flake", &path(&no_flake)],
        ),
        ("an output", &fleet, &["hosts", "--flake", ".#hosts"]),
        (
            "a scheme that Nix does not know",
            &fleet,
            &["hosts", "--flake", "nowhere:x"],
        ),
        ("a flake that git does not know", &unknown, &["hosts"]),
        (
            "a revision of a plain folder",
            &fleet,
            &["diff", "HEAD", "--flake", &path(&plain)],
        ),
        (
            "a plain folder",
            &fleet,
            &["hosts", "--flake", &path(&plain)],
        ),
        ("no hosts", &no_hosts, &["hosts"]),
        ("hosts that are none", &broken, &["hosts"]),
    ];
    for (what, fleet, args) in cases {
        let text = transcript(&fleet.xtask(&nix, args));
        all.push_str(&format!("## {what}\n{text}\n"));
    }
    let mut filters = fleet.filters();
    for dir in [&no_flake, &plain] {
        filters.push((regex::escape(&path(dir)), "[FOLDER]".to_owned()));
    }
    filters.extend(unknown.filters());
    filters.extend(no_hosts.filters());
    filters.extend(broken.filters());
    with_filters(&filters, || {
        insta::assert_snapshot!(all);
    });
}

//! What build-all takes over from earlier runs is what a fresh evaluation gives, whatever was edited in between.
#![allow(clippy::unwrap_used)]

mod fleet;
mod support;

use std::collections::BTreeMap;

use fleet::{downstream, Fleet};
use support::Nix;

/// Host and toplevel, and how many hosts were evaluated.
fn build(fleet: &Fleet, nix: &Nix, more: &[&str]) -> (BTreeMap<String, String>, u64) {
    let mut args = vec!["build-all", "--json", "-"];
    args.extend(more);
    let output = fleet.xtask(nix, &args);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let hosts = report["hosts"].as_array().unwrap().iter();
    let toplevels = hosts.map(|row| (text(&row["host"]), text(&row["toplevel"])));
    let evaluated = report["evaluation"]["evaluated"].as_u64().unwrap();
    (toplevels.collect(), evaluated)
}

/// Builds as usual, and compares with a run that takes nothing over. How many hosts were evaluated.
fn check(fleet: &Fleet, nix: &Nix, what: &str) -> u64 {
    let (toplevels, evaluated) = build(fleet, nix, &[]);
    let (fresh, _) = build(fleet, nix, &["--no-eval-cache"]);
    assert_eq!(toplevels, fresh, "{what}");
    evaluated
}

fn with_data(reads: &str) -> String {
    format!("{{ homelab.deploy.enable = false; environment.etc.data.text = {reads}; }}")
}

#[test]
fn what_is_taken_over_is_what_a_fresh_evaluation_gives() {
    let Some(nix) = support::nix() else { return };
    let fleet = downstream();
    let _slipway = fleet.lock(&nix);
    for host in ["Alpha", "Beta"] {
        fleet.write(
            &format!("hosts/{host}/default.nix"),
            &with_data("builtins.readFile ./data"),
        );
        fleet.write(&format!("hosts/{host}/data"), "one");
    }
    fleet.write("README.md", "one");
    fleet.commit();
    check(&fleet, &nix, "the beginning");
    assert_eq!(check(&fleet, &nix, "nothing changed"), 0);

    fleet.write("README.md", "two");
    assert_eq!(check(&fleet, &nix, "a document changed"), 0);
    fleet.commit();
    assert_eq!(check(&fleet, &nix, "a commit of it"), 0);

    fleet.write("hosts/Alpha/data", "two");
    assert_eq!(check(&fleet, &nix, "one host's data"), 1);

    // Each of these makes Alpha read what is Beta's, or what is nobody's; then that changes.
    for (reads, changes) in [
        ("builtins.readFile ../Beta/data", "hosts/Beta/data"),
        (
            "builtins.readFile (./.. + \"/Beta\" + \"/data\")",
            "hosts/Beta/data",
        ),
        ("builtins.readFile \"${../.}/Beta/data\"", "hosts/Beta/data"),
        (
            "builtins.readFile (./. + \"/../Beta/data\")",
            "hosts/Beta/data",
        ),
        ("builtins.readFile ../../README.md", "README.md"),
        (
            "toString (builtins.pathExists ../../local.nix)",
            "local.nix",
        ),
    ] {
        fleet.write("hosts/Alpha/default.nix", &with_data(reads));
        fleet.commit();
        check(&fleet, &nix, reads);
        fleet.write(changes, &format!("changed for {reads}"));
        fleet.git(&["add", "--intent-to-add", "."]);
        check(&fleet, &nix, &format!("{changes} changed for {reads}"));
    }
}

#[test]
fn links_and_what_git_overlooks_count() {
    let Some(nix) = support::nix() else { return };
    let fleet = downstream();
    fleet.write(
        "hosts/Alpha/default.nix",
        &with_data("builtins.readFile ./data"),
    );
    fleet.write("hosts/Alpha/data", "other");
    fleet.write("hosts/Alpha/other", "of other");
    fleet.commit();
    check(&fleet, &nix, "the beginning");

    // The same blob as the file had.
    let data = fleet.path().join("hosts/Alpha/data");
    std::fs::remove_file(&data).unwrap();
    std::os::unix::fs::symlink("other", &data).unwrap();
    fleet.commit();
    check(&fleet, &nix, "a file became a link");

    fleet.git(&["update-index", "--assume-unchanged", "hosts/Alpha/other"]);
    fleet.write("hosts/Alpha/other", "edited");
    check(&fleet, &nix, "assumed unchanged, tree clean");
    fleet.write("README.md", "edited");
    fleet.git(&["add", "--intent-to-add", "."]);
    check(&fleet, &nix, "assumed unchanged, tree dirty");
}

#[test]
fn inputs_that_nobody_locked_are_asked_for_again() {
    let Some(nix) = support::nix() else { return };
    let fleet = downstream();
    let _slipway = fleet.lock(&nix);
    let (_, first) = build(&fleet, &nix, &[]);
    std::fs::remove_file(fleet.path().join("flake.lock")).unwrap();
    fleet.commit();
    build(&fleet, &nix, &[]);
    let (_, again) = build(&fleet, &nix, &[]);
    assert_eq!(again, first, "every host is evaluated each time");
}

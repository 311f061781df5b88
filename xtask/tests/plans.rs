//! What `deploy --plan` says of a real fleet, without any host: another revision stands for what they run.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod schema;
mod support;

use fleet::{document, downstream, with_filters, Fleet, AFTER};
use support::{nix, transcript};

/// `downstream`, whose Web differs between `before` and `main`.
fn changed() -> Fleet {
    let fleet = downstream();
    fleet.git(&["tag", "before"]);
    fleet.write("hosts/Web/default.nix", AFTER);
    fleet.commit();
    fleet
}

#[test]
fn a_plan_needs_no_host() {
    let Some(nix) = nix() else { return };
    let fleet = changed();
    let plan = |more: &[&str]| {
        let args = [&["deploy", "--plan", "--against", "before"], more].concat();
        fleet.xtask(&nix, &args)
    };
    // Built, and what it costs is another matter.
    plan(&[]);
    let mut filters = fleet.filters();
    filters.push((r"evaluated in [0-9.]+ s".to_owned(), "evaluated".to_owned()));
    filters.push((r"[0-9.]+ KiB".to_owned(), "[SIZE]".to_owned()));
    with_filters(&filters, || {
        insta::assert_snapshot!("plan_main", transcript(&plan(&[])));
        insta::assert_snapshot!("plan_markdown", transcript(&plan(&["--markdown"])));
    });
    let main = document(&plan(&["--json"]));
    assert_eq!(schema::complaints("plan", &main), [""; 0]);
    assert_eq!(
        main["hosts"].as_array().unwrap().len(),
        1,
        "Base is not deployable"
    );

    // The same commit, under names that mean something else.
    fleet.git(&["branch", "test-Web"]);
    fleet.git(&["branch", "topic"]);
    let action = |more: &[&str]| {
        let plan = document(&plan(&[more, &["--json"]].concat()));
        assert_eq!(schema::complaints("plan", &plan), [""; 0]);
        plan["hosts"][0]["action"].clone()
    };
    let test = serde_json::json!({ "kind": "test" });
    assert_eq!(action(&["--ref", "test-Web"]), test);
    assert_eq!(action(&["--ref", "topic"])["kind"], "build");
    assert_eq!(action(&["--boot", "always"])["kind"], "boot");
    fleet.git(&[
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "x\n\nDeploy: boot",
    ]);
    assert_eq!(action(&[])["kind"], "boot");
    assert_eq!(action(&["--boot", "never"])["kind"], "switch");
    // A branch is what is deployed, whatever tag has its name.
    fleet.git(&["tag", "main", "before"]);
    assert_eq!(action(&[])["kind"], "boot");
    assert_eq!(action(&["--ref", "main"])["kind"], "boot");
}

#[test]
fn what_another_commit_evaluated_is_not_evaluated_again() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let _slipway = fleet.lock(&nix);
    fleet.write(
        "hosts/Mail/default.nix",
        "{ homelab.deploy.targetHost = \"10.0.0.2\"; }\n",
    );
    fleet.commit();
    let evaluated = || {
        let text = transcript(&fleet.xtask(&nix, &["deploy", "--plan"]));
        ["Mail", "Web"].map(|host| text.contains(&format!("{host}: evaluated in")))
    };
    assert_eq!(evaluated(), [true, true], "nobody knows them");
    assert_eq!(evaluated(), [false, false], "nothing changed");
    fleet.write("hosts/Web/default.nix", AFTER);
    fleet.commit();
    assert_eq!(evaluated(), [false, true], "another commit");
    fleet.git(&["checkout", "--quiet", "HEAD~"]);
    assert_eq!(evaluated(), [false, false], "the one before it");
}

#[test]
fn what_cannot_be_planned_is_told() {
    let Some(nix) = nix() else { return };
    let fleet = changed();
    for branch in ["test-Wbe", "test-Base", "test-Web"] {
        fleet.git(&["branch", branch]);
    }
    let plan = |args: &[&str]| {
        let args = [&["deploy", "--plan", "--against", "before"], args].concat();
        transcript(&fleet.xtask(&nix, &args))
    };
    let refused: Vec<String> = [
        vec!["--ref", "test-Wbe"],
        vec!["--ref", "test-Base"],
        vec!["--ref", "test-Web", "Base"],
        vec!["--ref", "mian"],
        vec!["Base"],
        vec!["Wbe"],
        vec!["--wave", "7"],
        vec!["--json", "--markdown"],
    ]
    .iter()
    .map(|args| format!("==== {}\n{}", args.join(" "), plan(args)))
    .collect();
    with_filters(&fleet.filters(), || {
        insta::assert_snapshot!("plan_refused", refused.join("\n"));
    });
}

#[test]
fn hosts_that_are_not_on_this_machine_are_not_asked_in_rehearsal() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let output = fleet.xtask(&nix, &["deploy", "--plan", "--json"]);
    let plan = document(&output);
    assert_eq!(schema::complaints("plan", &plan), [""; 0]);
    let why = plan["hosts"][0]["unreachable"].as_str().unwrap();
    assert!(why.contains("touches nothing but this machine"), "{why}");
}

//! Fleets of several kinds, read with real Nix: made by mkFleet, a stranger's, a large one, a shallow clone.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod schema;
mod support;

use fleet::{document, downstream, stranger, with_filters, Fleet, AFTER, STRANGER};
use support::{all_nixes, newer_nix, nix, repository, transcript};

#[test]
fn a_fleet_of_mkfleet_lists_its_hosts_and_nodes() {
    for nix in all_nixes() {
        let fleet = downstream();
        let run = |args: &[&str]| transcript(&fleet.xtask(&nix, args));
        with_filters(&fleet.filters(), || {
            insta::assert_snapshot!("downstream_hosts", run(&["hosts"]));
            insta::assert_snapshot!("downstream_hosts_json", run(&["hosts", "--json"]));
            insta::assert_snapshot!(
                "downstream_matrix",
                run(&["hosts", "list", "--format", "matrix"])
            );
            insta::assert_snapshot!("downstream_nodes", run(&["nodes"]));
            insta::assert_snapshot!("downstream_nodes_json", run(&["nodes", "--json"]));
        });
    }
}

#[test]
fn every_document_is_as_its_schema_says() {
    let Some(nix) = nix() else { return };
    let cache = tempfile::tempdir().unwrap();
    let own = repository().to_str().unwrap();
    let broken = stranger(&[("Bad", "{ nope = 1; }"), ("Web", "{ }")]);
    let changed = downstream();
    changed.git(&["tag", "before"]);
    changed.write("hosts/Web/default.nix", AFTER);
    changed.git(&["rm", "-rq", "hosts/Base"]);
    changed.write("hosts/New/default.nix", "{ nope = 1; }");
    changed.git(&["add", "."]);
    let stage = ["--stage", "rehearsal", "--flake", own];
    let run = |args: &[&str]| document(&fleet::xtask(cache.path(), &nix, &[&stage, args].concat()));
    let documents = [
        ("hosts", run(&["hosts", "--json"])),
        ("nodes", run(&["nodes", "--json"])),
        ("diff", run(&["diff", "HEAD", "--json"])),
        ("hosts", document(&broken.xtask(&nix, &["hosts", "--json"]))),
        ("nodes", document(&broken.xtask(&nix, &["nodes", "--json"]))),
        (
            "diff",
            document(&changed.xtask(&nix, &["diff", "before", "--json"])),
        ),
    ];
    for (name, document) in documents {
        let complaints = schema::complaints(name, &document);
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        let mut without = document.clone();
        without.as_object_mut().unwrap().remove("stage");
        without["more"] = true.into();
        assert_eq!(schema::complaints(name, &without).len(), 2, "{name}");
    }
}

#[test]
fn a_strangers_fleet_tells_what_it_can() {
    for nix in all_nixes() {
        let fleet = stranger(&[("Web", "{ }"), ("Db", "{ }")]);
        with_filters(&fleet.filters(), || {
            insta::assert_snapshot!("stranger_hosts", transcript(&fleet.xtask(&nix, &["hosts"])));
            insta::assert_snapshot!(
                "stranger_nodes",
                transcript(&fleet.xtask(&nix, &["nodes", "--json"]))
            );
        });
    }
}

#[test]
fn many_hosts_are_evaluated_in_several_processes() {
    let Some(nix) = nix() else { return };
    let names: Vec<String> = (0..90).map(|n| format!("h{n:03}")).collect();
    let machines: Vec<(&str, &str)> = names
        .iter()
        .map(|name| {
            let broken = name == "h070" || name == "h080";
            (name.as_str(), if broken { "{ nope = 1; }" } else { "{ }" })
        })
        .collect();
    let fleet = stranger(&machines);
    let output = fleet.xtask(&nix, &["hosts", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["hosts"].as_object().unwrap().len(), 88);
    assert_eq!(document["failed"].as_object().unwrap().len(), 2);
}

#[test]
fn a_file_that_git_does_not_know_is_told_of() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    fleet.write(
        "hosts/New/default.nix",
        "{ homelab.deploy.targetHost = \"10.0.0.9\"; }\n",
    );
    let output = transcript(&fleet.xtask(&nix, &["hosts"]));
    let warning = "warning: hosts/New/default.nix is not known to git, so Nix does not see it: git add hosts/New/default.nix";
    assert!(output.contains(warning), "{output}");
    assert!(!output.contains("10.0.0.9"), "{output}");
    fleet.git(&["add", "--intent-to-add", "."]);
    let output = transcript(&fleet.xtask(&nix, &["hosts"]));
    assert!(
        output.contains("10.0.0.9") && !output.contains("warning"),
        "{output}"
    );
}

#[test]
fn a_shallow_clone_is_a_fleet_too() {
    for nix in all_nixes() {
        let fleet = stranger(&[("Web", "{ }")]);
        fleet.write("README", "second\n");
        fleet.commit();
        let clone = fleet.shallow_clone();
        let output = clone.xtask(&nix, &["hosts", "--format", "matrix"]);
        assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
        let output = clone.xtask(&nix, &["diff", "HEAD"]);
        assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    }
}

#[test]
fn a_fleet_below_the_top_of_its_repository() {
    let Some(nix) = nix() else { return };
    let fleet = Fleet::new(&[
        ("nixos/flake.nix", STRANGER),
        ("nixos/machines/Web/default.nix", "{ }"),
        ("README", "\n"),
    ]);
    fleet.commit();
    let dir = fleet.path().join("nixos");
    let args = ["--flake", dir.to_str().unwrap(), "diff", "HEAD"];
    let output = fleet.xtask(&nix, &args);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
}

#[test]
fn both_versions_of_nix_are_different_ones() {
    if let (Some(nix), Some(newer)) = (nix(), newer_nix()) {
        assert_ne!(nix.version, newer.version);
    }
}

#[test]
fn the_table_of_hosts_in_the_documentation_is_current() {
    let Some(nix) = nix() else { return };
    let cache = tempfile::tempdir().unwrap();
    let repository = repository().to_str().unwrap();
    let args = [
        "--flake",
        repository,
        "--stage",
        "rehearsal",
        "hosts",
        "--format",
        "markdown",
    ];
    let output = fleet::xtask(cache.path(), &nix, &args);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let file = std::fs::read_to_string(support::repository().join("docs/hosts.md")).unwrap();
    let made = String::from_utf8(output.stdout).unwrap();
    assert!(
        file == made,
        "docs/hosts.md is not current; try: cargo xtask hosts --format markdown > docs/hosts.md"
    );
}

/// In the stage nixos, as far as names and derivations go: the stand-in that does not say that it is one.
#[test]
fn hydra_has_a_job_for_each_host_and_each_play() {
    let Some(nix) = nix() else { return };
    // `#.` is the flake itself, with all of its outputs.
    let named = tempfile::tempdir().unwrap();
    let stand_in = repository().join("nix/rehearsal");
    let flake = format!(
        "{{ inputs.standin.url = \"path:{}\"; outputs = {{ standin, ... }}: removeAttrs standin [ \"slipway\" ]; }}",
        stand_in.display()
    );
    std::fs::write(named.path().join("flake.nix"), flake).unwrap();
    let standing_in = format!("path:{}", named.path().display());
    let mut command = nix.command();
    command.args(["eval", "--json", "--no-write-lock-file"]);
    for input in ["nixpkgs", "deploy-rs", "sops-nix"] {
        command.args(["--override-input", input, &standing_in]);
    }
    let apply = "outputs: let names = builtins.attrNames; in {
      jobs = names outputs.hydraJobs.hosts;
      hosts = names outputs.nixosConfigurations;
      same = outputs.hydraJobs.hosts.Template.drvPath == outputs.nixosConfigurations.Template.config.system.build.toplevel.drvPath;
      plays = names outputs.hydraJobs.vmTests.x86_64-linux;
      scenarios = names outputs.scenarioGenerations;
    }";
    // Of the guard, which Template runs for its figures, nothing is compiled here.
    let crates = tempfile::tempdir().unwrap();
    std::fs::create_dir(crates.path().join("bin")).unwrap();
    std::fs::write(crates.path().join("bin/slipway-guard"), "").unwrap();
    let output = command
        .args(["--override-input", "nixpkgs/standin/crates"])
        .arg(format!("path:{}", crates.path().display()))
        .arg(format!("git+file://{}#.", repository().display()))
        .args(["--apply", apply])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["jobs"], found["hosts"]);
    assert_eq!(found["same"], true);
    let names = |key: &str| -> Vec<String> { serde_json::from_value(found[key].clone()).unwrap() };
    let plays = names("plays");
    let without: Vec<String> = names("scenarios")
        .into_iter()
        .filter(|name| {
            let of_it = |play: &&String| *play == name || play.starts_with(&format!("{name}-"));
            !plays.iter().any(|play| of_it(&play))
        })
        .collect();
    // tests/nixos/capabilities.toml: a network that the driver cannot shape.
    assert_eq!(without, ["harness-self", "substitute"]);
}

/// A job is asked of a test that is evaluated for it alone, and is that test's derivation.
#[test]
fn a_plays_job_is_the_plays_derivation() {
    let Some(nix) = nix() else { return };
    let root = repository().display();
    let expression = format!(
        "let
          lib = import {root}/nix/rehearsal/lib;
          test = name: derivation {{ inherit name; system = \"x86_64-linux\"; builder = \"/bin/sh\"; }};
          tests = lib.genAttrs [ \"one\" \"two\" ] test // {{ broken = throw \"nobody asks\"; }};
          jobs = import {root}/nix/play-jobs.nix {{ inherit lib; system = \"x86_64-linux\"; vmTests = _: tests; }};
        in {{
          names = lib.attrNames jobs;
          same = lib.all (name: jobs.${{name}}.drvPath == tests.${{name}}.drvPath && jobs.${{name}}.outPath == tests.${{name}}.outPath) [ \"one\" \"two\" ];
          job = {{ inherit (jobs.one) type name system outputs outputName; out = jobs.one.out.outPath == tests.one.outPath; }};
          differ = jobs.one.drvPath != jobs.two.drvPath;
        }}"
    );
    let mut eval = nix.command();
    eval.args(["eval", "--json", "--impure", "--expr", &expression]);
    let output = eval.output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["names"], serde_json::json!(["broken", "one", "two"]));
    assert_eq!(found["same"], true);
    assert_eq!(found["differ"], true);
    assert_eq!(
        found["job"],
        serde_json::json!({ "type": "derivation", "name": "one", "system": "x86_64-linux", "outputs": ["out"], "outputName": "out", "out": true })
    );
}

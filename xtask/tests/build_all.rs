//! `build-all` with real Nix: good hosts, failing ones among them, known ones, changed ones, too large ones.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod hosts;
mod schema;
mod support;

use std::process::Output;

use fleet::Fleet;
use hosts::{host, Host};
use serde_json::Value;
use support::{all_nixes, nix, repository, transcript, Nix};

const GOOD: &str = "echo good > $out";

/// The report, and that it is as its schema says.
fn report(output: &Output) -> Value {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", transcript(output)));
    assert_eq!(
        schema::complaints("build-all", &report),
        Vec::<String>::new()
    );
    report
}

fn build(fleet: &Fleet, nix: &Nix, args: &[&str]) -> Value {
    let all = [&["build-all", "--json", "-"], args].concat();
    report(&fleet.xtask(nix, &all))
}

/// What each host's row says of something.
fn each<'a>(report: &'a Value, field: &str) -> Vec<&'a Value> {
    let rows = report["hosts"].as_array().unwrap();
    rows.iter().map(|row| &row[field]).collect()
}

fn evaluated(report: &Value) -> u64 {
    report["evaluation"]["evaluated"].as_u64().unwrap()
}

/// The table, and the failures below the lines that come in any order.
fn told(fleet: &Fleet, output: &Output) -> String {
    let text = transcript(output);
    let (stdout, stderr) = text.split_once("--- stderr\n").unwrap();
    let talk: Vec<&str> = stderr
        .lines()
        .skip_while(|line| !line.starts_with("error: ") && !line.starts_with("note: "))
        .collect();
    let mut text = format!("{stdout}--- failures\n{}\n", talk.join("\n"));
    let filters = fleet.filters().into_iter().chain([
        (r" +\d+\.\d+\b(?: s\b)?".to_owned(), " [S]".to_owned()),
        // What hosts share counts for the one that comes first, which may be any.
        (r"\[S] +(?:\d+|-) ".to_owned(), "[S] [N] ".to_owned()),
        (r"try: \S+nix log".to_owned(), "try: nix log".to_owned()),
    ]);
    for (pattern, replacement) in filters {
        let pattern = regex::Regex::new(&pattern).unwrap();
        text = pattern
            .replace_all(&text, regex::NoExpand(&replacement))
            .into_owned();
    }
    text
}

/// A fleet as somebody makes it who has Slipway as the only input.
fn downstream() -> Fleet {
    let flake = format!(
        "{{\n  inputs.slipway.url = \"git+file://{}\";\n  outputs =\n    inputs:\n    inputs.slipway.lib.mkFleet {{\n      \
         inherit inputs;\n      hosts = ./hosts;\n      modules = [ ./site.nix ];\n    }};\n}}\n",
        repository().display()
    );
    let site = "{\n  homelab.common.enable = true;\n  homelab.site.domain = \"example.org\";\n}\n";
    let fleet = Fleet::new(&[("flake.nix", &flake), ("site.nix", site)]);
    for name in ["Web", "Db", "Mail"] {
        write_host(&fleet, name, "");
    }
    fleet.commit();
    fleet
}

fn write_host(fleet: &Fleet, name: &str, more: &str) {
    let path = format!("hosts/{name}/default.nix");
    let text = format!("{{\n  homelab.deploy.targetHost = \"{name}.example.org\";\n{more}}}\n");
    fleet.write(&path, &text);
}

#[test]
fn hosts_that_fail_do_not_stop_the_others() {
    let all = [
        Host {
            system: "aarch64-linux",
            ..host("Arm", GOOD)
        },
        Host {
            evaluation: "throw \"no such disk\"",
            ..host("Bad", GOOD)
        },
        host("Below", "echo UNIT > $out"),
        host("Fails", "echo before; exit 3"),
        host("Full", "cat /proc/version > /dev/full"),
        host("Good", GOOD),
        Host {
            evaluation: "let endless = endless; in endless",
            ..host("Recurses", GOOD)
        },
    ];
    for nix in all_nixes() {
        let fleet = hosts::fleet(&all);
        let first = fleet.xtask(&nix, &["build-all"]);
        insta::assert_snapshot!("failing_hosts", told(&fleet, &first));
        let again = build(&fleet, &nix, &["Good"]);
        assert_eq!(each(&again, "outcome"), ["alreadyBuilt"]);
        assert_eq!(evaluated(&again), 0);
    }
}

#[test]
fn a_host_of_another_system_fails_only_if_it_was_asked_for() {
    let Some(nix) = nix() else { return };
    let arm = Host {
        system: "riscv64-linux",
        ..host("Far", GOOD)
    };
    let fleet = hosts::fleet(&[host("Near", GOOD), arm]);
    let all = fleet.xtask(&nix, &["build-all"]);
    assert_eq!(all.status.code(), Some(0), "{}", transcript(&all));
    let named = fleet.xtask(&nix, &["build-all", "Far"]);
    assert_eq!(named.status.code(), Some(1));
    insta::assert_snapshot!("another_system", told(&fleet, &named));
}

#[test]
fn what_is_known_is_not_evaluated_again() {
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[host("A", GOOD), host("B", GOOD)]);
        let first = build(&fleet, &nix, &[]);
        assert_eq!(each(&first, "outcome"), ["built", "built"]);
        // The one that both need counts once.
        let built: u64 = each(&first, "pathsBuilt")
            .iter()
            .map(|it| it.as_u64().unwrap())
            .sum();
        assert_eq!(built, 3);
        let second = build(&fleet, &nix, &[]);
        assert_eq!(each(&second, "outcome"), ["alreadyBuilt", "alreadyBuilt"]);
        assert_eq!(evaluated(&second), 0);
        assert_eq!(each(&first, "toplevel"), each(&second, "toplevel"));
        assert_eq!(each(&first, "closureSize"), each(&second, "closureSize"));
        let third = build(&fleet, &nix, &["--no-eval-cache"]);
        assert_eq!(evaluated(&third), 2);
    }
}

#[test]
fn a_changed_host_is_evaluated_alone() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let _slipway = fleet.lock(&nix);
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 3);

    // The store has not seen it.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let changed = format!("  environment.etc.\"x\".text = \"{now}\";\n");
    write_host(&fleet, "Web", &changed);
    let report = build(&fleet, &nix, &[]);
    assert_eq!(evaluated(&report), 1);
    assert_eq!(
        each(&report, "outcome"),
        ["alreadyBuilt", "alreadyBuilt", "built"]
    );

    // The others may read its entry in the inventory.
    write_host(&fleet, "Web", "  homelab.deploy.wave = 7;\n");
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 3);

    // Going back finds what was known.
    write_host(&fleet, "Web", "");
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 0);

    fleet.write(
        "site.nix",
        "{ homelab.common.enable = true; homelab.site.domain = \"example.net\"; }\n",
    );
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 3);
}

#[test]
fn this_repositorys_own_hosts_are_known_until_what_they_read_changes() {
    let Some(nix) = nix() else { return };
    let Some(fleet) = Fleet::of_this_repository() else {
        return;
    };
    let all = evaluated(&build(&fleet, &nix, &[]));
    assert!(all > 1, "{all}");
    let testing = fleet.read("hosts/Testing/default.nix");
    let changed = |more: &str| testing.replacen("homelab = {", &format!("{more}\nhomelab = {{"), 1);
    fleet.write(
        "hosts/Testing/default.nix",
        &changed("environment.etc.x.text = \"\";"),
    );
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 1);

    // No host reads these.
    for path in ["README.md", "docs/x.md", "xtask/x.nix"] {
        fleet.write(path, "one");
    }
    fleet.git(&["add", "--all"]);
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 0);

    // One of them does now.
    let reading =
        "environment.etc.x.source = builtins.toFile \"x\" (builtins.readFile ../../README.md);";
    fleet.write("hosts/Testing/default.nix", &changed(reading));
    build(&fleet, &nix, &[]);
    fleet.write("README.md", "two");
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), all);
    fleet.write("docs/x.md", "two");
    assert_eq!(evaluated(&build(&fleet, &nix, &[])), 0);
}

#[test]
fn a_changed_host_that_fails_leaves_the_others_alone() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let _slipway = fleet.lock(&nix);
    build(&fleet, &nix, &[]);
    write_host(
        &fleet,
        "Web",
        "  assertions = [ { assertion = false; message = \"two disks are too many\"; } ];\n",
    );
    let output = fleet.xtask(&nix, &["build-all"]);
    insta::assert_snapshot!("a_failed_assertion", told(&fleet, &output));
    assert_eq!(output.status.code(), Some(1));
    // Its entry is what it was, and so the others were not evaluated.
    let report = build(&fleet, &nix, &[]);
    assert_eq!(evaluated(&report), 0);
}

#[test]
fn a_host_that_reads_anothers_folder_is_not_taken_as_unchanged() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    fleet.write("hosts/Db/motd", "one");
    write_host(
        &fleet,
        "Web",
        "  environment.etc.\"x\".text = builtins.readFile ../Db/motd;\n",
    );
    fleet.commit();
    let before = build(&fleet, &nix, &[]);
    fleet.write("hosts/Db/motd", "two");
    let after = build(&fleet, &nix, &[]);
    assert_eq!(evaluated(&after), 3);
    assert_ne!(each(&before, "toplevel")[2], each(&after, "toplevel")[2]);
}

#[test]
fn a_commit_that_changes_nothing_for_a_host_gives_the_same_closure() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let before = build(&fleet, &nix, &[]);
    fleet.write("README.md", "Ours.\n");
    fleet.commit();
    let after = build(&fleet, &nix, &["--no-eval-cache"]);
    assert_eq!(evaluated(&after), 3);
    assert_ne!(before["revision"], after["revision"]);
    assert_eq!(each(&before, "toplevel"), each(&after, "toplevel"));
    // Which commit it came from is recorded beside it.
    let toplevel = each(&after, "toplevel")[0].as_str().unwrap();
    let name = toplevel.strip_prefix("/nix/store/").unwrap();
    let record = fleet.cache().join(format!("closures/{name}.json"));
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!(record["revision"], after["revision"]);
    assert_eq!(record["host"], "Db");
}

#[test]
fn changes_since_a_revision_are_told() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    write_host(&fleet, "Web", "  boot.kernelParams = [ \"quiet\" ];\n");
    write_host(&fleet, "New", "");
    fleet.commit();
    // A store may have none of it, or all, of an earlier run.
    build(&fleet, &nix, &[]);
    let args = ["build-all", "--no-eval-cache", "--changed-since", "HEAD~1"];
    let output = fleet.xtask(&nix, &args);
    insta::assert_snapshot!("changed_since", told(&fleet, &output));
    let report = build(&fleet, &nix, &args[1..]);
    let changes = each(&report, "change");
    assert_eq!(changes[3]["rebootNeeded"], true);
    let unknown = fleet.xtask(&nix, &["build-all", "--changed-since", "HAED"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn a_host_that_failed_before_is_unknown_and_not_new() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    write_host(&fleet, "Web", "  networking.hostName = throw \"none\";\n");
    fleet.commit();
    write_host(&fleet, "Web", "");
    let args = ["build-all", "--changed-since", "HEAD", "Web"];
    let output = fleet.xtask(&nix, &args);
    insta::assert_snapshot!("unknown_before", told(&fleet, &output));
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(talk.contains("Web at "), "{talk}");
    let report = build(&fleet, &nix, &args[1..]);
    assert_eq!(report["hosts"][0]["change"]["changed"], Value::Null);
}

#[test]
fn an_unknown_host_names_the_nearest() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Production", GOOD), host("Testing", GOOD)]);
    let output = fleet.xtask(&nix, &["build-all", "Prodction"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(told(&fleet, &output), @r"
    exit 2
    --- stdout
    --- failures
    error: the fleet has no host `Prodction`
    try: Production
    ");
}

#[test]
fn a_host_that_needs_too_much_memory_is_named_and_the_budget_holds() {
    let large = || {
        Host {
        evaluation: "builtins.deepSeq (builtins.genList (i: { a = i; b = \"b${toString i}\"; }) 900000) toplevel",
        ..host("Large", GOOD)
    }
    };
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[host("A", GOOD), host("B", GOOD)]);
        let report = build(&fleet, &nix, &["--eval-memory", "200"]);
        assert_eq!(each(&report, "outcome"), ["built", "built"]);

        let fleet = hosts::fleet(&[host("A", GOOD), large(), host("Small", GOOD)]);
        let output = fleet.xtask(&nix, &["build-all", "--eval-memory", "120"]);
        insta::assert_snapshot!("too_large", told(&fleet, &output));
        let report = build(&fleet, &nix, &["--eval-memory", "120"]);
        let of = |field: &str| report["evaluation"][field].as_u64().unwrap();
        assert!(
            of("peakBytes") <= of("budgetBytes"),
            "{}",
            report["evaluation"]
        );
        let report = build(&fleet, &nix, &[]);
        assert_eq!(each(&report, "outcome")[1], "built");
    }
}

#[test]
fn results_are_linked_and_kept() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("A", GOOD), host("B", "exit 1")]);
    let links = fleet.cache().join("links");
    let summary = fleet.cache().join("summary.md");
    let file = fleet.cache().join("report.json");
    let output = fleet
        .command(&nix, &["build-all", "--out-links", links.to_str().unwrap()])
        .args(["--json", file.to_str().unwrap()])
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let toplevel = report["hosts"][0]["toplevel"].as_str().unwrap();
    let target = std::fs::read_link(links.join("A")).unwrap();
    assert_eq!(target.to_str().unwrap(), toplevel);
    assert!(!links.join("B").exists());
    let markdown = std::fs::read_to_string(summary).unwrap();
    assert!(markdown.contains("| A | built |"), "{markdown}");
    // Two links of ours keep it from being collected: the one that was asked for, and the one in the cache.
    let roots = std::process::Command::new(nix.program.with_file_name("nix-store"))
        .args(["--query", "--roots", toplevel])
        .output()
        .unwrap();
    let roots = String::from_utf8(roots.stdout).unwrap();
    let cache = fleet.cache().join("roots");
    for link in [links.join("A"), cache] {
        assert!(roots.contains(link.to_str().unwrap()), "{roots}");
    }
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("A", GOOD)]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = fleet
        .command(&nix, &["build-all"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

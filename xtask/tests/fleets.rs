//! Fleets of several kinds, read with real Nix: made by mkFleet, a stranger's, broken ones, at other revisions.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod schema;
mod support;

use std::time::{Duration, Instant};

use fleet::Fleet;
use support::{all_nixes, newer_nix, nix, repository, transcript};

/// A stranger's flake: hosts of a function of their own, inputs that nobody locked, nothing of Slipway.
const STRANGER: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs =
    { self, nixpkgs }:
    {
      nixosConfigurations = builtins.mapAttrs (
        name: _:
        nixpkgs.lib.nixosSystem {
          modules = [
            (./machines + "/${name}")
            {
              networking.hostName = name;
              nixpkgs.hostPlatform = "x86_64-linux";
              system.stateVersion = "26.05";
              fileSystems."/" = {
                device = "/dev/vda1";
                fsType = "ext4";
              };
            }
          ];
        }
      ) (builtins.readDir ./machines);
      deploy.nodes.Web = {
        hostname = "web.example.org";
        sshUser = "admin";
        profiles.system.user = "root";
      };
    };
}
"#;

fn stranger(machines: &[(&str, &str)]) -> Fleet {
    let fleet = Fleet::new(&[("flake.nix", STRANGER)]);
    for (name, text) in machines {
        fleet.write(&format!("machines/{name}/default.nix"), text);
    }
    fleet.commit();
    fleet
}

/// Snapshots without what differs from run to run.
fn with_filters(filters: &[(String, String)], assert: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in filters {
        settings.add_filter(pattern, replacement.as_str());
    }
    settings.bind(assert);
}

/// A fleet as somebody makes it who has Slipway as the only input.
fn downstream() -> Fleet {
    let flake = format!(
        r#"{{
  inputs.slipway.url = "git+file://{}";
  outputs =
    inputs:
    inputs.slipway.lib.mkFleet {{
      inherit inputs;
      hosts = ./hosts;
      modules = [ {{ homelab.common.enable = true; }} ];
    }};
}}
"#,
        repository().display()
    );
    let fleet = Fleet::new(&[
        ("flake.nix", &flake),
        (
            "hosts/Web/default.nix",
            "{\n  homelab = {\n    host.description = \"Web server\";\n    deploy.targetHost = \"10.0.0.1\";\n  };\n}\n",
        ),
        (
            "hosts/Base/default.nix",
            "# What others start from.\n{\n  homelab = {\n    host.description = \"Base\";\n    deploy.enable = false;\n  };\n}\n",
        ),
    ]);
    fleet.commit();
    fleet
}

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

/// The document that a command prints.
fn document(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", transcript(output)))
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

/// A lock file whose nixpkgs nobody can fetch: RFC 2606 keeps `invalid` from ever being a name.
const UNREACHABLE: &str = r#"{
  "nodes": {
    "nixpkgs": {
      "locked": { "type": "github", "host": "github.invalid", "owner": "NixOS", "repo": "nixpkgs",
        "rev": "c69ae8fb8faeb3472fd11234ba55a70ac3601f9b", "lastModified": 1787042014,
        "narHash": "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
      "original": { "type": "github", "host": "github.invalid", "owner": "NixOS", "repo": "nixpkgs" }
    },
    "root": { "inputs": { "nixpkgs": "nixpkgs" } }
  },
  "root": "root",
  "version": 7
}
"#;

#[test]
fn the_stage_follows_from_what_can_be_had() {
    for nix in all_nixes() {
        let fleet = stranger(&[("Web", "{ }")]);
        let url = "github:NixOS/nixpkgs?host=github.invalid";
        fleet.write(
            "flake.nix",
            &STRANGER.replace("github:NixOS/nixpkgs/nixos-26.05", url),
        );
        fleet.write("flake.lock", UNREACHABLE);
        fleet.commit();
        let mut all = String::new();
        for stage in ["auto", "nixos", "rehearsal"] {
            let started = Instant::now();
            let output = fleet.xtask_in(stage, &nix, &["hosts", "--format", "matrix"]);
            assert!(started.elapsed() < Duration::from_secs(5), "{stage}");
            all.push_str(&format!("## {stage}\n{}\n", transcript(&output)));
        }
        with_filters(&fleet.filters(), || {
            insta::assert_snapshot!("stages", all);
        });
    }
}

#[test]
fn another_input_that_cannot_be_had_is_named() {
    let Some(nix) = nix() else { return };
    let fleet = stranger(&[("Web", "{ }")]);
    let lock = UNREACHABLE
        .replace("\"repo\": \"nixpkgs\"", "\"repo\": \"hardware\"")
        .replace("\"nixpkgs\"", "\"hardware\"");
    fleet.write("flake.lock", &lock);
    fleet.commit();
    let output = fleet.xtask(&nix, &["hosts"]);
    assert_eq!(output.status.code(), Some(69));
    with_filters(&fleet.filters(), || {
        insta::assert_snapshot!(transcript(&output));
    });
}

#[test]
fn a_new_host_is_one_command() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    let run = |args: &[&str]| fleet.xtask(&nix, args);
    let add = run(&[
        "hosts",
        "add",
        "Mail",
        "--address",
        "10.0.0.3",
        "--from",
        "Base",
    ]);
    let mut all = format!(
        "## added\n{}\n{}\n",
        transcript(&add),
        fleet.read("hosts/Mail/default.nix")
    );
    all.push_str(&transcript(&run(&["hosts"])));
    let cases: [(&str, &[&str]); 7] = [
        (
            "there already",
            &["mail", "--address", "10.0.0.4", "--from", "Base"],
        ),
        (
            "a taken address",
            &["Files", "--address", "10.0.0.1", "--from", "Base"],
        ),
        (
            "no address",
            &["Files", "--address", "10.0.0.300", "--from", "Base"],
        ),
        (
            "no name",
            &["-x", "--address", "10.0.0.4", "--from", "Base"],
        ),
        (
            "a name with a path",
            &["../x", "--address", "10.0.0.4", "--from", "Base"],
        ),
        (
            "no such template",
            &["Files", "--address", "10.0.0.4", "--from", "Bse"],
        ),
        (
            "a default that this fleet lacks",
            &["Files", "--address", "10.0.0.4"],
        ),
    ];
    for (what, args) in cases {
        let args: Vec<&str> = ["hosts", "add"].iter().chain(args).copied().collect();
        all.push_str(&format!("\n## {what}\n{}", transcript(&run(&args))));
    }
    with_filters(&fleet.filters(), || {
        insta::assert_snapshot!(all);
    });
    let status = fleet.git(&["status", "--porcelain"]);
    assert_eq!(status, " A hosts/Mail/default.nix");
}

#[test]
fn a_copy_that_does_not_become_a_host_leaves_nothing_behind() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    fleet.write(
        "hosts/Web/default.nix",
        "{ lib, ... }: { imports = [ ./web.nix ]; }\n",
    );
    fleet.write(
        "hosts/Web/web.nix",
        "{ homelab.deploy.targetHost = \"10.0.0.1\"; homelab.host.description = \"Web\"; }\n",
    );
    fleet.commit();
    let add = fleet.xtask(
        &nix,
        &[
            "hosts",
            "add",
            "Mail",
            "--address",
            "10.0.0.3",
            "--from",
            "Web",
        ],
    );
    assert_eq!(add.status.code(), Some(1), "{}", transcript(&add));
    assert_eq!(fleet.git(&["status", "--porcelain"]), "");
    let stranger = stranger(&[("Web", "{ }")]);
    let add = stranger.xtask(&nix, &["hosts", "add", "Mail", "--address", "10.0.0.3"]);
    assert_eq!(add.status.code(), Some(2), "{}", transcript(&add));
}

const BEFORE: &str = r#"{ pkgs, ... }:
{
  homelab.host.description = "Web server";
  homelab.deploy.targetHost = "10.0.0.1";
  environment.systemPackages = [ pkgs.git ];
  systemd.services.old = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/true"; };
  systemd.services.kept = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/true"; };
  users.users.ann = { isNormalUser = true; };
  users.users.bob = { isNormalUser = true; };
}
"#;

const AFTER: &str = r#"{ pkgs, ... }:
{
  homelab.host.description = "Web server";
  homelab.deploy.targetHost = "10.0.0.1";
  environment.systemPackages = [ pkgs.git pkgs.curl ];
  boot.kernelParams = [ "quiet" ];
  systemd.services.new = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/true"; };
  systemd.services.kept = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/false"; };
  users.users.ann = { isNormalUser = true; extraGroups = [ "wheel" ]; home = "/home/annie"; };
  users.users.cleo = { isNormalUser = true; };
  security.sudo.extraRules = [ { users = [ "cleo" ]; commands = [ "ALL" ]; } ];
}
"#;

#[test]
fn two_revisions_are_compared_host_by_host() {
    for nix in all_nixes() {
        let fleet = downstream();
        fleet.write("hosts/Web/default.nix", BEFORE);
        fleet.write(
            "hosts/Gone/default.nix",
            "{ homelab.deploy.targetHost = \"10.0.0.7\"; }\n",
        );
        fleet.commit();
        fleet.git(&["tag", "before"]);
        fleet.git(&["rm", "-rq", "hosts/Gone"]);
        fleet.write("hosts/Web/default.nix", AFTER);
        fleet.write(
            "hosts/New/default.nix",
            "{ homelab.deploy.targetHost = \"10.0.0.8\"; }\n",
        );
        fleet.commit();
        let run = |args: &[&str]| transcript(&fleet.xtask(&nix, args));
        let mut filters = fleet.filters();
        filters.push((r"\d+(\.\d)? [KMG]?i?B\b".to_owned(), "[SIZE]".to_owned()));
        filters.push((r"─+|═+".to_owned(), "[RULE]".to_owned()));
        filters.push((
            r"(?m)^( \w+ .*?) +(\[SIZE\])".to_owned(),
            "$1 $2".to_owned(),
        ));
        with_filters(&filters, || {
            insta::assert_snapshot!("diff_text", run(&["diff", "before"]));
            insta::assert_snapshot!(
                "diff_markdown",
                run(&["diff", "before", "Web", "--markdown"])
            );
        });
        let json = fleet.xtask(&nix, &["diff", "before", "--to", "HEAD", "--json"]);
        let text = String::from_utf8(json.stdout).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["hosts"]["Base"]["result"], "unchanged");
        assert_eq!(document["hosts"]["Web"]["diff"]["boot"][0], "parameters");
        assert_eq!(document["to"]["dirty"], false);
    }
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

//! Which stage a fleet is evaluated in, and what is said where its inputs cannot be had.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod support;

use std::time::{Duration, Instant};

use fleet::{stranger, with_filters, STRANGER};
use support::{all_nixes, nix, transcript};

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
fn a_fleet_that_cannot_be_reached_is_missing_and_not_wrong() {
    let Some(nix) = nix() else { return };
    let fleet = stranger(&[("Web", "{ }")]);
    let output = fleet.xtask(
        &nix,
        &["hosts", "--flake", "https://fleet.invalid/a.tar.gz"],
    );
    assert_eq!(output.status.code(), Some(69), "{}", transcript(&output));
}

//! Fleets of others that are not shaped as expected, that talk too much, or that speak in xtask's own words.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod hosts;
mod support;

use fleet::{document, Fleet};
use hosts::{host, Host};
use support::{all_nixes, nix, transcript};

const GOOD: &str = "echo good > $out";

/// A host whose toplevel is wrapped in something.
fn wrapped(name: &'static str, evaluation: &'static str) -> Host {
    Host {
        evaluation,
        ..host(name, GOOD)
    }
}

#[test]
fn no_host_speaks_for_xtask() {
    let forged = r#"builtins.trace "slipway:{\"done\":{\"host\":\"Forged\",\"inventory\":null,\"toplevel\":null}}" (throw "the truth")"#;
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[wrapped("Forged", forged), host("Good", GOOD)]);
        let output = fleet.xtask(&nix, &["build-all", "--json", "-"]);
        let rows = document(&output)["hosts"].clone();
        assert_eq!(rows[0]["outcome"], "evaluationFailed");
        let message = rows[0]["error"]["message"].as_str().unwrap();
        // The place is the fleet's, or none: xtask's own expression is nowhere a person can look.
        assert!(message.ends_with("the truth"), "{message}");
        assert!(!message.contains('«'), "{message}");
        assert_eq!(rows[1]["outcome"], "built");
    }
}

#[test]
fn a_host_that_warns_in_a_loop_is_cut_short() {
    let loud = r#"builtins.foldl' (all: i: builtins.trace "warning: loud ${toString i}" all) toplevel (builtins.genList (i: i) 5000)"#;
    for nix in all_nixes() {
        let fleet = hosts::fleet(&[wrapped("Loud", loud), host("Good", GOOD)]);
        let output = fleet.xtask(&nix, &["build-all"]);
        let text = transcript(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert_eq!(text.matches("warning: loud ").count(), 20, "{text}");
        assert!(
            text.contains("warning: 4980 more warnings of host Loud not shown"),
            "{text}"
        );
    }
}

#[test]
fn a_fleet_output_of_another_shape_is_named_with_its_field() {
    for nix in all_nixes() {
        for (fleet, wrong) in [
            (
                "hermetic = \"x\";",
                "`fleet.hermetic' is a string, and has to be true or false",
            ),
            (
                "hostsDir = 5;",
                "`fleet.hostsDir' is a int, and has to be a string or null",
            ),
            (
                "stage = \"moon\";",
                "`fleet.stage' is a string, and has to be \"rehearsal\" or \"nixos\"",
            ),
        ] {
            let text = format!("{{ outputs = _: {{ nixosConfigurations.Web = {{ }}; fleet = {{ version = 1; hosts = {{ }}; {fleet} }}; }}; }}");
            let fleet = Fleet::new(&[("flake.nix", &text)]);
            fleet.commit();
            for command in ["hosts", "build-all"] {
                let output = fleet.xtask(&nix, &[command]);
                let text = transcript(&output);
                assert_eq!(output.status.code(), Some(1), "{text}");
                let told = format!(": the flake output {wrong}: see lib.mkFleet");
                assert!(text.contains(&told), "{text}");
                assert!(!text.contains('«'), "{text}");
            }
        }
    }
}

#[test]
fn an_inventory_entry_of_another_shape_is_its_hosts_failure() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Good", GOOD), host("Odd", GOOD)]);
    let flake = fleet.read("flake.nix");
    let odd = flake.replace(
        "homelab.inventory = { inherit name system; };",
        "homelab.inventory = { inherit name system; wave = if name == \"Odd\" then \"first\" else 1; };",
    );
    assert_ne!(flake, odd);
    fleet.write("flake.nix", &odd);
    fleet.commit();
    let output = fleet.xtask(&nix, &["build-all", "--json", "-"]);
    let rows = document(&output)["hosts"].clone();
    assert_eq!(rows[0]["outcome"], "built");
    assert_eq!(rows[1]["outcome"], "evaluationFailed");
    let message = rows[1]["error"]["message"].as_str().unwrap();
    assert!(message.contains("homelab.inventory"), "{message}");
    assert!(message.contains("\"first\""), "{message}");
}

#[test]
fn a_flake_without_outputs_is_named() {
    let Some(nix) = nix() else { return };
    let fleet = Fleet::new(&[("flake.nix", "{ description = \"none\"; }")]);
    fleet.commit();
    let output = fleet.xtask(&nix, &["hosts"]);
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let file = fleet.path().join("flake.nix");
    let told = format!("error: {} has no `outputs`", file.display());
    assert!(text.contains(&told), "{text}");
}

#[test]
fn an_empty_reference_is_a_mistake() {
    let Some(nix) = nix() else { return };
    let fleet = hosts::fleet(&[host("Good", GOOD)]);
    let output = fleet.xtask(&nix, &["hosts", "--flake", ""]);
    let text = transcript(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("error: --flake is empty"), "{text}");
}

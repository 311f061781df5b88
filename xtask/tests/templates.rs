//! A stranger's fleet from `nix flake init -t`: what it says before its keys are filled in, and that it is one afterwards.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use std::path::Path;
use std::process::Command;

use fleet::{slipway, with_filters, Fleet};
use support::{all_nixes, transcript, Nix};

/// What a program prints, without the line's end.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// The template of the Slipway in that folder, in a new repository whose input is that Slipway.
fn begun(nix: &Nix, slipway: &Path) -> Fleet {
    let fleet = Fleet::new(&[]);
    let slipway = format!("path:{}", slipway.display());
    said(
        nix.command()
            .args(["flake", "init", "--template", &slipway])
            .current_dir(fleet.path()),
    );
    fleet.git(&["add", "."]);
    said(
        nix.command()
            .args(["flake", "lock", "--override-input", "slipway", &slipway])
            .current_dir(fleet.path()),
    );
    fleet.commit();
    fleet
}

fn replace(fleet: &Fleet, file: &str, from: &str, to: &str) {
    let text = fleet.read(file);
    assert!(text.contains(from), "{file} has no {from}: {text}");
    fleet.write(file, &text.replace(from, to));
}

/// Keys of nobody, made here.
fn fill_in(nix: &Nix, fleet: &Fleet) {
    let dir = tempfile::tempdir().unwrap();
    let public = |name: &str| {
        let file = dir.path().join(name);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        said(keygen.arg(&file));
        let key = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        key.trim_end().to_owned()
    };
    let secret = dir.path().join("nix.sec");
    let made = said(
        nix.command()
            .args(["key", "generate-secret", "--key-name", "fleet-1"]),
    );
    std::fs::write(&secret, made).unwrap();
    let signer = said(
        nix.command()
            .args(["key", "convert-secret-to-public"])
            .stdin(std::fs::File::open(&secret).unwrap()),
    );
    let site = "hosts/site.nix";
    for holder in ["workstation", "laptop"] {
        let comment = format!("# {holder} = \"ssh-ed25519 AAAA… you@{holder}\";");
        let key = format!("{holder} = \"{}\";", public(holder));
        replace(fleet, site, &comment, &key);
    }
    replace(
        fleet,
        site,
        "signers = [ ];",
        &format!("signers = [ \"{signer}\" ];"),
    );
    replace(
        fleet,
        "hosts/Attic/default.nix",
        "targetHost = null;",
        "targetHost = \"192.168.0.40\";",
    );
}

#[test]
fn a_strangers_fleet_is_built_once_its_keys_are_filled_in() {
    for nix in all_nixes() {
        let slipway = slipway();
        let fleet = begun(&nix, slipway.path());
        let run = |args: &[&str]| fleet.xtask(&nix, args);

        let empty = run(&["build-all"]);
        let mut filters = fleet.filters();
        filters.push((r" in \d+\.\d+ s".to_owned(), " in [S] s".to_owned()));
        with_filters(&filters, || {
            insta::assert_snapshot!("empty_template", transcript(&empty));
        });

        fill_in(&nix, &fleet);
        let expect = |args: &[&str]| {
            let output = run(args);
            assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let built = expect(&["build-all"]);
        assert!(built.contains("1 of 1 host built"), "{built}");
        fleet.commit();
        expect(&[
            "hosts",
            "add",
            "Loft",
            "--address",
            "192.168.0.41",
            "--from",
            "Attic",
        ]);
        let built = expect(&["build-all"]);
        assert!(built.contains("2 of 2 hosts built"), "{built}");
        let checked = expect(&["check", "--no-setup"]);
        for row in ["outputs", "host-Attic", "host-Loft", "workflows"] {
            let line = checked.lines().find(|line| line.contains(row)).unwrap();
            assert!(line.contains("passed"), "{checked}");
        }
    }
}

#[test]
fn an_input_that_is_not_where_the_template_says_is_named() {
    let Some(nix) = support::nix() else { return };
    let slipway = slipway();
    let fleet = begun(&nix, slipway.path());
    let nowhere = fleet.path().join("nowhere");
    let url = format!("git+file://{}", nowhere.display());
    replace(&fleet, "flake.nix", "git+file:///home/you/slipway", &url);
    fleet.git(&["rm", "--quiet", "--cached", "flake.lock"]);
    std::fs::remove_file(fleet.path().join("flake.lock")).unwrap();
    let output = transcript(&fleet.xtask(&nix, &["build-all"]));
    assert!(output.starts_with("exit 1"), "{output}");
    let named = format!("cannot fetch the input {url}");
    assert!(output.contains(&named), "{output}");
}

//! `cargo xtask hosts add`: the new folder is all there is to it.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod support;

use fleet::{downstream, stranger, with_filters};
use support::{nix, transcript};

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

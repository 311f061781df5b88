//! `cargo xtask diff`: a fleet at two revisions, built with real Nix.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod support;

use fleet::{downstream, with_filters, AFTER};
use support::{all_nixes, transcript};

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
        assert_eq!(
            document["hosts"]["Web"]["diff"]["boot"][0],
            "kernel-parameters"
        );
        assert_eq!(document["to"]["dirty"], false);
    }
}

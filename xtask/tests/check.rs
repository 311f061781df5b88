//! `xtask check` on a small fleet of a stranger: which checks pass, which fail and why, which need another machine.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use insta::assert_snapshot;
use support::{transcript, xtask, Nix};

const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      check =
        system: name: args: script:
        derivation (
          {
            inherit name system;
            builder = "/bin/sh";
            args = [
              "-c"
              script
            ];
          }
          // args
        );
    in
    {
      checks.x86_64-linux = {
        good = check "x86_64-linux" "good" { } "echo > $out";
        bad = check "x86_64-linux" "bad" { } "echo this is why >&2; exit 3";
        broken = throw "nobody evaluates this";
        special = check "x86_64-linux" "special" { requiredSystemFeatures = [ "slipway-moon" ]; } "echo > $out";
        alien = check "mips-linux" "alien" { } "echo > $out";
      };
      checks.mips-linux.other = check "mips-linux" "other" { } "echo > $out";
    };
}
"#;

fn check(nix: &Nix, flake: &str, args: &[&str]) -> std::process::Output {
    let cache = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let system = format!("{}-linux", std::env::consts::ARCH);
    let flake = flake.replace("x86_64-linux", &system);
    std::fs::write(dir.path().join("flake.nix"), flake).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = nix.program.parent().map(std::path::Path::to_owned);
    let path = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&path)));
    xtask(cache.path())
        .env("PATH", path.unwrap())
        // The machine's sandbox may need a shell that is not here.
        .env("NIX_CONFIG", "sandbox = false\nsubstituters =\n")
        .args(["check", "--no-setup"])
        .args(args)
        .current_dir(&dir)
        .output()
        .unwrap()
}

#[test]
fn each_check_has_its_own_end() {
    for nix in support::all_nixes() {
        let output = check(&nix, FLAKE, &[]);
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"\b\d+\.\d\d?\b", "[S]");
        settings.add_filter(r"(\S) {2,}", "$1  ");
        settings.add_filter(r"/nix/store/\S+-source/", "");
        settings.bind(|| assert_snapshot!("each_check_has_its_own_end", transcript(&output)));
    }
}

#[test]
fn the_document_and_the_exit_code_agree() {
    let Some(nix) = support::nix() else {
        return;
    };
    let good = FLAKE
        .replace(
            r#"throw "nobody evaluates this""#,
            "self.checks.x86_64-linux.good",
        )
        .replace("exit 3", "echo > $out");
    for (flake, code, passed) in [(FLAKE, 1, false), (good.as_str(), 0, true)] {
        let output = check(&nix, flake, &["--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["passed"], passed);
        let special = document["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "special")
            .unwrap();
        assert_eq!(special["verdict"], "notBuilt");
        assert_eq!(special["detail"], "needs the feature slipway-moon");
    }
}

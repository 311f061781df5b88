//! What hosts of the tests may run (closures.nix): built and signed once a host, and found by name.

use guard::store_path::StorePath;

use super::{Host, PROFILE};
use crate::support::{run, write, PLACE};

impl Host {
    /// Every closure of the tests, signed by the fleet's key.
    pub(super) fn build(&self) {
        let store_key = format!("{PLACE}/keys/store");
        let secret = run(
            "/nix/test/bin/nix",
            &["key", "generate-secret", "--key-name", "fleet-1"],
        );
        write(&store_key, &secret, 0o600);
        let public = format!("/nix/test/bin/nix key convert-secret-to-public < {store_key}");
        write(
            &format!("{store_key}.pub"),
            &run("sh", &["-c", &public]),
            0o644,
        );
        let public = std::fs::read_to_string(format!("{store_key}.pub")).unwrap();
        let conf = std::fs::read_to_string("/nix/test/conf/nix.conf").unwrap();
        let keys = format!("{conf}trusted-public-keys = {public}\n");
        write("/nix/test/conf/nix.conf", &keys, 0o644);
        let expression = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/closures.nix");
        let result = format!("{PLACE}/closures.json");
        let apply = "all: builtins.mapAttrs (_: s: { toplevel = s.toplevel.outPath; profile = s.profile.outPath; }) all";
        let json = run(
            "/nix/test/bin/nix",
            &[
                "eval", "--impure", "--json", "--file", expression, "--apply", apply,
            ],
        );
        write(&result, &json, 0o644);
        let profiles = format!("map (s: s.profile) (builtins.attrValues (import {expression}))");
        run(
            "/nix/test/bin/nix-build",
            &["--no-out-link", "--expr", &profiles],
        );
        for (name, paths) in self.closures() {
            if !["with-dependency", "with-file", "elsewhere"].contains(&name.as_str())
                || name == "elsewhere"
            {
                let profile = paths["profile"].as_str().unwrap();
                run(
                    "/nix/test/bin/nix",
                    &[
                        "store",
                        "sign",
                        "--recursive",
                        "--key-file",
                        &store_key,
                        profile,
                    ],
                );
            }
        }
        // As an installer leaves a host.
        let old = self.toplevel("old");
        run(
            "/nix/test/bin/nix-env",
            &["--profile", PROFILE, "--set", old.as_str()],
        );
        for link in ["current-system", "booted-system"] {
            std::os::unix::fs::symlink(old.as_path(), format!("{PLACE}/{link}")).unwrap();
        }
        write(&format!("{PLACE}/boot-default"), &format!("{old}\n"), 0o644);
    }

    fn closures(&self) -> serde_json::Map<String, serde_json::Value> {
        let json = std::fs::read_to_string(format!("{PLACE}/closures.json")).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    fn path(&self, name: &str, part: &str) -> StorePath {
        self.closures()[name][part]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn toplevel(&self, name: &str) -> StorePath {
        self.path(name, "toplevel")
    }

    pub fn profile(&self, name: &str) -> StorePath {
        self.path(name, "profile")
    }

    pub fn sign_path(&self, path: &str) {
        let key = format!("{PLACE}/keys/store");
        run(
            "/nix/test/bin/nix",
            &["store", "sign", "--key-file", &key, path],
        );
    }
}

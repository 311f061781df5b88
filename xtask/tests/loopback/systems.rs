//! What a host has for systems: given by an installer, built, running, and in its profile.

use std::path::Path;

use super::Loopback;

impl Loopback {
    /// Gives the host the system of the commit, as an installer would: it is booted, and the profile.
    pub(super) fn install(&self, name: &str) {
        let (system, profile) = self.built(name);
        let root = self.root(name);
        let link = |to: &str, at: &str| {
            std::os::unix::fs::symlink(to, root.join(at)).unwrap();
        };
        link(&system, "run/current-system");
        link(&system, "run/booted-system");
        link(&profile, "profiles/system-1-link");
        link("system-1-link", "profiles/system");
    }

    /// The host's system of the commit, and what deploy-rs would copy of it.
    pub fn built(&self, name: &str) -> (String, String) {
        let build = |attribute: &str| {
            let output = self
                .nix
                .command()
                .args([
                    "build",
                    "--no-link",
                    "--print-out-paths",
                    "--option",
                    "sandbox",
                    "false",
                ])
                .args(["--option", "build-users-group", ""])
                .arg(format!(
                    "git+file://{}#{attribute}",
                    self.fleet.path().display()
                ))
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let system = build(&format!(
            "nixosConfigurations.{name}.config.system.build.toplevel"
        ));
        let profile = build(&format!("deploy.nodes.{name}.profiles.system.path"));
        (system, profile)
    }

    /// What `/run/current-system` of the host says of itself: the word of its commit.
    pub fn running(&self, name: &str) -> String {
        word(&self.run_file(name, "current-system"))
    }

    /// The word of the system that its profile leads to.
    pub fn profile(&self, name: &str) -> String {
        let profiles = self.root(name).join("profiles");
        let generation = std::fs::read_link(profiles.join("system")).unwrap();
        word(&std::fs::read_link(profiles.join(generation)).unwrap())
    }
}

fn word(system: &Path) -> String {
    let text = std::fs::read_to_string(system.join("bin/switch-to-configuration")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("# "));
    line.unwrap().to_owned()
}

//! The real guard on a host of this machine: `slipway-guard serve` beside its sshd, and the real forced command.
//! systemd is a stand-in of a few lines. Its `reboot` ends every process of the host at once, and the loop around the
//! host's processes does what firmware and loader do: what the profile leads to is booted, with a boot id of its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::Loopback;

/// `systemctl`, as far as the guard calls it.
const SYSTEMCTL: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
  list-units*) cat /run/failed-units 2>/dev/null; true ;;
  is-system-running) if [ -e /run/starting ]; then echo starting; else echo running; fi ;;
  *reboot*) setsid sh -c 'sleep 0.3; touch /run/reboot; kill -TERM 1' >/dev/null 2>&1 </dev/null & ;;
esac
"#;

impl Loopback {
    /// Puts a guard on a host, from the next commit and the host's next start on. Health checks as the guard's
    /// configuration has them.
    pub fn guard(&mut self, name: &str, checks: &serde_json::Value, unattended: bool) {
        let root = self.root(name);
        let place = |file: &str| root.join("guard").join(file);
        std::fs::create_dir_all(place("bin")).unwrap();
        write_program(&place("bin/systemctl"), SYSTEMCTL);
        std::fs::copy(program(), place("bin/slipway-guard")).unwrap();
        let bin = self.nix.program.parent().unwrap();
        let config = json!({
            "host": name,
            "allowedSigners": place("allowed-signers"),
            "trustedPublicKeys": ["none-1:AAAA"],
            // Whoever logs in is root here: who may ask at all is looked at in the guard's own tests.
            "deployUser": "nobody",
            "testLeaseSeconds": 3600,
            "activationTimeoutSeconds": 20,
            "unattendedReboot": unattended,
            "loader": "other",
            "minFree": { "store": 1, "esp": 1 },
            "healthChecks": checks,
            "path": "/usr/bin:/bin",
            "programs": {
                "nix": bin.join("nix"),
                "nixEnv": bin.join("nix-env"),
                "nixStore": bin.join("nix-store"),
                "nixDaemon": bin.join("nix-daemon"),
                "sshKeygen": "/usr/bin/ssh-keygen",
                "sh": "/bin/sh",
                "curl": "/usr/bin/curl",
                "setpriv": "/usr/bin/setpriv",
                "systemctl": place("bin/systemctl"),
                "systemdRun": null,
                "bootctl": "/bin/false",
            },
            "places": {
                "state": place("state"),
                "run": place("run"),
                "socket": place("socket"),
                "roots": place("roots"),
                "bootId": "/run/boot-id",
            },
        });
        std::fs::write(place("config.json"), config.to_string()).unwrap();
        let program = place("bin/slipway-guard");
        let guard = format!(
            "{} --config {}",
            program.display(),
            place("config.json").display()
        );
        std::fs::write(root.join("run/boot-id"), "first").unwrap();
        self.force(name, &format!("exec {guard} ssh --as ci"));
        self.host(name).guard = Some(guard);
    }

    /// Has the guard's configuration say something else, from the host's next start on.
    pub fn configure_guard(&self, name: &str, other: &serde_json::Value) {
        let file = self.root(name).join("guard/config.json");
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for (key, value) in other.as_object().unwrap() {
            config[key] = value.clone();
        }
        std::fs::write(&file, config.to_string()).unwrap();
    }

    /// The boot that the host is in.
    pub fn boot_id(&self, name: &str) -> String {
        std::fs::read_to_string(self.run_file(name, "boot-id")).unwrap()
    }

    /// Gives the host the system of the commit as its operator would: it runs, and boots the next time.
    pub fn rebuild(&self, name: &str) {
        let (system, profile) = self.built(name);
        let root = self.root(name);
        let link = |to: &str, at: &str| {
            let at = root.join(at);
            let _ = std::fs::remove_file(&at);
            std::os::unix::fs::symlink(to, at).unwrap();
        };
        link(&profile, "profiles/system-2-link");
        link("system-2-link", "profiles/system");
        link(&system, "run/current-system");
    }
}

/// The guard's program, compiled if `cargo test` of this crate alone has not done that.
pub fn program() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "guard"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .status()
        .unwrap();
    assert!(built.success());
    // target/debug/deps/TEST
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().with_file_name("slipway-guard")
}

pub fn write_program(file: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
}

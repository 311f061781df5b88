//! The host itself: its services, its guard and its power.

mod closures;
mod ground;

use std::path::Path;
use std::process::{Child, Command};

use super::{find, run, until, write, PLACE};

const KEYS: [&str; 4] = ["ci", "laptop", "signer", "stranger"];
const PROFILE: &str = "/nix/var/nix/profiles/system";

pub struct Host {
    services: std::cell::RefCell<Vec<Child>>,
    serve: std::cell::RefCell<Option<Child>>,
}

impl Host {
    pub fn new() -> Self {
        let nix = std::env::var("SLIPWAY_TEST_NIX").unwrap();
        let deploy = find("deploy").or_else(|| {
            let cache = std::env::var("HOME").unwrap_or_default();
            find(&format!(
                "{cache}/.cache/slipway/tools/deploy-rs-1.0.0/bin/deploy"
            ))
        });
        // On a machine without Nix it is the test that makes the place to mount on.
        std::fs::create_dir_all("/nix").unwrap();
        run("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/nix"]);
        for folder in [
            "/nix/store",
            "/nix/var/nix",
            PLACE,
            "/nix/test/bin",
            "/nix/test/keys",
        ] {
            std::fs::create_dir_all(folder).unwrap();
        }
        run("ip", &["link", "set", "lo", "up"]);
        std::fs::copy(
            env!("CARGO_BIN_EXE_slipway-guard"),
            "/nix/test/bin/slipway-guard",
        )
        .unwrap();
        if let Some(deploy) = deploy {
            std::fs::copy(deploy, "/nix/test/bin/deploy").unwrap();
        }
        ground::reachable(&nix);
        ground::programs(&nix);
        ground::users();
        for key in KEYS {
            let file = format!("{PLACE}/keys/{key}");
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &file],
            );
        }
        let host = Self {
            services: std::cell::RefCell::new(Vec::new()),
            serve: std::cell::RefCell::new(None),
        };
        write(&format!("{PLACE}/boot-id"), "first", 0o644);
        host.build();
        host.configure(&serde_json::json!({}));
        host.start_services();
        host
    }

    /// Writes the guard's configuration, with some of it otherwise; takes effect when the service starts.
    pub fn configure(&self, other: &serde_json::Value) {
        let store_key = std::fs::read_to_string(format!("{PLACE}/keys/store.pub")).unwrap();
        let signer = std::fs::read_to_string(format!("{PLACE}/keys/signer.pub")).unwrap();
        let allowed = format!("builder namespaces=\"slipway-release@v1\" {signer}");
        write(&format!("{PLACE}/allowed-signers"), &allowed, 0o644);
        let program = |name: &str| format!("{PLACE}/bin/{name}");
        let mut config = serde_json::json!({
            "host": "Niko",
            "allowedSigners": format!("{PLACE}/allowed-signers"),
            "trustedPublicKeys": [store_key.trim()],
            "deployUser": "deploy",
            "operators": ["laptop"],
            "testLeaseSeconds": 3600,
            "activationTimeoutSeconds": 8,
            "unattendedReboot": true,
            "loader": "systemd-boot",
            "esp": "/nix/test",
            "minFree": { "store": 1024, "esp": 1024 },
            "healthChecks": {},
            "path": "/usr/bin:/bin",
            "programs": {
                "nix": program("nix"),
                "nixEnv": program("nix-env"),
                "nixStore": program("nix-store"),
                "nixDaemon": program("nix-daemon"),
                "sshKeygen": find("ssh-keygen").unwrap(),
                "sh": "/bin/sh",
                "curl": "/usr/bin/curl",
                "setpriv": "/usr/bin/setpriv",
                "systemctl": program("systemctl"),
                "systemdRun": null,
                "bootctl": program("bootctl"),
            },
            "places": {
                "state": "/nix/test/state",
                "run": "/nix/test/run",
                "socket": "/nix/test/guard.socket",
                "running": "/nix/test/current-system",
                "booted": "/nix/test/booted-system",
                "bootId": "/nix/test/boot-id",
            },
        });
        for (key, value) in other.as_object().unwrap() {
            config[key] = value.clone();
        }
        write(&format!("{PLACE}/config.json"), &config.to_string(), 0o644);
    }

    fn start_services(&self) {
        let mut authorized = String::new();
        for key in ["ci", "laptop"] {
            let public = std::fs::read_to_string(format!("{PLACE}/keys/{key}.pub")).unwrap();
            let command =
                format!("{PLACE}/bin/slipway-guard --config {PLACE}/config.json ssh --as {key}");
            authorized += &format!("command=\"{command}\",restrict {public}");
        }
        write(&format!("{PLACE}/authorized/deploy"), &authorized, 0o644);
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", "/nix/test/keys/host"],
        );
        std::fs::create_dir_all("/run/sshd").unwrap();
        // As careless as an sshd may be: the guard is what is looked at.
        let sshd = "ListenAddress 127.0.0.1\nPort 2222\nHostKey /nix/test/keys/host\nUsePAM no\nPidFile none\n\
            AuthorizedKeysFile /nix/test/authorized/%u\nPasswordAuthentication no\nAcceptEnv *\n\
            AllowTcpForwarding yes\nSubsystem sftp internal-sftp\nMaxStartups 100\n";
        write(&format!("{PLACE}/sshd_config"), sshd, 0o644);
        let mut services = self.services.borrow_mut();
        let log = || {
            std::fs::File::options()
                .create(true)
                .append(true)
                .open("/nix/test/log")
                .unwrap()
        };
        services.push(
            Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f", "/nix/test/sshd_config"])
                .stderr(log())
                .spawn()
                .unwrap(),
        );
        services.push(
            Command::new("/nix/test/bin/nix-daemon")
                .stderr(log())
                .stdout(log())
                .spawn()
                .unwrap(),
        );
        drop(services);
        self.start_guard();
        until("sshd listens", 10, || {
            std::net::TcpStream::connect("127.0.0.1:2222").is_ok()
        });
        until("the daemon listens", 10, || {
            Path::new("/nix/var/nix/daemon-socket/socket").exists()
        });
    }

    pub fn start_guard(&self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open("/nix/test/log")
            .unwrap();
        let serve = Command::new("/nix/test/bin/slipway-guard")
            .args(["--config", "/nix/test/config.json", "serve"])
            // What a careless service manager might hand on.
            .env("NIXOS_NO_CHECK", "1")
            .stderr(log)
            .spawn()
            .unwrap();
        *self.serve.borrow_mut() = Some(serve);
        let socket = Path::new("/nix/test/guard.socket");
        until("the guard answers", 10, || {
            guard::client::status(socket).is_ok()
        });
    }

    pub fn stop_guard(&self) {
        if let Some(mut serve) = self.serve.borrow_mut().take() {
            serve.kill().unwrap();
            serve.wait().unwrap();
        }
    }

    /// The power is lost, or somebody reboots: what boots is what the firmware and the loader say.
    pub fn reboot(&self) {
        self.stop_guard();
        self.kill_activations();
        let booted = run("/nix/test/bin/boots", &[]);
        for link in ["current-system", "booted-system"] {
            let link = format!("{PLACE}/{link}");
            std::fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink(booted.trim(), &link).unwrap();
        }
        std::fs::remove_dir_all("/nix/test/run").unwrap();
        let id = std::fs::read_to_string("/nix/test/boot-id").unwrap();
        std::fs::write("/nix/test/boot-id", format!("{id}again")).unwrap();
        run(
            "/nix/test/bin/slipway-guard",
            &["--config", "/nix/test/config.json", "boot"],
        );
        self.start_guard();
    }

    /// As an out-of-memory killer would.
    pub fn kill_activations(&self) {
        for process in std::fs::read_dir("/proc").unwrap() {
            let folder = process.unwrap().path();
            let command = std::fs::read(folder.join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains("activate\0--config") {
                run(
                    "kill",
                    &["-9", folder.file_name().unwrap().to_str().unwrap()],
                );
            }
        }
    }

    /// What was called of any closure since the last time, a line each.
    pub fn calls(&self) -> Vec<String> {
        let file = format!("{PLACE}/calls");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        text.lines().map(str::to_owned).collect()
    }
}

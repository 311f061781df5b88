//! The host itself, and what a client of it can do.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use guard::answer::{Done, History, HostState, Outcome, Status};
use guard::refusal::{Code, Refusal};
use guard::release::{ActionKind, Release, SignedRelease};
use guard::store_path::StorePath;

use super::{find, releases, run, until, write, PLACE};

const KEYS: [&str; 4] = ["ci", "laptop", "signer", "stranger"];
const PROFILE: &str = "/nix/var/nix/profiles/system";

pub struct Host {
    services: std::cell::RefCell<Vec<Child>>,
    serve: std::cell::RefCell<Option<Child>>,
}

/// What a command over ssh came to.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn refused(&self) -> Option<Code> {
        if self.code != Some(guard::refusal::EXIT_CODE) {
            return None;
        }
        Refusal::find(&self.stderr).map(|refusal| refusal.code)
    }

    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    #[track_caller]
    pub fn is_refused(&self, code: Code) {
        assert_eq!(self.refused(), Some(code), "{self:#?}");
    }
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
        reachable(&nix);
        programs(&nix);
        users();
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

    /// Every closure of the tests, signed by the fleet's key.
    fn build(&self) {
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

    pub fn ssh_command(&self, key: &str, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "none",
            "-p",
            "2222",
            "-i",
            &format!("{PLACE}/keys/{key}"),
        ])
        .args([
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oLogLevel=ERROR",
        ])
        .args([
            "-oBatchMode=yes",
            "-oIdentitiesOnly=yes",
            "deploy@127.0.0.1",
        ])
        .arg(command);
        ssh
    }

    pub fn ssh(&self, key: &str, command: &str) -> Answer {
        self.ssh_with(key, command, "")
    }

    pub fn ssh_with(&self, key: &str, command: &str, input: &str) -> Answer {
        answer(self.ssh_command(key, command), input)
    }

    pub fn accept(&self, signed: &SignedRelease) -> Answer {
        self.ssh_with("ci", "accept-release", &signed.to_wire().unwrap())
    }

    /// Makes, signs and hands over a release of one closure.
    pub fn release(&self, counter: u64, name: &str, kind: ActionKind) -> Release {
        let release = releases::release(self, counter, name, kind);
        self.accept(&releases::sign(&release)).good();
        release
    }

    /// Word for word what deploy-rs sends.
    pub fn activate_line(&self, name: &str, flags: &str) -> String {
        let profile = self.profile(name);
        format!(
            "sudo -u root {profile}/activate-rs activate '{profile}' --profile-user root --profile-name system \
             --temp-path '/tmp' --confirm-timeout 4 --magic-rollback --auto-rollback{flags}"
        )
    }

    pub fn activate(&self, name: &str, flags: &str) -> Answer {
        self.ssh("ci", &self.activate_line(name, flags))
    }

    pub fn confirm(&self, key: &str, name: &str) -> Answer {
        let hash = self.profile(name).hash().to_owned();
        self.ssh(
            key,
            &format!("sudo -u root rm /tmp/deploy-rs-canary-{hash}"),
        )
    }

    pub fn wait_line(&self, name: &str) -> String {
        let profile = self.profile(name);
        format!("sudo -u root {profile}/activate-rs wait '{profile}' --temp-path '/tmp' --activation-timeout 30")
    }

    pub fn wait(&self, name: &str) -> Answer {
        self.ssh("ci", &self.wait_line(name))
    }

    /// As deploy-rs does it: activate and wait at once, then confirm. Answers of all three.
    pub fn deploy(&self, name: &str) -> [Answer; 3] {
        let activate = spawn(self.ssh_command("ci", &self.activate_line(name, "")));
        let waited = self.wait(name);
        let confirmed = self.confirm("ci", name);
        [finish(activate), waited, confirmed]
    }

    pub fn deploys(&self, name: &str) {
        for answer in self.deploy(name) {
            answer.good();
        }
    }

    pub fn status(&self) -> Status {
        serde_json::from_str(&self.ssh("ci", "status").good()).unwrap()
    }

    pub fn done(&self, answer: Answer) -> Done {
        serde_json::from_str(&answer.good()).unwrap()
    }

    pub fn outcome(&self) -> Outcome {
        let last = self.status().last_activation.unwrap();
        last.ended.unwrap().outcome
    }

    pub fn history(&self) -> History {
        serde_json::from_str(&self.ssh("ci", "history").good()).unwrap()
    }

    /// What runs, boots by default and is the profile, by its name.
    pub fn is(&self) -> [String; 3] {
        let name = |path: Option<StorePath>| {
            path.map_or_else(|| "?".to_owned(), |path| self.name_of(&path))
        };
        let status = self.status();
        [status.running, status.boot_default, status.profile].map(name)
    }

    fn name_of(&self, path: &StorePath) -> String {
        path.name()
            .trim_start_matches("nixos-system-Niko-")
            .to_owned()
    }

    pub fn is_idle(&self) -> bool {
        self.status().state == HostState::Idle
    }

    /// What was called of any closure since the last time, a line each.
    pub fn calls(&self) -> Vec<String> {
        let file = format!("{PLACE}/calls");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        text.lines().map(str::to_owned).collect()
    }
}

pub fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn finish(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn answer(command: Command, input: &str) -> Answer {
    let mut child = spawn(command);
    // Whoever refuses does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    finish(child)
}

/// A Nix below a home folder is for its owner only: the folder is covered, and Nix put back into it.
fn reachable(nix: &str) {
    let root = Path::new(nix).parent().unwrap().parent().unwrap();
    if root == Path::new("/usr") {
        return;
    }
    let top: std::path::PathBuf = root.components().take(2).collect();
    let (root, top) = (root.to_str().unwrap(), top.to_str().unwrap());
    std::fs::create_dir_all("/nix/test/tools").unwrap();
    run("mount", &["--bind", root, "/nix/test/tools"]);
    let own = env!("CARGO_MANIFEST_DIR");
    std::fs::create_dir_all("/nix/test/crate").unwrap();
    run("mount", &["--bind", own, "/nix/test/crate"]);
    run("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", top]);
    for (from, to) in [("/nix/test/tools", root), ("/nix/test/crate", own)] {
        if Path::new(to).starts_with(top) {
            std::fs::create_dir_all(to).unwrap();
            run("mount", &["--bind", from, to]);
        }
    }
}

/// Nix with a configuration of its own, and stand-ins for systemd and the boot loader.
fn programs(nix: &str) {
    let bin = Path::new(nix).parent().unwrap().display().to_string();
    let conf = "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false\n\
        trusted-users = root\nsubstituters =\nflake-registry =\n";
    write("/nix/test/conf/nix.conf", conf, 0o644);
    for name in [
        "nix",
        "nix-env",
        "nix-store",
        "nix-daemon",
        "nix-build",
        "nix-collect-garbage",
    ] {
        // A private Nix has its programs as links.
        let script =
            format!("#!/bin/sh\nexport NIX_CONF_DIR=/nix/test/conf\nexec {bin}/{name} \"$@\"\n");
        write(&format!("{PLACE}/bin/{name}"), &script, 0o755);
    }
    write("/nix/test/bin/systemctl", SYSTEMCTL, 0o755);
    write("/nix/test/bin/bootctl", BOOTCTL, 0o755);
    write("/nix/test/bin/boots", BOOTS, 0o755);
}

const SYSTEMCTL: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
case "$*" in
  list-units*) cat /nix/test/failed-units 2>/dev/null; true ;;
  is-system-running) echo running ;;
  "start --no-block slipway-upgrade.service")
    setpriv --reuid=7778 --regid=7777 --clear-groups -- /nix/test/bin/slipway-guard upgrade \
      --settings /nix/test/upgrade.json >> /nix/test/looked 2>&1 < /dev/null & ;;
  *reboot*) echo reboot >> /nix/test/calls ;;
esac
"#;

/// Entries are the profile's generations, as NixOS makes them; the firmware's variables are files.
const BOOTCTL: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
shift # the partition
R=/nix/test
entry_of() { for l in $(ls -d /nix/var/nix/profiles/system-*-link | sort -V); do
  [ "$(dirname "$(readlink -f $l/init)")" != "$1" ] || basename $l; done | tail -n 1; }
case $1 in
  list)
    default=$(cat $R/efi-default 2>/dev/null || entry_of "$(cat $R/boot-default)")
    comma=; printf '['
    for l in /nix/var/nix/profiles/system-*-link; do
      id=$(basename $l); d=false; [ "$id" != "$default" ] || d=true
      printf '%s{"type":"type1","id":"%s","options":"quiet init=%s","isDefault":%s}' "$comma" $id "$(readlink -f $l/init)" $d
      comma=,
    done
    echo ']' ;;
  set-default | set-oneshot)
    file=$R/efi-${1#set-}
    if [ -n "$2" ]; then echo "$2" > $file; else rm -f $file; fi ;;
esac
"#;

/// What the firmware and the loader would boot now.
const BOOTS: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
R=/nix/test
for f in efi-oneshot efi-default; do
  if [ -e $R/$f ]; then
    id=$(cat $R/$f); [ $f != efi-oneshot ] || rm $R/$f
    dirname "$(readlink -f /nix/var/nix/profiles/$id/init)"; exit
  fi
done
cat $R/boot-default
"#;

/// A user `deploy` that exists only here.
fn users() {
    let add = |file: &str, line: &str, mode: u32| {
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        let copy = format!("{PLACE}/{name}");
        let text = std::fs::read_to_string(file).unwrap();
        let kept: String = text
            .lines()
            .filter(|line| !line.starts_with("deploy:"))
            .map(|line| format!("{line}\n"))
            .collect();
        write(&copy, &format!("{kept}{line}\n"), mode);
        run("mount", &["--bind", &copy, file]);
    };
    add(
        "/etc/passwd",
        "deploy:x:7777:7777:Deployments:/var/empty:/bin/sh",
        0o644,
    );
    add("/etc/group", "deploy:x:7777:", 0o644);
    add("/etc/shadow", "deploy:*:1:::::: ", 0o600);
}

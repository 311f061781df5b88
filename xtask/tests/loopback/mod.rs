//! Hosts on this machine: each is a real sshd in a mount namespace of its own, with its own `/run`, system profile and
//! temporary files, and with this machine's store. What they run are systems of a few lines of shell, activated by
//! deploy-rs's real programs.
#![allow(dead_code)] // Each test program uses its own share of it.

pub mod guarded;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::support::{skip, Nix};

/// A fleet and its hosts.
pub struct Loopback {
    pub fleet: Fleet,
    pub nix: Nix,
    dir: TempDir,
    deploy_rs: PathBuf,
    hosts: Vec<Host>,
}

struct Host {
    name: String,
    wave: u32,
    port: u16,
    sshd: Option<Child>,
    /// Shell that its next system's activation runs, in `$action` and `$system`.
    script: String,
    /// Whether the inventory knows its key.
    known: bool,
    checks: String,
    notify: String,
    /// What may reboot it, and when, in Nix.
    reboot: String,
    /// What its next system has as its kernel, if anything.
    kernel: String,
    /// What else the inventory says of it, in Nix.
    inventory: String,
    /// Whether it makes releases; who logs in is root here.
    makes_releases: bool,
    /// The guard's program with its configuration, on a host that has one.
    guard: Option<String>,
}

impl Loopback {
    /// None is a skip: sshd, deploy-rs and root are needed.
    pub fn new(names: &[(&str, u32)]) -> Option<Self> {
        let nix = crate::support::nix()?;
        let deploy_rs = deploy_rs()?;
        if !Path::new(SSHD).exists() {
            skip("no sshd: openssh-server is not installed");
            return None;
        }
        let namespaces = Command::new("unshare").args(["--mount", "true"]).status();
        if !namespaces.is_ok_and(|status| status.success()) {
            skip("no mount namespaces: not root, or in a container that has none");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        key_pair(&dir.path().join("client"));
        let mut loopback = Self {
            fleet: Fleet::new(&[]),
            nix,
            dir,
            deploy_rs,
            hosts: Vec::new(),
        };
        for (name, wave) in names {
            loopback.add(name, *wave);
        }
        loopback.commit("first");
        for (name, _) in names {
            loopback.install(name);
            loopback.start(name);
        }
        Some(loopback)
    }

    fn add(&mut self, name: &str, wave: u32) {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let root = self.root(name);
        for folder in ["run/sshd", "profiles", "tmp"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        key_pair(&root.join("key"));
        let bin = self.nix.program.parent().unwrap().display();
        let conf_dir = std::env::var("NIX_CONF_DIR").unwrap_or_else(|_| "/etc/nix".to_owned());
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/key\nPidFile none\nUsePAM no\nPermitRootLogin yes\n\
             StrictModes no\nAuthorizedKeysFile {1}/client.pub\nPasswordAuthentication no\nLogLevel VERBOSE\n\
             MaxStartups 100\nSetEnv PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin NIX_CONF_DIR={conf_dir}\n",
            root.display(),
            self.dir.path().display(),
        );
        std::fs::write(root.join("sshd_config"), config).unwrap();
        self.hosts.push(Host {
            name: name.to_owned(),
            wave,
            port,
            sshd: None,
            script: String::new(),
            known: true,
            checks: "{ }".to_owned(),
            notify: "{ }".to_owned(),
            reboot: "{ unattended = true; window = null; }".to_owned(),
            kernel: String::new(),
            inventory: "{ }".to_owned(),
            makes_releases: false,
            guard: None,
        });
    }

    fn root(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn host(&mut self, name: &str) -> &mut Host {
        self.hosts
            .iter_mut()
            .find(|host| host.name == name)
            .unwrap()
    }

    /// What the host's system does when it is activated, from the next commit on.
    pub fn script(&mut self, name: &str, script: &str) {
        self.host(name).script = script.to_owned();
    }

    pub fn forget_key(&mut self, name: &str) {
        self.host(name).known = false;
    }

    /// The host's health checks, in Nix.
    pub fn checks(&mut self, name: &str, checks: &str) {
        self.host(name).checks = checks.to_owned();
    }

    /// Who is told of the host, in Nix.
    pub fn notify(&mut self, name: &str, listeners: &str) {
        self.host(name).notify = listeners.to_owned();
    }

    /// Whether the host makes releases, from the next commit on.
    pub fn makes_releases(&mut self, name: &str, yes: bool) {
        self.host(name).makes_releases = yes;
    }

    /// What else the inventory says of the host, in Nix, from the next commit on.
    pub fn inventory(&mut self, name: &str, more: &str) {
        self.host(name).inventory = more.to_owned();
    }

    /// The private half of the key that its sshd takes.
    pub fn client_key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// What may reboot the host, and when, in Nix.
    pub fn reboots(&mut self, name: &str, policy: &str) {
        self.host(name).reboot = policy.to_owned();
    }

    /// What the host's next system has as its kernel.
    pub fn kernel(&mut self, name: &str, text: &str) {
        self.host(name).kernel = text.to_owned();
    }

    /// Commits the fleet with this word in every system.
    pub fn commit(&mut self, word: &str) {
        let text = self.flake(word);
        self.fleet.write("flake.nix", &text);
        self.fleet.commit();
    }

    fn flake(&self, word: &str) -> String {
        let activate = self.deploy_rs.with_file_name("activate");
        let mut hosts = String::new();
        for host in &self.hosts {
            let root = self.root(&host.name);
            let key = std::fs::read_to_string(root.join("key.pub")).unwrap();
            let keys = if host.known {
                format!("[ \"{}\" ]", key.trim())
            } else {
                "[ ]".to_owned()
            };
            hosts.push_str(&format!(
                r#"        {name} = {{ wave = {wave}; port = "{port}"; hostKeys = {keys}; healthChecks = {checks}; notify = {notify}; guard = {guard}; releases = {releases}; reboot = {reboot}; kernel = "{kernel}"; inventory = {inventory}; script = ''
{script}
''; }};
"#,
                name = host.name,
                wave = host.wave,
                port = host.port,
                checks = host.checks,
                notify = host.notify,
                guard = host.guard.is_some(),
                releases = if host.makes_releases { "{ user = \"root\"; }" } else { "null" },
                reboot = host.reboot,
                kernel = host.kernel,
                inventory = host.inventory,
                script = host.script,
            ));
        }
        format!(
            r##"{{
  outputs =
    _:
    let
      build =
        name: script:
        derivation {{
          inherit name;
          system = "x86_64-linux";
          builder = "/bin/sh";
          PATH = "/usr/bin:/bin";
          args = [ "-c" script ];
        }};
      hosts = {{
{hosts}      }};
      toplevel =
        name: host:
        build "nixos-system-${{name}}" ''
          mkdir -p $out/bin
          cat > $out/bin/switch-to-configuration <<'EOF'
          #!/bin/sh
          # {word}
          # Of {client} alone: hosts of other tests share this machine's /tmp, where deploy-rs puts its canary.
          set -e
          action=$1
          system=$(dirname "$(dirname "$(readlink -f "$0")")")
          ${{host.script}}
          case $action in switch | test) ln -sfn "$system" /run/current-system ;; esac
          EOF
          chmod +x $out/bin/switch-to-configuration
          touch $out/init
          echo rehearsal-1 > $out/init-interface-version
          if [ -n "${{host.kernel}}" ]; then ln -s ${{builtins.toFile "kernel" host.kernel}} $out/kernel; fi
        '';
      profile =
        name: system:
        build "activatable-nixos-system-${{name}}" ''
          mkdir -p $out/bin
          ln -s ${{system}}/bin/switch-to-configuration $out/bin/
          ln -s ${{system}}/init $out/
          cp {activate} $out/activate-rs
          cat > $out/deploy-rs-activate <<'EOF'
          #!/bin/sh
          if [ "$BOOT" = 1 ]; then action=boot; elif [ "$TEST" = 1 ]; then action=test; else action=switch; fi
          if [ "$DRY_ACTIVATE" = 1 ]; then action=dry-activate; fi
          exec "$PROFILE/bin/switch-to-configuration" $action
          EOF
          chmod +x $out/deploy-rs-activate
        '';
      node = host: {{
        hostname = "127.0.0.1";
        sshUser = "root";
        user = "root";
        sshOpts = [ "-p" host.port "-i" "{client}/client" "-oIdentitiesOnly=yes" ];
        magicRollback = true;
        autoRollback = true;
        confirmTimeout = 8;
        activationTimeout = 20;
        fastConnection = false;
      }};
    in
    {{
      nixosConfigurations = builtins.mapAttrs (name: host: {{
        config = {{
          homelab.inventory = {{
            inherit name;
            inherit (host) wave hostKeys healthChecks notify guard releases reboot;
            system = "x86_64-linux";
            deployable = true;
            targetHost = "127.0.0.1";
            node = node host;
          }} // host.inventory;
          system.build.toplevel = toplevel name host;
        }};
      }}) hosts;
      deploy.nodes = builtins.mapAttrs (
        name: host: node host // {{ profiles.system = {{ user = "root"; path = profile name (toplevel name host); }}; }}
      ) hosts;
    }};
}}
"##,
            activate = activate.display(),
            client = self.dir.path().display(),
        )
    }

    /// Gives the host the system of the commit, as an installer would: it is booted, and the profile.
    fn install(&self, name: &str) {
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

    /// Switches the host on.
    pub fn start(&mut self, name: &str) {
        let root = self.root(name);
        let guard = self.host(name).guard.clone();
        let services = guard.map_or_else(String::new, |guard| {
            format!("{guard} boot && {{ {guard} serve & }} &&")
        });
        let script = format!(
            "mount --bind {0}/run /run && mount --bind {0}/profiles /nix/var/nix/profiles && \
             mount --bind {0}/tmp /var/tmp && {services} exec {SSHD} -D -e -f {0}/sshd_config",
            root.display()
        );
        // One that was told to reboot boots what its profile leads to; one that is broken does not come up.
        let power = format!(
            "while :; do\n\
               unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh -c {services:?}\n\
               [ -e {0}/run/reboot ] && ! [ -e {0}/broken ] || exit\n\
               rm -rf {0}/run/reboot {0}/guard/run\n\
               system=$(dirname $(readlink -f {0}/profiles/system/init))\n\
               ln -sfn $system {0}/run/current-system\n\
               ln -sfn $system {0}/run/booted-system\n\
               cat /proc/sys/kernel/random/uuid > {0}/run/boot-id\n\
             done",
            root.display(),
            services = script,
        );
        let log = std::fs::File::create(root.join("sshd.log")).unwrap();
        let child = Command::new("unshare")
            // With processes of its own it can be asked what it is about, and ends as a whole.
            .args(["--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", &power])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let host = self.host(name);
        host.sshd = Some(child);
        let address = format!("127.0.0.1:{}", host.port);
        let started = Instant::now();
        let wait = || {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "sshd of {name} does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        while std::net::TcpStream::connect(&address).is_err() {
            wait();
        }
        // Once it is logged, nobody takes it for a connection that comes later.
        while self.connections(name) == 0 {
            wait();
        }
    }

    /// How often somebody connected to the host since it was started; the look at whether it listens is the first.
    pub fn connections(&self, name: &str) -> usize {
        let log = std::fs::read_to_string(self.root(name).join("sshd.log")).unwrap();
        let lines = log.lines();
        lines
            .filter(|line| line.starts_with("Connection from "))
            .count()
    }

    /// From its next start on, every command of the host is this script's, which reads `SSH_ORIGINAL_COMMAND`.
    pub fn force(&self, name: &str, script: &str) {
        let root = self.root(name);
        let file = root.join("forced");
        guarded::write_program(&file, &format!("#!/bin/sh\n{script}\n"));
        let config = root.join("sshd_config");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}ForceCommand {}\n", file.display())).unwrap();
    }

    /// Switches the host off.
    pub fn stop(&mut self, name: &str) {
        if let Some(mut sshd) = self.host(name).sshd.take() {
            sshd.kill().unwrap();
            sshd.wait().unwrap();
        }
        // The kernel takes its time with the processes of a name space, and they have the port.
        let address = format!("127.0.0.1:{}", self.host(name).port);
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_ok() {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "sshd of {name} does not end"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A file of the host's own `/run`.
    pub fn run_file(&self, name: &str, file: &str) -> PathBuf {
        self.root(name).join("run").join(file)
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

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fleet.command(&self.nix, args);
        let bin = self.deploy_rs.parent().unwrap();
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .unwrap()
            .to_owned();
        command.env(
            "PATH",
            format!("{}:{}", bin.display(), path.to_str().unwrap()),
        );
        command
    }

    /// The same on the host itself, without its sshd: what a person does who sits at it.
    pub fn on_host(&self, name: &str, args: &[&str]) -> Output {
        let root = self.root(name);
        let script = format!(
            "hostname {name} && mount --bind {0}/run /run && mount --bind {0}/profiles /nix/var/nix/profiles && \
             mount --bind {0}/tmp /var/tmp && exec \"$0\" \"$@\"",
            root.display()
        );
        let command = self.command(args);
        let mut on_host = Command::new("unshare");
        on_host
            .args(["--mount", "--uts", "--propagation", "private"])
            // Whether deploy-rs is about something is asked of its own processes, not of other tests'.
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", &script])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => on_host.env(name, value),
                None => on_host.env_remove(name),
            };
        }
        on_host.output().unwrap()
    }

    pub fn xtask(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What differs from run to run.
    pub fn filters(&self) -> Vec<(String, String)> {
        let mut filters = self.fleet.filters();
        filters.push((
            regex::escape(&self.dir.path().display().to_string()),
            "[HOSTS]".to_owned(),
        ));
        filters.push((r"\(?\b[0-9.]+ s\b\)?".to_owned(), "[TIME]".to_owned()));
        filters.push((r"[0-9.]+ [KMGT]?i?B\b".to_owned(), "[SIZE]".to_owned()));
        // In a table's column, which is as wide as the longest of them.
        filters.push((r" +[0-9]+\.[0-9]+\n".to_owned(), " [SECONDS]\n".to_owned()));
        for host in &self.hosts {
            filters.push((format!("port {}", host.port), "port [PORT]".to_owned()));
        }
        filters
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            if let Some(sshd) = &mut host.sshd {
                let _ = sshd.kill();
                let _ = sshd.wait();
            }
        }
    }
}

const SSHD: &str = "/usr/sbin/sshd";

fn word(system: &Path) -> String {
    let text = std::fs::read_to_string(system.join("bin/switch-to-configuration")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("# "));
    line.unwrap().to_owned()
}

/// deploy-rs's `deploy`, with `activate` beside it; none is a skip.
fn deploy_rs() -> Option<PathBuf> {
    let provided = std::env::var_os("SLIPWAY_TEST_DEPLOY_RS").map(PathBuf::from);
    let found = provided.or_else(|| which::which("deploy").ok());
    if found.is_none() {
        skip("no deploy-rs: neither SLIPWAY_TEST_DEPLOY_RS nor `deploy` on PATH");
    }
    found
}

fn key_pair(file: &Path) {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

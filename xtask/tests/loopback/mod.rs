//! Hosts on this machine: each is a real sshd in a mount namespace of its own, with its own `/run`, system profile and
//! temporary files, and with this machine's store. What they run are systems of a few lines of shell, activated by
//! deploy-rs's real programs.
#![allow(dead_code)] // Each test program uses its own share of it.

mod flake;
pub mod guarded;
pub mod outcomes;
mod power;
mod systems;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::support::{key_pair, prepend_path, skip, Nix};

pub const DEPLOY: [&str; 3] = ["deploy", "--yes", "--json"];

/// A script that fails on the second commit's activation, and not on the way back.
pub const FAILS: &str = "if [ $action != boot ] && ! [ -e /run/failed ]; then touch /run/failed; echo it does not start >&2; exit 4; fi";

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

    /// A file of the host's own `/run`.
    pub fn run_file(&self, name: &str, file: &str) -> PathBuf {
        self.root(name).join("run").join(file)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fleet.command(&self.nix, args);
        prepend_path(&mut command, self.deploy_rs.parent().unwrap());
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

/// deploy-rs's `deploy`, with `activate` beside it; none is a skip.
fn deploy_rs() -> Option<PathBuf> {
    let provided = std::env::var_os("SLIPWAY_TEST_DEPLOY_RS").map(PathBuf::from);
    let found = provided.or_else(|| which::which("deploy").ok());
    if found.is_none() {
        skip("no deploy-rs: neither SLIPWAY_TEST_DEPLOY_RS nor `deploy` on PATH");
    }
    found
}

//! ssh: how a host of the fleet is reached, with the host keys that the inventory names and no others.

pub mod here;
pub mod key;
mod target;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::tailscale::{self, Place, Tailnet};
use crate::fleet::host::HostName;
use crate::fleet::inventory::Slowness;
use crate::process::Command;

/// What ssh itself ends with when it does not reach the host.
pub const SSH_FAILED: i32 = 255;
/// Seconds until a host that does not answer counts as dead.
pub const CONNECT_SECONDS: u32 = 5;

/// A host as ssh reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub host: HostName,
    /// The address that the inventory names.
    pub address: String,
    /// None leaves it to ssh: the name of whoever calls it.
    pub user: Option<String>,
    /// The host's own arguments for ssh.
    pub options: Vec<String>,
    /// Public keys as in `ssh_host_ed25519_key.pub`; empty if the inventory knows none.
    pub keys: Vec<String>,
    /// Nothing but this very machine may be reached, whatever the options say.
    pub loopback_only: bool,
    /// It is the machine that this runs on: its commands are started here, by what takes the place of ssh.
    pub here: bool,
    /// How long it is waited for.
    pub slowness: Slowness,
}

impl Target {
    /// Whether the address is this machine's own.
    pub fn is_loopback(&self) -> bool {
        self.address == "localhost"
            || self
                .address
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Whether its stage lets it be reached at all.
    pub fn may_be_asked(&self) -> bool {
        !self.loopback_only || self.is_loopback()
    }

    /// ssh's arguments before the address: ours first, since ssh takes what it reads first. `key` is the only one that is
    /// shown to the host, where it is given.
    fn arguments(&self, known_hosts: &Path, key: Option<&Path>) -> Vec<String> {
        if self.here {
            return Vec::new();
        }
        let mut options = vec![
            "BatchMode=yes".to_owned(),
            // A key that nobody wrote down is never accepted.
            "StrictHostKeyChecking=yes".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "ForwardAgent=no".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
        ];
        if !self.keys.is_empty() {
            options.extend([
                format!("HostKeyAlias={}", self.alias()),
                format!("UserKnownHostsFile={}", known_hosts.display()),
                "GlobalKnownHostsFile=/dev/null".to_owned(),
                "KnownHostsCommand=none".to_owned(),
            ]);
        }
        if self.loopback_only {
            options.extend([
                format!("HostName={}", self.address),
                "ProxyCommand=none".to_owned(),
                "ProxyJump=none".to_owned(),
            ]);
        }
        if let Some(key) = key {
            options.extend([
                format!("IdentityFile={}", key.display()),
                "IdentitiesOnly=yes".to_owned(),
                "IdentityAgent=none".to_owned(),
            ]);
        }
        let ours = options.into_iter().map(|option| format!("-o{option}"));
        ours.chain(self.options.iter().cloned()).collect()
    }

    /// Whether it is another machine, which a network leads to.
    fn is_away(&self) -> bool {
        !self.here && !self.loopback_only && !self.is_loopback()
    }

    /// Under this name its keys are known.
    fn alias(&self) -> String {
        self.host.file_name()
    }
}

/// The hosts' keys, and our own where a job was given one, in files that ssh reads. They go when this is dropped.
#[derive(Debug)]
pub struct Ssh {
    dir: tempfile::TempDir,
    /// Whether there is one of our own.
    key: bool,
    /// Whether other machines are reached through a tailnet.
    tailnet: bool,
}

impl Ssh {
    /// A job that has a tailnet's secret is in that tailnet from here on, and these targets were seen to answer there.
    ///
    /// # Errors
    /// Usage, if a key or secret that a job was given is none; failed, if the tailnet does not lead to any of them; else if
    /// the files cannot be written.
    pub async fn knowing<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Result<Self> {
        let targets: Vec<&Target> = targets.into_iter().collect();
        let away: Vec<&Target> = targets.iter().copied().filter(|it| it.is_away()).collect();
        let tailnet = match away.as_slice() {
            [] => None,
            _ => tailscale::joined().await?,
        };
        let ssh = Self::through(tailnet.map(|(tailnet, _)| tailnet), &targets)?;
        if let Some((tailnet, true)) = tailnet {
            let mut places = Vec::new();
            for target in away {
                places.push(ssh.place(target).await?);
            }
            tailnet.wait(places, tailscale::REACH).await?;
        }
        Ok(ssh)
    }

    pub(super) fn through(tailnet: Option<&Tailnet>, targets: &[&Target]) -> Result<Self> {
        // deploy-rs hands its arguments over as one string: the path must not have a space.
        let dir = tempfile::Builder::new()
            .prefix("slipway-ssh-")
            .tempdir()
            .context("cannot make a folder for known host keys")?;
        let text: String = targets.iter().copied().map(known_hosts).collect();
        std::fs::write(dir.path().join(KNOWN_HOSTS), text)
            .context("cannot write the known host keys")?;
        if targets.iter().any(|target| target.here) {
            here::write(&dir.path().join(PROGRAM))
                .context("cannot write what runs commands here")?;
        }
        if let Some(tailnet) = tailnet {
            std::fs::write(dir.path().join(CONFIG), tailnet.ssh_config())
                .context("cannot write ssh's way into the tailnet")?;
        }
        let key = key::write(&dir.path().join(KEY))?;
        Ok(Self {
            dir,
            key,
            tailnet: tailnet.is_some(),
        })
    }

    /// Where ssh would connect to for this target: its options may name another port.
    ///
    /// # Errors
    /// If ssh does not take the target's options.
    pub(super) async fn place(&self, target: &Target) -> Result<Place> {
        let output = Command::new(PROGRAM)
            .arg("-G")
            .args(self.arguments(target))
            .args(["--", &target.address])
            .success()
            .await?;
        let text = output.text();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let address = value("hostname ").unwrap_or(&target.address).to_owned();
        let port = value("port ").and_then(|port| port.parse().ok());
        Ok(Place {
            host: target.host.clone(),
            address,
            port: port.unwrap_or(22),
        })
    }

    /// A folder with the `ssh` that reaches this target, for programs that start it by its name; none if that is the
    /// machine's own.
    pub fn programs(&self, target: &Target) -> Option<&Path> {
        target.here.then(|| self.dir.path())
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join(KNOWN_HOSTS)
    }

    /// What a target's ssh is called with before the address, for programs that start it themselves.
    pub fn arguments(&self, target: &Target) -> Vec<String> {
        let key = self.key.then(|| self.dir.path().join(KEY));
        let through = (self.tailnet && target.is_away())
            .then(|| format!("-F{}", self.dir.path().join(CONFIG).display()));
        let own = target.arguments(&self.known_hosts(), key.as_deref());
        through.into_iter().chain(own).collect()
    }

    /// A command on a host; `command` is one string, as the host's shell or its guard gets it.
    pub fn command(&self, target: &Target, command: &str) -> Command {
        let slowness = target.slowness;
        let program = match self.programs(target) {
            Some(folder) => folder.join(PROGRAM),
            None => PROGRAM.into(),
        };
        let mut ssh = Command::new(program)
            .arg("-T")
            .arg(format!(
                "-oConnectTimeout={}",
                slowness.over_seconds(CONNECT_SECONDS)
            ))
            .arg("-oServerAliveInterval=5")
            .arg(format!(
                "-oServerAliveCountMax={}",
                slowness.over_seconds(3)
            ))
            .args(self.arguments(target));
        if let Some(user) = &target.user {
            ssh = ssh.args(["-l", user]);
        }
        ssh.args(["--", &target.address, command])
            .timeout(slowness.over(Duration::from_secs(60)))
    }
}

const KNOWN_HOSTS: &str = "known_hosts";
const KEY: &str = "key";
const CONFIG: &str = "config";
const PROGRAM: &str = "ssh";

/// A line for each of the host's keys.
fn known_hosts(target: &Target) -> String {
    target
        .keys
        .iter()
        .map(|key| format!("{} {}\n", target.alias(), key.trim()))
        .collect()
}

/// What ssh says of a host that cannot be reached, in a few words.
pub fn complaint(stderr: &str) -> String {
    const NO_KEY: &str = "its host key is not the one in the inventory";
    if stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return NO_KEY.to_owned();
    }
    if stderr.contains("Host key verification failed") {
        return "its host key is not known".to_owned();
    }
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Warning:"));
    // Where a program of its own leads to the host, that says first why it does not.
    let line = match stderr.contains("UNKNOWN port") {
        true => lines.next(),
        false => lines.next_back(),
    };
    match line {
        // `ssh: connect to host 10.0.0.1 port 22: Connection refused`
        Some(line) => {
            let words = line.strip_prefix("ssh: ").unwrap_or(line);
            let reason = words.rsplit(": ").next().unwrap_or(words);
            let reason = reason.trim_end_matches('.');
            if words.starts_with("connect to host") {
                reason.to_lowercase()
            } else {
                words.trim_end_matches('.').to_owned()
            }
        }
        None => "ssh said nothing".to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn target() -> Target {
        Target {
            host: HostName::known("Web"),
            address: "127.0.0.1".to_owned(),
            user: Some("deploy".to_owned()),
            options: vec!["-p".to_owned(), "2222".to_owned()],
            keys: vec!["ssh-ed25519 AAAA web".to_owned()],
            loopback_only: true,
            here: false,
            slowness: Slowness::default(),
        }
    }

    #[test]
    fn the_inventorys_keys_are_the_only_ones() {
        let ssh = Ssh::through(None, &[&target()]).unwrap();
        let file = ssh.known_hosts();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "Web ssh-ed25519 AAAA web\n");
        let line = ssh.command(&target(), "status").line();
        let line = line.replace(&file.display().to_string(), "FILE");
        insta::assert_snapshot!(line, @"ssh -T -oConnectTimeout=5 -oServerAliveInterval=5 -oServerAliveCountMax=3 -oBatchMode=yes -oStrictHostKeyChecking=yes -oUpdateHostKeys=no -oForwardAgent=no -oClearAllForwardings=yes -oHostKeyAlias=Web -oUserKnownHostsFile=FILE -oGlobalKnownHostsFile=/dev/null -oKnownHostsCommand=none -oHostName=127.0.0.1 -oProxyCommand=none -oProxyJump=none -p 2222 -l deploy -- 127.0.0.1 status");
    }

    #[test]
    fn without_keys_only_those_that_a_person_accepted_count() {
        let unknown = Target {
            keys: Vec::new(),
            loopback_only: false,
            ..target()
        };
        let arguments = unknown.arguments(Path::new("FILE"), None).join(" ");
        assert!(arguments.contains("StrictHostKeyChecking=yes"));
        assert!(!arguments.contains("FILE") && !arguments.contains("HostName"));
    }

    #[test]
    fn a_jobs_own_key_is_the_only_one_that_is_shown() {
        let arguments = target().arguments(Path::new("FILE"), Some(Path::new("KEY")));
        let ours = "-oIdentityFile=KEY -oIdentitiesOnly=yes -oIdentityAgent=none";
        assert!(arguments.join(" ").contains(ours), "{arguments:?}");
    }

    #[test]
    fn loopback_is_told_by_the_address() {
        let at = |address: &str| Target {
            address: address.to_owned(),
            ..target()
        };
        for yes in ["127.0.0.1", "127.3.2.1", "::1", "localhost"] {
            assert!(at(yes).is_loopback(), "{yes}");
        }
        for no in [
            "192.168.0.1",
            "10.0.0.1",
            "localhost.example.org",
            "::2",
            "",
        ] {
            assert!(!at(no).is_loopback(), "{no}");
        }
    }

    #[test]
    fn complaints_are_short() {
        for (stderr, wanted) in [
            ("ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n", "connection refused"),
            ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "connection timed out"),
            ("deploy@10.0.0.1: Permission denied (publickey).\r\n", "deploy@10.0.0.1: Permission denied (publickey)"),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "its host key is not the one in the inventory"),
            ("No ED25519 host key is known for Web and you have requested strict checking.\nHost key verification failed.", "its host key is not known"),
            ("ssh: Could not resolve hostname web: Name or service not known", "Could not resolve hostname web: Name or service not known"),
            ("Dial(\"web\", 22): no such host\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535", "Dial(\"web\", 22): no such host"),
            ("", "ssh said nothing"),
        ] {
            assert_eq!(complaint(stderr), wanted);
        }
    }
}

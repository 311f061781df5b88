//! The host's side of ssh: keys made for one run, and an `ssh_config` that checks each machine's own host key.
//! Nothing of the caller's own ssh configuration, agent or known hosts is used.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::cache;
use crate::error::Result;
use crate::mutex::lock;
use crate::process::Command;
use crate::tools::Tools;

const LIMIT: Duration = Duration::from_secs(60);

/// Guest seconds until sshd must have said something. The run's own file has them as they are: who knows how slow this
/// host is says it before that file is read, and what is said first counts.
const CONNECT: Duration = Duration::from_secs(15);

/// That time where a guest second takes `scale` host seconds: whole seconds, as ssh wants them.
pub(crate) fn connect_timeout(scale: f64) -> String {
    format!(
        "ConnectTimeout={}",
        CONNECT.mul_f64(scale).as_secs_f64().ceil()
    )
}

/// The key that may log in to the machines of a run, and the files that ssh needs to know them.
#[derive(Debug)]
pub(crate) struct Identity {
    dir: PathBuf,
    pub public_key: String,
    hosts: Mutex<BTreeMap<String, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    port: u16,
    host_key: String,
    /// For a machine that knows the key of an earlier run.
    key: Option<PathBuf>,
}

/// A host key pair for one machine.
#[derive(Debug, Clone)]
pub(crate) struct HostKey {
    pub private: String,
    pub public: String,
}

impl HostKey {
    /// A fresh pair; `dir` is the machine's own, and goes with it.
    pub fn create(tools: &Tools, dir: &Path) -> Result<Self> {
        generate(tools, &dir.join("host-key"))?;
        Self::read(dir)
    }

    /// The pair that `create` or `write` left in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("host-key");
        Ok(Self {
            private: cache::read_text(&file)?,
            public: cache::read_text(&file.with_extension("pub"))?
                .trim_end()
                .to_owned(),
        })
    }

    pub fn write(&self, dir: &Path) -> Result<()> {
        let file = dir.join("host-key");
        secret(&file, &self.private)?;
        cache::write(
            &file.with_extension("pub"),
            format!("{}\n", self.public).as_bytes(),
        )
    }
}

/// A file that ssh takes as a key: nobody else may read it.
fn secret(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    cache::write(file, text.as_bytes())?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
        .map_err(|e| crate::Error::io("protect", file, e))
}

/// A pair in `file` and `file.pub`; gives the public half.
pub(crate) fn generate(tools: &Tools, file: &Path) -> Result<String> {
    Command::new(&tools.ssh_keygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "harness", "-f"])
        .arg(file)
        .success(LIMIT)?;
    let public = cache::read_text(&file.with_extension("pub"))?;
    Ok(public.trim_end().to_owned())
}

impl Identity {
    pub fn create(tools: &Tools, dir: &Path) -> Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            public_key: generate(tools, &dir.join("key"))?,
            hosts: Mutex::new(BTreeMap::new()),
        })
    }

    /// Leaves a copy of the key in `dir`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        secret(&dir.join("key"), &cache::read_text(&self.dir.join("key"))?)
    }

    /// Where a machine is reached from now on; `key` is one that it takes besides that of the run.
    pub fn learn(
        &self,
        machine: &str,
        port: u16,
        host_key: &HostKey,
        key: Option<PathBuf>,
    ) -> Result<()> {
        let mut hosts = lock(&self.hosts);
        hosts.insert(
            machine.to_owned(),
            Known {
                port,
                host_key: host_key.public.clone(),
                key,
            },
        );
        let known: String = hosts
            .iter()
            .map(|(name, host)| format!("{name} {}\n", host.host_key))
            .collect();
        // By rename: another thread's ssh reads them at any moment.
        for (file, text) in [
            ("known_hosts", known),
            ("ssh_config", config(&self.dir, &hosts)),
        ] {
            let fresh = self.dir.join(format!("{file}.new"));
            cache::write(&fresh, text.as_bytes())?;
            std::fs::rename(&fresh, self.dir.join(file))
                .map_err(|e| crate::Error::io("write", &fresh, e))?;
        }
        Ok(())
    }
}

fn config(dir: &Path, hosts: &BTreeMap<String, Known>) -> String {
    let mut text = String::new();
    for (name, host) in hosts {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  HostKeyAlias {name}\n",
            host.port
        );
        if let Some(key) = &host.key {
            let _ = writeln!(text, "  IdentityFile \"{}\"", key.display());
        }
    }
    let dir = dir.display();
    // The exchange that ssh prefers is made to outlast quantum computers, and costs a guest without KVM as much as all
    // the rest of a login. The others stay allowed, for a machine whose sshd wants one of them.
    let _ = write!(
        text,
        "Host *\n  KexAlgorithms ^curve25519-sha256\n  User root\n  IdentityFile \"{dir}/key\"\n  \
         IdentitiesOnly yes\n  IdentityAgent none\n  \
         UserKnownHostsFile \"{dir}/known_hosts\"\n  GlobalKnownHostsFile /dev/null\n  \
         StrictHostKeyChecking yes\n  BatchMode yes\n  ConnectTimeout 15\n  LogLevel ERROR\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_gets_more_time_to_connect() {
        assert_eq!(connect_timeout(1.0), "ConnectTimeout=15");
        assert_eq!(connect_timeout(2.5), "ConnectTimeout=38");
        assert!(config(Path::new("/r"), &BTreeMap::new()).contains("  ConnectTimeout 15\n"));
    }

    #[test]
    fn the_configuration_binds_each_name_to_its_own_key_and_port() {
        let hosts = BTreeMap::from([(
            "web".to_owned(),
            Known {
                port: 4022,
                host_key: "ssh-ed25519 AAAA".to_owned(),
                key: None,
            },
        )]);
        let text = config(Path::new("/r"), &hosts);
        assert!(text.contains("Host web\n  HostName 127.0.0.1\n  Port 4022\n  HostKeyAlias web\n"));
        assert!(text.contains("StrictHostKeyChecking yes"));
        assert!(text.contains("IdentityAgent none"));
        // `^`: first, and none of the others is given up.
        assert!(text.contains("KexAlgorithms ^curve25519-sha256\n"));
    }
}

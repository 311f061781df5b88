//! One host of the benchmark: what it is made of, and the processes that are it, in name spaces of their own.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use super::keys::Keys;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::process::Command;
use crate::tools::nix::Nix;
use crate::tools::ssh_keygen;

const SCRIPT: &str = include_str!("host.sh");
/// Where the script puts what the host is made of.
const PLACE: &str = "/nix/bench";
const SSHD: &str = "/usr/sbin/sshd";
/// A user that exists on the hosts only.
const DEPLOY: u32 = 7777;

/// systemd is the machine's, and no host's.
const SYSTEMCTL: &str = "#!/bin/sh\n";

/// A host that is up; it ends when this is dropped.
pub struct Host {
    pub name: HostName,
    pub address: String,
    pub port: u16,
    /// Of its sshd.
    pub key: String,
    /// A file that knows the key at the address.
    pub known_hosts: PathBuf,
    running: JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What all hosts have in common.
pub struct Ground<'a> {
    pub nix: &'a Nix,
    /// The guard's program.
    pub guard: &'a Path,
    pub keys: &'a Keys,
    /// For a folder of each host.
    pub folder: &'a Path,
}

/// # Errors
/// Missing, if this machine cannot have such hosts.
pub fn possible(nix: &Nix) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(
            Failure::missing("hosts in name spaces of their own take root")
                .try_next("the same as root"),
        );
    }
    if !Path::new(SSHD).exists() {
        return Err(
            Failure::missing(format!("no {SSHD}")).try_next("Debian's package openssh-server")
        );
    }
    let program = nix.program().canonicalize();
    if program.is_ok_and(|program| program.starts_with("/nix")) {
        return Err(Failure::missing(
            "this Nix lies in the store, and each host has a store of its own in its place",
        )
        .try_next("on a machine whose Nix is a package of the distribution, or none: cargo xtask setup nix"));
    }
    Ok(())
}

impl Ground<'_> {
    /// Starts the host with this number, and waits until its sshd listens.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(&self, number: u16) -> Result<Host> {
        let name = HostName::new(&format!("h{number:02}"))?;
        let folder = self.folder.join(name.as_str());
        // Each at an address of its own, as hosts are; all of 127.0.0.0/8 is this machine.
        let address = format!("127.77.0.{number}");
        let port = TcpListener::bind((address.as_str(), 0))
            .and_then(|listener| listener.local_addr())
            .with_context(|| format!("cannot listen at {address}"))?
            .port();
        let key = self.write(&folder, name.as_str(), &address, port).await?;
        let known_hosts = folder.join("known_hosts");
        write(&known_hosts, &format!("[{address}]:{port} {key}\n"), 0o644)
            .with_context(|| format!("cannot write {}", known_hosts.display()))?;
        let running = tokio::spawn(run(self.command(&folder), name.clone()));
        let host = Host {
            name,
            address,
            port,
            key,
            known_hosts,
            running,
        };
        host.up().await?;
        Ok(host)
    }

    /// Everything that is the host's; the public key of its sshd.
    async fn write(&self, folder: &Path, name: &str, address: &str, port: u16) -> Result<String> {
        let write = |file: &str, text: &str, mode: u32| {
            let file = folder.join(file);
            write(&file, text, mode).with_context(|| format!("cannot write {}", file.display()))
        };
        write("bin/systemctl", SYSTEMCTL, 0o755)?;
        let program = self.nix.program().with_file_name("");
        for name in ["nix", "nix-env", "nix-store", "nix-daemon"] {
            let script = format!(
                "#!/bin/sh\nexport NIX_CONF_DIR={PLACE}/conf\nexec {}{name} \"$@\"\n",
                program.display()
            );
            write(&format!("bin/{name}"), &script, 0o755)?;
        }
        std::fs::copy(self.guard, folder.join("bin/slipway-guard"))
            .with_context(|| format!("cannot copy {}", self.guard.display()))?;
        let Keys { store, signer, .. } = self.keys;
        write("conf/nix.conf", &nix_conf(store), 0o644)?;
        let signers = format!(
            "bench namespaces=\"{}\" {signer}\n",
            guard::release::NAMESPACE
        );
        write("allowed-signers", &signers, 0o644)?;
        write("config.json", &guard_config(name, store), 0o644)?;
        for (file, line, mode) in [
            (
                "passwd",
                format!("deploy:x:{DEPLOY}:{DEPLOY}::/var/empty:/bin/sh"),
                0o644,
            ),
            ("group", format!("deploy:x:{DEPLOY}:"), 0o644),
            ("shadow", "deploy:*:1::::::".to_owned(), 0o600),
        ] {
            let own = Path::new("/etc").join(file);
            let text = std::fs::read_to_string(&own)
                .with_context(|| format!("cannot read {}", own.display()))?;
            write(file, &with_deploy(&text, &line), mode)?;
        }
        let Keys { ci, free, .. } = self.keys;
        let forced = format!("{PLACE}/bin/slipway-guard --config {PLACE}/config.json ssh --as ci");
        let authorized = format!("command=\"{forced}\",restrict {ci}\n{free}\n");
        write("authorized/deploy", &authorized, 0o644)?;
        write("authorized/root", &format!("{free}\n"), 0o644)?;
        write("sshd_config", &sshd_config(address, port), 0o644)?;
        ssh_keygen::generate(&folder.join("key")).await
    }

    fn command(&self, folder: &Path) -> Command {
        let (nix, covered) = covered(self.nix.program());
        Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", SCRIPT, "host"])
            .arg(folder)
            .arg(nix)
            .arg(covered)
            .grace(Duration::from_secs(1))
            .killed_if_orphaned()
    }
}

/// Nix's folder and the first part of it, which is covered, so that a home folder that is its owner's only does not keep
/// the deploy user from its programs. Nix of the distribution is for everybody.
fn covered(program: &Path) -> (PathBuf, PathBuf) {
    let root = program.ancestors().nth(2).unwrap_or(Path::new("/"));
    if root.starts_with("/usr") || root == Path::new("/") {
        return (PathBuf::from("/"), PathBuf::from("/"));
    }
    (root.to_owned(), root.components().take(2).collect())
}

impl Host {
    async fn up(&self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let started = Instant::now();
        let address = format!("{}:{}", self.address, self.port);
        while std::net::TcpStream::connect(&address).is_err() {
            if self.running.is_finished() || started.elapsed() > PATIENCE {
                let text = format!("host {} does not come up at {address}", self.name);
                return Err(Failure::failed(text).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// Its whole life; how it ended is only of interest if nobody ended it.
async fn run(command: Command, name: HostName) {
    match command.capture().await {
        Ok(output) => crate::report::say(&format!(
            "warning: host {name} {}: {}",
            output.status,
            output.last_lines(5)
        )),
        Err(error) => crate::report::say(&format!("warning: host {name}: {error:#}")),
    }
}

fn nix_conf(store_key: &str) -> String {
    format!(
        "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false\nsubstituters =\n\
         flake-registry =\ntrusted-users = root\ntrusted-public-keys = {store_key}\n"
    )
}

/// A NixOS host's OpenSSH exchanges keys in a few milliseconds (mlkem768). What the 9.2 of Debian 12 would choose instead
/// costs the client 0.2 s of processor time a connection, and would be most of what is measured.
fn sshd_config(address: &str, port: u16) -> String {
    format!(
        "ListenAddress {address}\nPort {port}\nHostKey {PLACE}/key\nPidFile none\nUsePAM no\nPermitRootLogin yes\n\
         StrictModes no\nAuthorizedKeysFile {PLACE}/authorized/%u\nPasswordAuthentication no\nLogLevel ERROR\n\
         MaxStartups 100\nKexAlgorithms curve25519-sha256\nSetEnv PATH={PLACE}/bin:/usr/bin:/bin\n"
    )
}

/// Its places are the usual ones, but for the state: /run and /nix are the host's own.
fn guard_config(host: &str, store_key: &str) -> String {
    include_str!("guard.json")
        .replace("HOST", host)
        .replace("KEY", store_key)
}

/// A file of users with the deploy user, and with nobody else of that name.
fn with_deploy(text: &str, line: &str) -> String {
    let others = text.lines().filter(|line| !line.starts_with("deploy:"));
    others
        .chain(std::iter::once(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn write(file: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)?;
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_can_read_what_it_is_given() {
        let config = guard_config("h01", "bench-1:AAAA");
        let config = guard::config::Config::parse(config.as_bytes()).unwrap();
        assert_eq!(config.host, "h01");
    }

    #[test]
    fn only_what_is_nobodys_to_see_is_covered() {
        let covered = |program: &str| {
            let (nix, top) = covered(Path::new(program));
            format!("{} {}", nix.display(), top.display())
        };
        assert_eq!(covered("/usr/bin/nix"), "/ /");
        assert_eq!(
            covered("/root/.cache/nix/bin/nix"),
            "/root/.cache/nix /root"
        );
    }
}

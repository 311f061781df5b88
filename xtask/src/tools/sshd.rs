//! sshd: an instance of our own on a port of 127.0.0.1, apart from the machine's.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::Command;

/// It insists on being called by its whole path, and is on few people's PATH.
pub fn program() -> Result<PathBuf, Failure> {
    let usual = PathBuf::from("/usr/sbin/sshd");
    let found = which::which("sshd").ok();
    found
        .or_else(|| usual.is_file().then_some(usual))
        .ok_or_else(|| {
            Failure::missing("the builder's door needs an sshd, and there is none")
                .try_next("apt-get install openssh-server")
        })
}

/// What it is like.
#[derive(Debug)]
pub struct Settings<'a> {
    pub port: u16,
    pub host_key: &'a Path,
    pub authorized_keys: &'a Path,
}

impl Settings<'_> {
    /// Its file. Keys and nothing else let anybody in.
    pub fn text(&self) -> String {
        format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n",
            self.port,
            self.host_key.display(),
            self.authorized_keys.display()
        )
    }
}

/// Runs it in the foreground. Root's wants a folder in /run that a machine without an sshd of its own has not got: it
/// finds `run` there, in a mount namespace that nobody else sees.
pub fn command(program: &Path, config: &Path, run: &Path) -> Command {
    const IN_ITS_NAMESPACE: &str = r#"mount --bind "$1" /run && exec "$2" -D -e -f "$3""#;
    if nix::unistd::geteuid().is_root() {
        return Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-c", IN_ITS_NAMESPACE, "sshd"])
            .arg(run)
            .arg(program)
            .arg(config);
    }
    Command::new(program).args(["-D", "-e", "-f"]).arg(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_in_without_a_key() {
        let settings = Settings {
            port: 4022,
            host_key: Path::new("/k"),
            authorized_keys: Path::new("/a"),
        };
        insta::assert_snapshot!(settings.text(), @r"
        Port 4022
        ListenAddress 127.0.0.1
        HostKey /k
        AuthorizedKeysFile /a
        PidFile none
        UsePAM no
        StrictModes no
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        ");
    }
}

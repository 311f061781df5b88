//! The machine that xtask itself runs on: its name, and what takes the place of ssh there.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const PROGRAM: &str = include_str!("here.sh");

/// As whom commands run here.
pub fn user() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        // One who is in no file of users has a number all the same.
        _ => uid.to_string(),
    }
}

/// The name that this machine calls itself by; empty if the kernel does not say.
pub fn name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
    read.map_or_else(|_| String::new(), |name| name.trim().to_owned())
}

/// Writes it to a file that is not there yet, for nobody else to start.
///
/// # Errors
/// If it cannot be written.
pub fn write(file: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .create_new(true)
        .write(true)
        .mode(0o700)
        .open(file)?;
    file.write_all(PROGRAM.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::super::{Ssh, Target, PROGRAM};
    use std::path::Path;

    /// As xtask, deploy-rs and Nix each call it.
    #[test]
    fn what_takes_the_place_of_ssh_runs_the_command_and_nothing_else() {
        let target = Target {
            here: true,
            ..target()
        };
        let ssh = Ssh::through(None, &[&target]).unwrap();
        let program = ssh.programs(&target).unwrap().join(PROGRAM);
        for arguments in [
            &[
                "-T",
                "-oA=b",
                "-l",
                "me",
                "--",
                "localhost",
                "echo $((1 + 1)) 'a  b'",
            ][..],
            &["root@localhost", "-p", "22", "echo $((1 + 1)) 'a  b'"],
            &[
                "root@localhost",
                "-x",
                "-a",
                "-oB=c",
                "--",
                "echo",
                "$((1 + 1))",
                "'a  b'",
            ],
        ] {
            let output = std::process::Command::new(&program)
                .args(arguments)
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                "2 a  b\n",
                "{arguments:?}"
            );
        }
        let failed = std::process::Command::new(&program)
            .args(["localhost", "exit 7"])
            .status();
        assert_eq!(failed.unwrap().code(), Some(7));
        assert_eq!(target.arguments(Path::new("FILE"), None), [""; 0]);
    }
}

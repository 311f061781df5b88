//! Brings a generation onto a machine as its only one: closures from this host's store over a disk, profile, boot entry,
//! and a boot through firmware and loader. What is kept of it is named by the closures and nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::ground::Nix;
use crate::error::{Error, ErrorKind, Result};
use crate::machine::{Exec, Machine};
use crate::process::Command;

/// Raised when an installed machine becomes another one for the same closures.
const FORMAT: u32 = 2;

/// Guest seconds for each step of the installation, and for the units to settle after a boot.
const LIMIT: Duration = Duration::from_secs(180);
const SETTLED: Duration = Duration::from_secs(90);

/// A generation to be installed and booted.
#[derive(Debug, Clone)]
pub struct Installation<'a> {
    pub nix: &'a Nix,
    pub toplevel: &'a Path,
    /// Paths whose closures also lie in the machine's store, kept from its garbage collection.
    pub in_store: &'a [PathBuf],
    /// Where the machine has the public half of the key that signed all of it.
    pub key_file: &'a str,
}

/// Arguments: the disk with the closures, the toplevel, the key's file, paths that stay. What an import brings has no
/// signatures, and later deployments would leave it so: it is signed once, by a key that is gone afterwards.
const INSTALL: &str = r#"set -eu
disk=$1 toplevel=$2 public=$3
shift 3
nix-store --option fsync-metadata false --import <"$disk" >/dev/null
flakes() { nix --extra-experimental-features nix-command "$@"; }
secret=$(mktemp)
flakes key generate-secret --key-name installation >"$secret"
mkdir -p "${public%/*}"
flakes key convert-secret-to-public <"$secret" >"$public"
flakes --option fsync-metadata false store sign --all --key-file "$secret"
rm "$secret"
mkdir -p /nix/var/nix/profiles /nix/var/nix/gcroots/in-store
for path in "$@"; do ln -sfn "$path" "/nix/var/nix/gcroots/in-store/${path##*/}"; done
nix-env -p /nix/var/nix/profiles/system --set "$toplevel"
"$toplevel/bin/switch-to-configuration" boot
sync"#;

impl Installation<'_> {
    /// Names a machine on which it was done, for `Origin::Snapshot`.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        let toplevel = self.toplevel.display();
        hash.update(format!("{FORMAT}\n{toplevel}\n{}\n", self.key_file));
        let mut others: Vec<_> = self.in_store.iter().collect();
        others.sort();
        for path in others {
            hash.update(format!("{}\n", path.display()));
        }
        format!("installed {:x}", hash.finalize())
    }

    /// Installs it on a machine that was booted from its image, and boots into it.
    pub fn install(&self, machine: &Machine) -> Result<()> {
        let dir = tempfile::tempdir_in(machine.scratch())
            .map_err(|e| Error::io("make a folder in", machine.scratch(), e))?;
        let export = dir.path().join("closures");
        self.nix.export(self.toplevel, self.in_store, &export)?;
        let disk = machine.attach(&export, "closures")?;
        let toplevel = self.toplevel.to_string_lossy().into_owned();
        let mut argv = vec!["/bin/sh", "-c", INSTALL, "install"];
        argv.extend([disk.as_str(), &toplevel, self.key_file]);
        let others: Vec<_> = self.in_store.iter().map(|p| p.to_string_lossy()).collect();
        argv.extend(others.iter().map(AsRef::as_ref));
        let output = machine.exec(Exec::new(argv).timeout(LIMIT))?;
        if !output.success() {
            return Err(Error::new(
                ErrorKind::Command,
                format!(
                    "{} could not be installed on {} (exit code {}):\n{}",
                    self.toplevel.display(),
                    machine.name(),
                    output.code,
                    output.last_lines(10)
                ),
            ));
        }
        // Not a reboot: the disk with the closures must not be part of the machine that is kept.
        machine.power_off()?;
        machine.power_on()?;
        wait_settled(machine, SETTLED)?;
        self.require_booted(machine)
    }

    fn require_booted(&self, machine: &Machine) -> Result<()> {
        let booted = machine.shell("readlink -f /run/booted-system || true")?;
        if Path::new(&booted) == self.toplevel {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Command,
            format!(
                "{} booted `{booted}` after {} was installed",
                machine.name(),
                self.toplevel.display()
            ),
        )
        .try_next(format!("read {}", machine.console().display())))
    }
}

/// Waits until systemd has started what it was to start, failed units or not.
pub(super) fn wait_settled(machine: &Machine, within: Duration) -> Result<()> {
    machine.wait_until("the end of its boot", within, || {
        let state = machine.exec(Exec::new(["systemctl", "is-system-running"]))?;
        Ok(matches!(state.text().as_str(), "running" | "degraded"))
    })
}

impl Nix {
    /// One of Nix's programs.
    pub(super) fn command(&self, program: &str) -> Command {
        let command = Command::new(self.bin.join(program));
        match &self.conf_dir {
            Some(dir) => command.env("NIX_CONF_DIR", dir),
            None => command,
        }
    }

    /// Writes the closures of all paths into `file`, as `nix-store --import` reads it, in whole blocks of a disk.
    fn export(&self, first: &Path, others: &[PathBuf], file: &Path) -> Result<()> {
        const HOST: Duration = Duration::from_secs(300);
        let closure = self
            .command("nix-store")
            .args(["--query", "--requisites"])
            .arg(first)
            .args(others)
            .success(HOST)?
            .text();
        let out = File::create(file).map_err(|e| Error::io("make", file, e))?;
        self.command("nix-store")
            .arg("--export")
            .args(closure.lines())
            .success_into(&out, HOST)?;
        let size = out
            .metadata()
            .map_err(|e| Error::io("look at", file, e))?
            .len();
        out.set_len(size.next_multiple_of(512))
            .map_err(|e| Error::io("size", file, e))
    }
}

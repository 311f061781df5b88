//! The programs and firmware of the host that machines need: where they are, and whether they are new enough.
//! The caller says where; nothing is searched or fetched here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::process::Command;

/// `mapped-ram` migration, on which snapshots stand, came with this version.
const OLDEST_QEMU: (u32, u32) = (9, 0);
/// `mke2fs -d` reads tar archives, owners included, since this version: no root is needed to write them.
const OLDEST_MKE2FS: (u32, u32) = (1, 47);

/// Where the programs are. Absolute paths, or names to look up on PATH. `docs/harness.md` says which packages.
#[derive(Debug, Clone)]
pub struct Tools {
    pub qemu: PathBuf,
    pub qemu_img: PathBuf,
    /// Directories with QEMU's data (option ROMs) and SeaBIOS.
    pub qemu_data: Vec<PathBuf>,
    /// The firmware's code, mapped read-only, and the variables that each machine starts with.
    pub ovmf_code: PathBuf,
    pub ovmf_vars: PathBuf,
    /// The multi-call binary of mtools.
    pub mtools: PathBuf,
    pub sfdisk: PathBuf,
    pub mke2fs: PathBuf,
    pub mmdebstrap: PathBuf,
    pub ssh: PathBuf,
    pub ssh_keygen: PathBuf,
}

impl Tools {
    /// The layout of Debian's packages under `prefix` (`/` for installed ones); mmdebstrap and ssh from PATH.
    pub fn debian(prefix: &Path) -> Self {
        Self {
            qemu: prefix.join("usr/bin/qemu-system-x86_64"),
            qemu_img: prefix.join("usr/bin/qemu-img"),
            qemu_data: vec![
                prefix.join("usr/share/qemu"),
                prefix.join("usr/share/seabios"),
            ],
            ovmf_code: prefix.join("usr/share/OVMF/OVMF_CODE_4M.fd"),
            ovmf_vars: prefix.join("usr/share/OVMF/OVMF_VARS_4M.fd"),
            mtools: prefix.join("usr/bin/mtools"),
            sfdisk: prefix.join("usr/sbin/sfdisk"),
            mke2fs: prefix.join("usr/sbin/mke2fs"),
            mmdebstrap: "mmdebstrap".into(),
            ssh: "ssh".into(),
            ssh_keygen: "ssh-keygen".into(),
        }
    }

    /// Runs what can say its version and looks for the rest.
    ///
    /// # Errors
    /// `ToolMissing` or `ToolTooOld`, naming the file and the package it comes from.
    pub fn check(&self) -> Result<()> {
        let files = [
            (&self.ovmf_code, "ovmf"),
            (&self.ovmf_vars, "ovmf"),
            (&self.mtools, "mtools"),
            (&self.sfdisk, "fdisk"),
            (&self.qemu_img, "qemu-utils"),
            (&self.mke2fs, "e2fsprogs"),
            (&self.qemu, "qemu-system-x86"),
        ];
        for (file, package) in files {
            if file.is_absolute() && !file.exists() {
                return Err(missing(file, package));
            }
        }
        at_least(&self.qemu, "--version", "qemu-system-x86", OLDEST_QEMU)?;
        at_least(&self.mke2fs, "-V", "e2fsprogs", OLDEST_MKE2FS)?;
        at_least(&self.mmdebstrap, "--version", "mmdebstrap", (1, 0))?;
        runs(&self.ssh, "-V", "openssh-client")?;
        // Parts of Debian's base system; the guard of every process is made of them.
        for base in ["setsid", "setpriv"] {
            runs(Path::new(base), "--version", "util-linux")?;
        }
        Ok(())
    }
}

fn missing(file: &Path, package: &str) -> Error {
    Error::new(
        ErrorKind::ToolMissing,
        format!("{} is missing", file.display()),
    )
    .try_next(format!("install Debian's package {package}"))
}

fn runs(program: &Path, flag: &str, package: &str) -> Result<String> {
    let output = Command::new(program)
        .arg(flag)
        .capture(Duration::from_secs(20))
        .map_err(|error| match error.kind() {
            ErrorKind::ToolMissing => missing(program, package),
            _ => error,
        })?;
    match output.code {
        0 => Ok(format!("{}\n{}", output.text(), output.stderr)),
        // What the shell says for "not found" and "cannot execute".
        126 | 127 => Err(missing(program, package)),
        code => Err(Error::new(
            ErrorKind::ToolMissing,
            format!(
                "{} does not run: `{flag}` exited {code}: {}",
                program.display(),
                output.last_lines(3)
            ),
        )
        .try_next(format!("install Debian's package {package} again"))),
    }
}

fn at_least(program: &Path, flag: &str, package: &str, oldest: (u32, u32)) -> Result<()> {
    let said = runs(program, flag, package)?;
    match version_in(&said) {
        Some(version) if version >= oldest => Ok(()),
        found => Err(Error::new(
            ErrorKind::ToolTooOld,
            format!(
                "{} is version {}, and {}.{} is needed",
                program.display(),
                found.map_or("unknown".to_owned(), |(major, minor)| format!(
                    "{major}.{minor}"
                )),
                oldest.0,
                oldest.1
            ),
        )
        .try_next(format!(
            "take {package} of Debian 13 or later (docs/harness.md has the recipe)"
        ))),
    }
}

/// The first `N.M` in what a program says about itself.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .find_map(|word| {
            let mut parts = word.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let file = dir.join("program");
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let qemu = "QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)";
        assert_eq!(version_in(qemu), Some((10, 0)));
        assert_eq!(version_in("mke2fs 1.47.2 (1-Jan-2025)"), Some((1, 47)));
        assert_eq!(version_in("no numbers"), None);
    }

    #[test]
    fn an_old_qemu_is_refused_with_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let old = script(dir.path(), "echo QEMU emulator version 7.2.9");
        let error = at_least(&old, "--version", "qemu-system-x86", OLDEST_QEMU).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ToolTooOld);
        assert!(error
            .to_string()
            .contains("is version 7.2, and 9.0 is needed"));
    }

    #[test]
    fn a_missing_qemu_names_file_and_package() {
        let error = Tools::debian(Path::new("/nowhere")).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert!(error.to_string().starts_with("/nowhere/usr/"));
        assert!(error.next_step().unwrap().contains("package"));
    }
}

//! Reads what a toplevel holds: units, accounts, sudoers, and what only a reboot brings into effect.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result};

use super::accounts;
use super::changes::Records;
use super::closure::BootPart;
use crate::fleet::store_path::STORE_DIR;

/// What is compared of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct System {
    pub units: Records,
    pub users: Records,
    pub groups: Records,
    pub sudoers: String,
    boot: [Option<String>; 4],
}

/// In `System::boot`.
const KERNEL: usize = 0;
const INITRD: usize = 1;

impl System {
    /// # Errors
    /// If something that is there cannot be read.
    pub fn read(toplevel: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let mut system = Self {
                units: units(&toplevel.join("etc/systemd/system"))?,
                sudoers: text(&toplevel.join("etc/sudoers"))?.unwrap_or_default(),
                boot: [
                    target(&toplevel.join("kernel"))?,
                    target(&toplevel.join("initrd"))?,
                    target(&toplevel.join("kernel-modules"))?,
                    text(&toplevel.join("kernel-params"))?,
                ],
                ..Self::default()
            };
            if let Some(activate) = text(&toplevel.join("activate"))? {
                if let Some(spec) = accounts::file(&activate) {
                    let content = text(Path::new(spec))?.unwrap_or_default();
                    (system.users, system.groups) = accounts::read(&content);
                }
            }
            add_keys(
                &mut system.users,
                &toplevel.join("etc/ssh/authorized_keys.d"),
            )?;
            Ok(system)
        };
        read().with_context(|| format!("cannot read the system {}", toplevel.display()))
    }

    pub fn boot_changes(&self, new: &Self) -> Vec<BootPart> {
        const PARTS: [BootPart; 4] = [
            BootPart::Kernel,
            BootPart::Initrd,
            BootPart::Modules,
            BootPart::KernelParameters,
        ];
        PARTS
            .into_iter()
            .zip(self.boot.iter().zip(&new.boot))
            .filter(|(_, (old, new))| old != new)
            .map(|(part, _)| part)
            .collect()
    }

    /// Bytes of the kernel and initrd that none of the others has; none if they cannot be read.
    pub fn boot_files_beside(&self, others: &[&Self]) -> Option<u64> {
        let is_new = |at: &usize| others.iter().all(|other| other.boot[*at] != self.boot[*at]);
        let size = |at: usize| Some(fs::metadata(self.boot[at].as_ref()?).ok()?.len());
        [KERNEL, INITRD].into_iter().filter(is_new).map(size).sum()
    }
}

/// A file's text; none if it is not there, also behind a link, as Debian's files are on this machine.
fn text(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a link points, else the file's text: kernels are never read.
fn target(path: &Path) -> io::Result<Option<String>> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
        Err(error) if error.kind() == ErrorKind::InvalidInput => text(path),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Units with their drop-ins, and which others want them.
fn units(dir: &Path) -> io::Result<Records> {
    let mut units = Records::new();
    for (name, path) in entries(dir)? {
        if let Some(unit) = name.strip_suffix(".d") {
            for (file, path) in entries(&path)? {
                field(&mut units, unit, &file, content(&path)?);
            }
        } else if let Some((target, relation)) = relation(&name) {
            for (unit, _) in entries(&path)? {
                field(
                    &mut units,
                    &unit,
                    &format!("{relation} {target}"),
                    String::new(),
                );
            }
        } else {
            field(&mut units, &name, &name, content(&path)?);
        }
    }
    Ok(units)
}

/// `multi-user.target.wants` is a folder of the units that it wants.
fn relation(folder: &str) -> Option<(&str, &'static str)> {
    [
        (".wants", "wanted by"),
        (".requires", "required by"),
        (".upholds", "upheld by"),
    ]
    .into_iter()
    .find_map(|(suffix, relation)| Some((folder.strip_suffix(suffix)?, relation)))
}

fn field(records: &mut Records, name: &str, field: &str, value: String) {
    records
        .entry(name.to_owned())
        .or_default()
        .insert(field.to_owned(), value);
}

/// A unit's text; for a link out of the store, such as a mask, where it points.
fn content(path: &Path) -> io::Result<String> {
    if let Ok(target) = fs::read_link(path) {
        if target.is_absolute() && !target.starts_with(STORE_DIR) {
            return Ok(target.to_string_lossy().into_owned());
        }
    }
    match text(path)? {
        Some(text) => Ok(text),
        None => Ok(target(path)?.unwrap_or_default()),
    }
}

fn entries(dir: &Path) -> io::Result<Vec<(String, std::path::PathBuf)>> {
    let read = match fs::read_dir(dir) {
        Ok(read) => read,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    read.map(|entry| {
        let entry = entry?;
        Ok((
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        ))
    })
    .collect()
}

/// Who may log in is part of an account.
fn add_keys(users: &mut Records, dir: &Path) -> io::Result<()> {
    for (name, path) in entries(dir)? {
        if let Some(user) = users.get_mut(&name) {
            let keys = text(&path)?.unwrap_or_default();
            user.insert("authorized keys".to_owned(), keys);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn units_have_drop_ins_and_masks_and_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("etc/systemd/system");
        write(&root, "web.service", "[Service]\n");
        write(&root, "ssh.service.d/overrides.conf", "[Service]\n");
        fs::create_dir_all(root.join("multi-user.target.wants")).unwrap();
        symlink(
            "../web.service",
            root.join("multi-user.target.wants/web.service"),
        )
        .unwrap();
        symlink("/dev/null", root.join("nginx.service")).unwrap();
        let units = System::read(dir.path()).unwrap().units;
        let names: Vec<&String> = units.keys().collect();
        assert_eq!(names, ["nginx.service", "ssh.service", "web.service"]);
        assert_eq!(units["nginx.service"]["nginx.service"], "/dev/null");
        assert!(units["web.service"].contains_key("wanted by multi-user.target"));
        assert!(units["ssh.service"].contains_key("overrides.conf"));
    }

    #[test]
    fn a_kernel_is_where_its_link_points() {
        let dirs = ["5.1", "5.2"].map(|version| {
            let dir = tempfile::tempdir().unwrap();
            symlink(
                format!("/nix/store/x-linux-{version}/bzImage"),
                dir.path().join("kernel"),
            )
            .unwrap();
            write(dir.path(), "kernel-params", "quiet");
            dir
        });
        let [old, new] = dirs.each_ref().map(|dir| System::read(dir.path()).unwrap());
        assert_eq!(old.boot_changes(&new), [BootPart::Kernel]);
        assert!(old.boot_changes(&old).is_empty());
    }
}

//! The guard's own roots for the garbage collector: what runs, what boots, what a rollback or a trial needs.

use std::path::Path;

use anyhow::{Context, Result};

use crate::store_path::StorePath;
use crate::whole_file;

/// Sets or takes away the root of this name.
///
/// # Errors
/// If the folder of roots cannot be written.
pub fn set(folder: &Path, name: &str, path: Option<&StorePath>) -> Result<()> {
    whole_file::own_folder(folder, 0o755)?;
    let link = folder.join(name);
    let set = || -> std::io::Result<()> {
        let Some(path) = path else {
            return match std::fs::remove_file(&link) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        };
        if std::fs::read_link(&link).is_ok_and(|target| target == path.as_path()) {
            return Ok(());
        }
        let new = folder.join(format!("{name}.new"));
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        std::os::unix::fs::symlink(path.as_path(), &new)?;
        std::fs::rename(&new, &link)?;
        std::fs::File::open(folder)?.sync_all()
    };
    set().with_context(|| format!("cannot set the root {}", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_set_moved_and_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("roots");
        for name in ["a", "b"] {
            let path = format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}");
            set(&folder, "candidate", Some(&path.parse().unwrap())).unwrap();
            assert_eq!(
                std::fs::read_link(folder.join("candidate")).unwrap(),
                Path::new(&path)
            );
        }
        set(&folder, "candidate", None).unwrap();
        set(&folder, "candidate", None).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}

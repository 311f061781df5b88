//! Files that are there whole or not at all, also after the power was lost; and folders that nobody else writes in.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{bail, Context, Result};
use nix::fcntl::OFlag;

/// Writes beside it, flushes to the disk, and puts it in place.
///
/// # Errors
/// If the disk is full, or the folder cannot be written.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&new)?;
        // The mode as it is meant, whatever the umask.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// What a file holds, if it is there; a link is not followed, and what is longer than the limit is an error.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > limit => {
            bail!("{} is longer than {limit} bytes", path.display())
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Makes a folder, and refuses one in which anybody else could have put something.
///
/// # Errors
/// If it is a link, somebody else's, or writable for others.
pub fn own_folder(path: &Path, mode: u32) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    let meta = std::fs::symlink_metadata(path)
        .with_context(|| format!("cannot look at {}", path.display()))?;
    let me = nix::unistd::geteuid().as_raw();
    if !meta.is_dir() || meta.uid() != me || meta.mode() & 0o022 != 0 {
        bail!(
            "{} is not a folder that only this user writes in",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_neither_read_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, link) = (dir.path().join("secret"), dir.path().join("link"));
        std::fs::write(&secret, "s").unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert!(read(&link, 10).is_err());
        // Somebody waits where the new file is to be written.
        std::os::unix::fs::symlink(&secret, dir.path().join("file.new")).unwrap();
        write(&dir.path().join("file.json"), b"mine", 0o600).unwrap();
        assert_eq!(std::fs::read(&secret).unwrap(), b"s");
        assert_eq!(
            read(&dir.path().join("file.json"), 4).unwrap().unwrap(),
            b"mine"
        );
        assert!(read(&dir.path().join("file.json"), 3).is_err());
        assert_eq!(read(&dir.path().join("none"), 3).unwrap(), None);
    }

    #[test]
    fn a_folder_of_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        own_folder(&folder, 0o700).unwrap();
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        assert!(own_folder(&dir.path().join("link"), 0o700).is_err());
        let open = Permissions::from_mode(0o777);
        std::fs::set_permissions(&folder, open).unwrap();
        assert!(own_folder(&folder, 0o700).is_err());
    }
}

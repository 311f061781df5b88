//! Room on the disk that is kept for the guard's last word: how something ended is written down on a full disk, too.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Result;
use nix::fcntl::{fallocate, FallocateFlags, OFlag};

/// Enough for the state, which has a release in it, a line of history, and the links of the roots.
const BYTES: i64 = 1 << 20;
const FILE: &str = "room";
/// Of `MetadataExt::blocks`.
const BLOCK: u64 = 512;

/// Takes the room, unless it is there. On a disk that is full already there is none to be had, and that is no error.
pub fn keep(folder: &Path) {
    let taken = || -> std::io::Result<()> {
        let file = open(folder)?;
        if file.metadata()?.blocks() * BLOCK < BYTES.unsigned_abs() {
            fallocate(&file, FallocateFlags::empty(), 0, BYTES)?;
        }
        Ok(())
    };
    let _ = taken();
}

/// Writes; if the disk is full, once more in the room that was kept.
///
/// # Errors
/// Those of `write`.
pub fn write<T>(folder: &Path, mut write: impl FnMut() -> Result<T>) -> Result<T> {
    match write() {
        Err(error) if is_full(&error) && give_up(folder).is_ok() => write(),
        other => other,
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| {
            matches!(
                cause.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            )
        })
    })
}

/// On the disk at once: until then a file system may not give the blocks to anybody else.
fn give_up(folder: &Path) -> std::io::Result<()> {
    let file = open(folder)?;
    file.set_len(0)?;
    file.sync_all()
}

fn open(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn what_does_not_fit_is_written_in_the_room_that_was_kept() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path());
        let length = || std::fs::metadata(dir.path().join(FILE)).unwrap().len();
        assert_eq!(length(), BYTES.unsigned_abs());
        // As if the disk had been full to its last byte.
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        let fits = || match length() {
            0 => Ok("written"),
            _ => Err(full()).context("cannot write state.json"),
        };
        assert_eq!(write(dir.path(), fits).unwrap(), "written");
        let denied = || std::io::Error::from(ErrorKind::PermissionDenied);
        keep(dir.path());
        let refused: Result<()> = write(dir.path(), || Err(denied()).context("cannot write"));
        assert!(refused.is_err());
        assert_eq!(length(), BYTES.unsigned_abs(), "it is for full disks");
    }
}

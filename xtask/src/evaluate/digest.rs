//! Hashes of things that belong together, as short hexadecimal names.

use std::fmt::Write;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Collects fields into one hash. Each field counts with its length, so that no two sequences look the same.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    pub fn field(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// 32 hexadecimal digits: half of a SHA-256, and enough to tell evaluations apart.
    pub fn name(&self) -> String {
        hex(&self.0.clone().finalize()[..16])
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The files below a folder, links and executable bits included, in a fixed order: path relative to it, and hash.
///
/// # Errors
/// If something below it cannot be read.
pub fn folder(root: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    Ok(files)
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if name != ".git" {
                collect(&entry.path(), &format!("{path}/"), files)?;
            }
        } else {
            files.push((path, file(&entry.path())?));
        }
    }
    Ok(())
}

/// What Nix sees of a file: content and executable bit, or where a link points.
///
/// # Errors
/// If it cannot be read.
pub fn file(path: &Path) -> io::Result<String> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    let meta = std::fs::symlink_metadata(path)?;
    let mut digest = Digest::default();
    if meta.is_symlink() {
        let target = std::fs::read_link(path)?;
        digest.field("link").field(target.as_os_str().as_bytes());
    } else if meta.is_file() {
        let executable = meta.permissions().mode() & 0o100 != 0;
        digest
            .field(if executable { "program" } else { "file" })
            .field(std::fs::read(path)?);
    } else {
        // A socket or pipe: Nix refuses it by itself, and reading it might never end.
        digest.field("other");
    }
    Ok(digest.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_field_ends_matters() {
        let name = |fields: &[&str]| {
            let mut digest = Digest::default();
            for field in fields {
                digest.field(field);
            }
            digest.name()
        };
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_eq!(name(&["ab"]).len(), 32);
    }

    #[test]
    fn a_folder_is_its_files_links_and_bits() {
        use std::os::unix::fs::{symlink, PermissionsExt};
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("x"), "1").unwrap();
        let before = folder(dir.path()).unwrap();
        std::fs::set_permissions(inside.join("x"), PermissionsExt::from_mode(0o755)).unwrap();
        let executable = folder(dir.path()).unwrap();
        assert_ne!(before, executable);
        symlink("a/x", dir.path().join("l")).unwrap();
        let linked = folder(dir.path()).unwrap();
        let paths: Vec<&str> = linked.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a/x", "l"]);
    }
}

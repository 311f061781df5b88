//! Files that appear whole under their name or not at all, however a run ends.

use std::io;
use std::path::Path;

/// Writes a file beside its place and renames it; one that was there leaves its permissions to it.
///
/// # Errors
/// If the folder or the file cannot be written to.
pub fn write(file: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let new = tempfile::NamedTempFile::new_in(dir)?;
    std::fs::write(new.path(), content)?;
    if let Ok(before) = std::fs::metadata(file) {
        std::fs::set_permissions(new.path(), before.permissions())?;
    }
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn content_is_replaced_and_permissions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/program");
        write(&file, "1").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        write(&file, "2").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "2");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(
            std::fs::read_dir(dir.path().join("new")).unwrap().count(),
            1
        );
    }
}

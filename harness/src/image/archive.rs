//! Files as a tar archive with root's ownership, whoever runs this. Pure.

use crate::error::{Error, ErrorKind, Result};

/// A ustar archive of plain files, in the order given; parent folders are made by whoever unpacks.
pub(super) fn tar<'a>(
    files: impl IntoIterator<Item = (&'a str, u32, &'a [u8])>,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (path, mode, content) in files {
        let name = path.trim_start_matches('/');
        if !path.starts_with('/') || name.len() > 100 || name.is_empty() {
            return Err(Error::new(
                ErrorKind::ImageBuild,
                format!("file `{path}` of the recipe must be absolute and at most 100 bytes long"),
            ));
        }
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, &format!("{:07o}", mode & 0o7777));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        // A fixed time: the same recipe gives the same archive.
        put(136, "14000000000");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_it_back_with_modes_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let archive = tar([
            ("/etc/one", 0o644, &b"first"[..]),
            ("/usr/lib/two", 0o755, &[7u8; 600][..]),
        ])
        .unwrap();
        let file = dir.path().join("a.tar");
        std::fs::write(&file, archive).unwrap();
        let listed = crate::process::Command::new("tar")
            .args(["--numeric-owner", "-tvf"])
            .arg(&file)
            .success(std::time::Duration::from_secs(10))
            .unwrap()
            .text();
        let lines: Vec<&str> = listed.lines().collect();
        assert!(lines[0].starts_with("-rw-r--r-- 0/0") && lines[0].ends_with("etc/one"));
        assert!(lines[1].starts_with("-rwxr-xr-x 0/0") && lines[1].contains(" 600 "));
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert!(tar([("etc/one", 0o644, &b""[..])]).is_err());
    }
}

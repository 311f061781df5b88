//! What this machine is: its distribution, its user, its disks, who may write /nix.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{access, AccessFlags, Uid, User};

use super::apt_sources::{self, Source};
use crate::failure::Failure;

/// The keys of Debian's archive, from the package debian-archive-keyring.
pub const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

const DAEMON_SOCKET: &str = "/nix/var/nix/daemon-socket/socket";

pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The user's name, for commands that a person is told to type.
pub fn user_name() -> String {
    match User::from_uid(Uid::effective()) {
        Ok(Some(user)) => user.name,
        // A user id without an entry, as containers have them; chown takes the number too.
        _ => Uid::effective().to_string(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// As it calls itself: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    pub is_debian: bool,
}

pub fn distribution() -> Distribution {
    // A system without the file is no Debian, and that is all that matters here.
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    parse_os_release(&text)
}

fn parse_os_release(text: &str) -> Distribution {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
    };
    let name = field("PRETTY_NAME").or(field("NAME"));
    Distribution {
        name: name.unwrap_or("an unknown system").to_owned(),
        is_debian: field("ID") == Some("debian"),
    }
}

/// The mirror that this machine's own packages come from; `instead` is the way without one.
///
/// # Errors
/// Missing, if apt's sources name no Debian archive: which mirror to trust instead is not ours to choose.
pub fn debian_mirror(instead: &str) -> Result<String, Failure> {
    let mut sources = Vec::new();
    for path in source_files() {
        // A file that this user may not read names no mirror that he could use either.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        sources.extend(parse_sources(&path, &text));
    }
    apt_sources::debian_mirror(&sources)
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::missing("apt's sources on this machine name no Debian archive")
                .try_next(format!("add one to /etc/apt/sources.list, or {instead}"))
        })
}

fn parse_sources(path: &Path, text: &str) -> Vec<Source> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("list") => apt_sources::parse_list(text),
        Some("sources") => apt_sources::parse_deb822(text),
        _ => Vec::new(),
    }
}

fn source_files() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        let mut parts: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    files
}

/// How this user can use the store under /nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAccess {
    /// Root, or the owner of a single-user installation.
    Writable,
    /// A Nix daemon answers.
    Daemon,
    /// There is no /nix, and this user cannot create it.
    Absent,
    /// There is one; it belongs to somebody else and no daemon answers.
    Foreign,
}

impl StoreAccess {
    pub fn find() -> Self {
        let writable = |path: &str| access(path, AccessFlags::W_OK).is_ok();
        let unless_there = |path: &str| !Path::new(path).exists() || writable(path);
        if is_root() {
            Self::Writable
        } else if UnixStream::connect(DAEMON_SOCKET).is_ok() {
            Self::Daemon
        } else if !Path::new("/nix").exists() {
            Self::Absent
        } else if writable("/nix") && unless_there("/nix/store") && unless_there("/nix/var/nix/db")
        {
            Self::Writable
        } else {
            Self::Foreign
        }
    }

    pub fn usable(self) -> bool {
        matches!(self, Self::Writable | Self::Daemon)
    }
}

/// Makes the folders by which Nix knows that its store is under /nix. Without them, anybody but root gets a store in his
/// home that only Nix itself can read.
///
/// # Errors
/// Missing, if they cannot be made.
pub fn lay_out_store() -> Result<(), Failure> {
    if is_root() {
        return Ok(());
    }
    for dir in ["/nix/store", "/nix/var/nix"] {
        std::fs::create_dir_all(dir)
            .map_err(|error| Failure::missing(format!("cannot create {dir}: {error}")))?;
    }
    Ok(())
}

/// Free space for this user on the disk that holds `path` or would hold it, in MiB.
pub fn free_mib(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
    let disk = statvfs(existing).ok()?;
    Some(disk.blocks_available() * disk.fragment_size() / (1024 * 1024))
}

/// Whether a group is in the machine's user database.
pub fn has_group(name: &str) -> bool {
    matches!(nix::unistd::Group::from_name(name), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_told_from_what_descends_from_it() {
        let read = |text: &str| {
            let found = parse_os_release(text);
            (found.name, found.is_debian)
        };
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n";
        let expected = ("Debian GNU/Linux 12 (bookworm)".to_owned(), true);
        assert_eq!(read(debian), expected);
        let ubuntu = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n";
        assert_eq!(read(ubuntu), ("Ubuntu".to_owned(), false));
        assert_eq!(read(""), ("an unknown system".to_owned(), false));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_space_of_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("not/there/yet");
        assert!(free_mib(&deep).is_some_and(|mib| mib > 0));
    }
}

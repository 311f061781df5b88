//! What an image is made of, and the hash that names it. Pure.

use sha2::{Digest, Sha256};

/// Raised when the same recipe gives another image because this crate changed (the scripts in `guest/` are
/// hashed anyway).
const FORMAT: u32 = 1;

/// A Debian guest: base packages of the harness, and what the caller adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Debian's release, as in `trixie`.
    pub suite: String,
    /// Where packages come from, as mmdebstrap takes it; `None` is its default for the suite.
    pub mirror: Option<String>,
    /// Packages besides those that the harness itself needs in a guest.
    pub packages: Vec<String>,
    /// Files besides; they replace packages' files of the same path.
    pub files: Vec<GuestFile>,
    /// Units that shall not start on their own, and those that shall.
    pub disable: Vec<String>,
    pub enable: Vec<String>,
    /// Size of the disk that the guest sees (sparse on the host), in MiB.
    pub disk_mib: u64,
    /// Also Debian's own initramfs, for comparisons: half a minute more.
    pub debian_initramfs: bool,
}

/// A file of the guest: root's, readable by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

/// What the harness needs in every guest: init, the agent, ssh, the loader, and tools of its faults.
const BASE_PACKAGES: &[&str] = &[
    "busybox-static",
    "dbus",
    "iputils-ping",
    "iproute2",
    "kmod",
    "linux-image-cloud-amd64",
    "openssh-server",
    "procps",
    "qemu-guest-agent",
    "sudo",
    "systemd-boot",
    "systemd-sysv",
    "udev",
    "util-linux-extra",
];

impl Recipe {
    /// The base packages of Debian 13 and nothing else, on a disk of 4 GiB.
    pub fn debian_13() -> Self {
        Self {
            suite: "trixie".to_owned(),
            mirror: None,
            packages: Vec::new(),
            files: Vec::new(),
            disable: Vec::new(),
            enable: Vec::new(),
            disk_mib: 4096,
            debian_initramfs: false,
        }
    }

    #[must_use]
    pub fn packages<S: Into<String>>(mut self, packages: impl IntoIterator<Item = S>) -> Self {
        self.packages.extend(packages.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.files.push(GuestFile {
            path: path.to_owned(),
            mode,
            content: content.into(),
        });
        self
    }

    /// All packages, sorted, each once.
    pub(crate) fn all_packages(&self) -> Vec<&str> {
        let mut all: Vec<&str> = BASE_PACKAGES
            .iter()
            .copied()
            .chain(self.packages.iter().map(String::as_str))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Names the image. The order of packages, files and units does not matter; everything else does.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |label: &str, bytes: &[u8]| {
            // Lengths in front, so that no two recipes give the same bytes.
            hash.update(format!("{label} {}\n", bytes.len()));
            hash.update(bytes);
        };
        add("format", FORMAT.to_string().as_bytes());
        add("suite", self.suite.as_bytes());
        add("mirror", self.mirror.as_deref().unwrap_or("").as_bytes());
        add("packages", self.all_packages().join(" ").as_bytes());
        add("disk", self.disk_mib.to_string().as_bytes());
        add("initramfs", &[u8::from(self.debian_initramfs)]);
        for (label, units) in [("disable", &self.disable), ("enable", &self.enable)] {
            let mut units = units.clone();
            units.sort();
            units.dedup();
            add(label, units.join(" ").as_bytes());
        }
        let mut files: Vec<&GuestFile> = self.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in super::guest::FILES
            .iter()
            .map(|(path, mode, text)| (*path, *mode, text.as_bytes()))
            .chain(
                files
                    .iter()
                    .map(|f| (f.path.as_str(), f.mode, &f.content[..])),
            )
        {
            add(file.0, &file.1.to_be_bytes());
            add("content", file.2);
        }
        add("finish", super::guest::FINISH.as_bytes());
        let digest = hash.finalize();
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_change_the_hash() {
        let one = Recipe::debian_13()
            .packages(["nix-bin", "nginx-light"])
            .file("/etc/a", 0o644, "a")
            .file("/etc/b", 0o644, "b");
        let other = Recipe::debian_13()
            .packages(["nginx-light", "nix-bin", "sudo"])
            .file("/etc/b", 0o644, "b")
            .file("/etc/a", 0o644, "a");
        assert_eq!(one.hash(), other.hash());
    }

    #[test]
    fn whatever_ends_up_in_the_image_changes_the_hash() {
        let base = Recipe::debian_13().file("/etc/a", 0o644, "a");
        let variants = [
            Recipe::debian_13(),
            Recipe::debian_13().file("/etc/a", 0o600, "a"),
            Recipe::debian_13().file("/etc/a", 0o644, "b"),
            base.clone().packages(["nginx-light"]),
            Recipe {
                disk_mib: 2048,
                ..base.clone()
            },
            Recipe {
                suite: "sid".to_owned(),
                ..base.clone()
            },
            Recipe {
                enable: vec!["nginx.service".to_owned()],
                ..base.clone()
            },
            Recipe {
                disable: vec!["nginx.service".to_owned()],
                ..base.clone()
            },
            Recipe {
                debian_initramfs: true,
                ..base.clone()
            },
        ];
        let mut hashes: Vec<String> = variants.iter().map(Recipe::hash).collect();
        hashes.push(base.hash());
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}

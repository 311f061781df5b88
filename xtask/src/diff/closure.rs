//! What differs between two systems of a host. Pure: types, and how they are told in short.

use serde::{Deserialize, Serialize};

use super::changes::{Changes, LineChanges};
use crate::fleet::store_path::StorePath;
use crate::report::words::{counted, signed_bytes};

/// The difference between two toplevels (schema: docs/json/diff.schema.json).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosureDiff {
    pub old: StorePath,
    pub new: StorePath,
    pub packages: Vec<PackageChange>,
    /// systemd's units; a changed one names the files, drop-ins among them.
    pub units: Changes,
    /// Accounts; a changed one names the fields, never a password.
    pub users: Changes,
    pub groups: Changes,
    pub sudo: LineChanges,
    /// What only a reboot brings into effect.
    pub boot: Vec<BootPart>,
    /// Bytes of the whole closure.
    pub old_size: u64,
    pub new_size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageChange {
    pub name: String,
    pub status: PackageStatus,
    /// The versions that went, and those that came.
    pub old: Vec<String>,
    pub new: Vec<String>,
    /// Bytes.
    pub size_delta: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PackageStatus {
    Added,
    Removed,
    Upgraded,
    Downgraded,
    /// Other versions without an order, or the same version in another size.
    Changed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootPart {
    Kernel,
    Initrd,
    Modules,
    KernelParameters,
}

impl BootPart {
    /// As in JSON, and as hosts' guards and their figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Modules => "modules",
            Self::KernelParameters => "kernel-parameters",
        }
    }
}

impl ClosureDiff {
    /// Whether what changes is in effect only after a reboot.
    pub fn reboot_needed(&self) -> bool {
        !self.boot.is_empty()
    }

    /// Bytes that the closure grows by.
    pub fn size_delta(&self) -> i64 {
        // Closures are far from 2^63 bytes.
        self.new_size.cast_signed() - self.old_size.cast_signed()
    }

    /// One line: `2 packages (nginx 1.26 → 1.28, …), 1 unit, sudo, +1.2 MiB, reboot`.
    pub fn short(&self) -> String {
        let mut text = self.summary();
        if self.size_delta() != 0 {
            text = format!("{text}, {}", signed_bytes(self.size_delta()));
        }
        if self.reboot_needed() {
            text.push_str(", reboot");
        }
        text
    }

    /// The same without the size and the reboot, for a table that has columns for these.
    pub fn summary(&self) -> String {
        if self.old == self.new {
            return "unchanged".to_owned();
        }
        let mut parts = Vec::new();
        if let Some(first) = self.packages.first() {
            let more = if self.packages.len() > 1 { ", …" } else { "" };
            let packages = counted(self.packages.len(), "package");
            parts.push(format!("{packages} ({}{more})", first.short()));
        }
        for (count, what) in [
            (self.units.count(), "unit"),
            (self.users.count(), "user"),
            (self.groups.count(), "group"),
        ] {
            if count > 0 {
                parts.push(counted(count, what));
            }
        }
        if self.sudo.count() > 0 {
            parts.push("sudo".to_owned());
        }
        let boot = self.boot.iter().map(|part| part.name().to_owned());
        parts.extend(boot);
        if parts.is_empty() {
            parts.push("other files".to_owned());
        }
        parts.join(", ")
    }
}

impl PackageChange {
    /// `nginx 1.26 → 1.28`.
    pub fn short(&self) -> String {
        let versions = |versions: &[String]| versions.join("+");
        match (self.old.as_slice(), self.new.as_slice()) {
            ([], []) => match self.status {
                PackageStatus::Added => format!("+{}", self.name),
                PackageStatus::Removed => format!("-{}", self.name),
                _ => format!("{} {}", self.name, signed_bytes(self.size_delta)),
            },
            ([], new) => format!("+{} {}", self.name, versions(new)),
            (old, []) => format!("-{} {}", self.name, versions(old)),
            (old, new) => format!("{} {} → {}", self.name, versions(old), versions(new)),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn example() -> ClosureDiff {
        let path =
            |c: &str| StorePath::parse(&format!("{}-nixos-system-Web", c.repeat(32))).unwrap();
        ClosureDiff {
            old: path("0"),
            new: path("1"),
            packages: vec![
                PackageChange {
                    name: "nginx".to_owned(),
                    status: PackageStatus::Upgraded,
                    old: vec!["1.26".to_owned()],
                    new: vec!["1.28".to_owned()],
                    size_delta: 2048,
                },
                PackageChange {
                    name: "jq".to_owned(),
                    status: PackageStatus::Added,
                    old: vec![],
                    new: vec!["1.7".to_owned()],
                    size_delta: 1024,
                },
            ],
            units: Changes {
                added: vec!["web.service".to_owned()],
                removed: vec!["old.timer".to_owned()],
                changed: [(
                    "nginx.service".to_owned(),
                    vec!["overrides.conf".to_owned()],
                )]
                .into(),
            },
            users: Changes {
                changed: [("deploy".to_owned(), vec!["authorized keys".to_owned()])].into(),
                ..Changes::default()
            },
            groups: Changes::default(),
            sudo: LineChanges {
                added: vec!["deploy ALL=(root) NOPASSWD: ALL".to_owned()],
                removed: vec![],
            },
            boot: vec![BootPart::Kernel, BootPart::KernelParameters],
            old_size: 1024,
            new_size: 4096,
        }
    }

    #[test]
    fn a_diff_fits_on_a_line() {
        let mut diff = example();
        assert_eq!(
            diff.short(),
            "2 packages (nginx 1.26 → 1.28, …), 3 units, 1 user, sudo, kernel, kernel-parameters, +3.0 KiB, reboot"
        );
        assert!(diff.reboot_needed());
        diff.new = diff.old.clone();
        diff.new_size = diff.old_size;
        diff.boot.clear();
        assert_eq!(diff.short(), "unchanged");
    }

    #[test]
    fn a_difference_that_is_in_no_category_is_not_hidden() {
        let mut diff = example();
        diff.packages.clear();
        diff.units = Changes::default();
        diff.users = Changes::default();
        diff.sudo = LineChanges::default();
        diff.new_size = diff.old_size;
        diff.boot.clear();
        assert_eq!(diff.short(), "other files");
    }
}

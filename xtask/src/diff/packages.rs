//! What changes among the packages of two closures. `dix` compares; the closures are read by our own Nix, since its
//! own reading takes the store's database or whatever `nix` is on PATH.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{anyhow, Context, Result};
use dix::store::StorePathInfo;
use dix::{DiffStatus, PackageDiff, StoreSnapshot, VersionAmount, VersionDiff};

use super::closure::{PackageChange, PackageStatus};
use crate::fleet::store_path::StorePath;
use crate::tools::nix::path_info::PathInfo;

/// A closure: every path with its size.
pub type Closure = BTreeMap<StorePath, PathInfo>;

/// # Errors
/// If a path has no size.
pub fn changes(old: &Closure, new: &Closure) -> Result<Vec<PackageChange>> {
    let report = dix::diff_store_snapshots(&snapshot(old)?, &snapshot(new)?);
    Ok(report.diffs().iter().filter_map(change).collect())
}

/// Bytes of all paths.
pub fn size(closure: &Closure) -> u64 {
    closure.values().filter_map(|info| info.nar_size).sum()
}

fn snapshot(closure: &Closure) -> Result<StoreSnapshot> {
    let closure = closure
        .iter()
        .map(|(path, info)| {
            let size = info
                .nar_size
                .and_then(|bytes| i64::try_from(bytes).ok())
                .with_context(|| format!("{path} has no size"))?;
            let path = dix::StorePath::try_from(PathBuf::from(path.as_str()))
                .map_err(|error| anyhow!("cannot compare {path}: {error}"))?;
            Ok(StorePathInfo::new(path, size::Size::from_bytes(size)))
        })
        .collect::<Result<_>>()?;
    Ok(StoreSnapshot {
        closure,
        // Whether a package was asked for or came along is not told apart here.
        selected: Vec::new(),
    })
}

fn change(diff: &PackageDiff) -> Option<PackageChange> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for version in &diff.versions {
        match version {
            VersionDiff::Removed(version) => old.push(text(version)),
            VersionDiff::Added(version) => new.push(text(version)),
            VersionDiff::Changed {
                old: before,
                new: after,
            } => {
                old.push(text(before));
                new.push(text(after));
            }
            VersionDiff::AmountChanged {
                version,
                old_amount,
                new_amount,
            } => {
                old.push(text(&VersionAmount::new(version.clone(), *old_amount)));
                new.push(text(&VersionAmount::new(version.clone(), *new_amount)));
            }
        }
    }
    old.retain(|version| !version.is_empty());
    new.retain(|version| !version.is_empty());
    let status = match diff.status {
        DiffStatus::Added => PackageStatus::Added,
        DiffStatus::Removed => PackageStatus::Removed,
        DiffStatus::Upgraded => PackageStatus::Upgraded,
        DiffStatus::Downgraded => PackageStatus::Downgraded,
        DiffStatus::Changed | DiffStatus::Mixed => PackageStatus::Changed,
    };
    // The system itself changes whenever anything does.
    let is_system = diff.name.starts_with("nixos-system-");
    (!is_system).then(|| PackageChange {
        name: diff.name.clone(),
        status,
        old,
        new,
        size_delta: diff.size.delta().bytes(),
    })
}

/// `1.28`, `1.28 ×2` if it is there twice, nothing for a path without a version.
fn text(version: &VersionAmount) -> String {
    let name = version.version.name.as_str();
    let name = if name == "<none>" { "" } else { name };
    match version.amount.get() {
        1 => name.to_owned(),
        amount => format!("{name} ×{amount}").trim_start().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(names: &[(&str, u64)]) -> Closure {
        names
            .iter()
            .enumerate()
            .map(|(at, (name, size))| {
                let path = StorePath::parse(&format!("{at:032}-{name}")).unwrap();
                let info = PathInfo {
                    closure_size: None,
                    nar_size: Some(*size),
                    references: Vec::new(),
                };
                (path, info)
            })
            .collect()
    }

    #[test]
    fn versions_are_compared_and_the_system_itself_is_not_a_package() {
        let old = closure(&[
            ("nginx-1.26.0", 100),
            ("jq-1.7", 10),
            ("nixos-system-Web-26.05", 1),
        ]);
        let new = closure(&[
            ("nginx-1.28.0", 300),
            ("curl-8.1", 20),
            ("nixos-system-Web-26.06", 1),
        ]);
        let changes = changes(&old, &new).unwrap();
        let short: Vec<String> = changes.iter().map(PackageChange::short).collect();
        assert_eq!(short, ["+curl 8.1", "-jq 1.7", "nginx 1.26.0 → 1.28.0"]);
        assert_eq!(changes[2].status, PackageStatus::Upgraded);
        assert_eq!(changes[2].size_delta, 200);
        assert_eq!(size(&new), 321);
    }

    #[test]
    fn a_path_without_a_version_comes_and_goes_by_name() {
        let changes = changes(&closure(&[]), &closure(&[("etc-motd", 10)])).unwrap();
        assert_eq!(changes[0].short(), "+etc-motd");
        assert_eq!(changes[0].status, PackageStatus::Added);
    }
}

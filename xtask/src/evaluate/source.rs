//! What a fleet is evaluated from, told without asking Nix: fingerprints of each host's folder and of what all share.
//! The same fingerprints mean the same evaluation, so that what was found once is not asked again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::digest::{self, Digest};
use super::locate::Location;
use super::reads::{self, Reads, Tree};
use super::working_tree;
use crate::fleet::host::HostName;
use crate::fleet::inventory::Inventory;

/// The files that an evaluation may read, each with a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The commit it is, or that the working tree is based on.
    pub revision: Option<String>,
    /// The working tree differs from that commit.
    pub dirty: bool,
    /// Nix files that git does not know, relative to the flake: Nix does not see them.
    pub untracked: Vec<String>,
    /// Relative to the flake, with `../` in front for what lies beside it in its repository.
    files: BTreeMap<String, String>,
    /// What is not a file and matters all the same: the stage, the stand-in, Nix.
    context: String,
    /// Where the files lie, if it is a working tree.
    root: Option<PathBuf>,
    /// Which of the files the hosts read, once that was asked for; none if it cannot be told.
    reads: OnceLock<Option<Reads>>,
}

/// The name of one state of what an evaluation reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Source {
    /// Reads a location as it is now, or as a commit had it.
    ///
    /// # Errors
    /// Usage, if git does not know the flake; else if something cannot be read.
    pub async fn read(location: &Location, commit: Option<&str>) -> Result<Self> {
        match (location, commit) {
            (Location::Git { git, root }, Some(commit)) => {
                let tree = working_tree::at(git, root, &location.prefix(), commit).await?;
                if let Some(source) = tree {
                    return Ok(source);
                }
                let mut source = Self::opaque(&git.object(commit, "").await?.unwrap_or_default());
                source.revision = Some(commit.to_owned());
                Ok(source)
            }
            (Location::Git { git, root }, None) => {
                working_tree::read(git, root, &location.prefix()).await
            }
            (Location::Folder(root), _) => {
                let files = digest::folder(root)
                    .with_context(|| format!("cannot read the flake {}", root.display()))?;
                let source = Self::of_files(files.into_iter().collect());
                Ok(source.in_folder(root))
            }
            (Location::Remote(reference), _) => Ok(Self::opaque(reference)),
        }
    }

    /// The paths of the files that an evaluation may read.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The folders directly in this folder.
    pub fn folders<'a>(&'a self, dir: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths().filter_map(move |path| {
            let inside = path.strip_prefix(dir)?.strip_prefix('/')?;
            Some(inside.split_once('/')?.0)
        })
    }

    pub fn of_files(files: BTreeMap<String, String>) -> Self {
        Self {
            revision: None,
            dirty: false,
            untracked: Vec::new(),
            files,
            context: String::new(),
            root: None,
            reads: OnceLock::new(),
        }
    }

    /// The files lie here, to be read further.
    pub fn in_folder(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// A source that is known only as a whole.
    pub fn opaque(name: &str) -> Self {
        Self::of_files([(String::new(), name.to_owned())].into())
    }

    /// Adds what matters besides the files.
    pub fn with_context(mut self, context: &[&str]) -> Self {
        let mut digest = Digest::default();
        for part in context {
            digest.field(part);
        }
        self.context = digest.name();
        self
    }

    /// Of everything, the commit included: a flake can put `self.rev` into its hosts. The inventory depends on no less.
    pub fn whole(&self) -> Fingerprint {
        let mut digest = Digest::default();
        digest.field(&self.context);
        digest.field(self.revision.as_deref().unwrap_or_default());
        digest.field(if self.dirty { "dirty" } else { "clean" });
        for (path, object) in &self.files {
            digest.field(path).field(object);
        }
        Fingerprint(digest.name())
    }

    /// Which files the hosts of this fleet read besides their own folders; none if that cannot be told.
    fn reads(&self, hosts_dir: &str, hosts: &[HostName]) -> Option<&Reads> {
        let find = || {
            let root = self.root.as_deref()?;
            let files: Vec<&str> = self.paths().collect();
            let tree = Tree {
                root,
                files: &files,
            };
            reads::of_fleet(tree, hosts_dir, hosts).ok()
        };
        self.reads.get_or_init(find).as_ref()
    }

    /// Of what each host's evaluation reads: its own folder, the files that hosts share, and the inventory. A fleet that
    /// is not hermetic may read more, and another's fleet surely does: there it is the whole.
    pub fn of_hosts(&self, inventory: &Inventory) -> BTreeMap<HostName, Fingerprint> {
        let hosts = inventory.hosts.keys();
        let names: Vec<HostName> = hosts.clone().cloned().collect();
        let known = inventory
            .hosts_dir
            .as_deref()
            .filter(|_| inventory.hermetic)
            .and_then(|dir| Some((dir, self.reads(dir, &names)?)));
        let Some((hosts_dir, reads)) = known else {
            let whole = self.whole();
            return hosts.map(|host| (host.clone(), whole.clone())).collect();
        };
        // One pass over the files, however many hosts there are.
        let mut own: BTreeMap<&str, Digest> = hosts
            .clone()
            .map(|host| (host.as_str(), Digest::default()))
            .collect();
        let mut shared = Digest::default();
        shared.field(&self.context);
        for (path, object) in &self.files {
            let own = path
                .strip_prefix(hosts_dir)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split_once('/'))
                .and_then(|(folder, _)| own.get_mut(folder));
            let digest = match own {
                Some(own) => own,
                None if reads.shared.contains(path) => &mut shared,
                None => continue,
            };
            digest.field(path).field(object);
        }
        // Serialising maps with string keys cannot fail; an error would make the fingerprint its own.
        match serde_json::to_string(inventory) {
            Ok(text) => shared.field(text),
            Err(error) => shared.field(error.to_string()),
        };
        let shared = shared.name();
        hosts
            .map(|host| {
                let mut digest = Digest::default();
                digest.field(&shared);
                if let Some(own) = own.get(host.as_str()) {
                    digest.field(own.name());
                }
                (host.clone(), Fingerprint(digest.name()))
            })
            .collect()
    }

    /// As if the hosts read every file that is in no host's folder.
    #[cfg(test)]
    pub fn reading_all(self) -> Self {
        let shared = self.files.keys().cloned().collect();
        Self {
            reads: OnceLock::from(Some(Reads { shared })),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::stage::Stage;

    fn source(files: &[(&str, &str)]) -> Source {
        Source::of_files(
            files
                .iter()
                .map(|(path, object)| ((*path).to_owned(), (*object).to_owned()))
                .collect(),
        )
        .reading_all()
    }

    fn inventory(hermetic: bool) -> Inventory {
        let host = |name: &str| {
            let text = format!(r#"{{"name":"{name}","system":"x86_64-linux"}}"#);
            (HostName::known(name), serde_json::from_str(&text).unwrap())
        };
        Inventory {
            version: 1,
            stage: Stage::Rehearsal,
            hosts_dir: Some("hosts".to_owned()),
            hermetic,
            hosts: [host("A"), host("B")].into(),
        }
    }

    const FILES: [(&str, &str); 4] = [
        ("flake.nix", "1"),
        ("hosts/A/default.nix", "1"),
        ("hosts/B/default.nix", "1"),
        ("hosts/site.nix", "1"),
    ];

    fn changed(path: &str) -> Source {
        source(&FILES.map(|(name, object)| (name, if name == path { "2" } else { object })))
    }

    #[test]
    fn a_hosts_own_folder_changes_that_host_alone() {
        let (before, after) = (source(&FILES), changed("hosts/A/default.nix"));
        let of = |source: &Source, host: &str, hermetic: bool| {
            source.of_hosts(&inventory(hermetic))[&HostName::known(host)].clone()
        };
        assert_ne!(of(&before, "A", true), of(&after, "A", true));
        assert_eq!(of(&before, "B", true), of(&after, "B", true));
        assert_ne!(of(&before, "B", false), of(&after, "B", false));
        assert_ne!(before.whole(), after.whole());
    }

    #[test]
    fn shared_files_change_every_host() {
        for shared in ["flake.nix", "hosts/site.nix"] {
            let (before, after) = (source(&FILES), changed(shared));
            for host in ["A", "B"] {
                let host = HostName::known(host);
                assert_ne!(
                    before.of_hosts(&inventory(true))[&host],
                    after.of_hosts(&inventory(true))[&host],
                    "{shared} {host}"
                );
            }
        }
    }

    #[test]
    fn the_inventory_and_the_context_change_every_host() {
        let before = source(&FILES);
        let host = HostName::known("A");
        let mut other = inventory(true);
        other.hosts.remove(&HostName::known("B"));
        assert_ne!(
            before.of_hosts(&inventory(true))[&host],
            before.of_hosts(&other)[&host]
        );
        let nixos = before.clone().with_context(&["nixos"]);
        let rehearsal = before.clone().with_context(&["rehearsal"]);
        assert_ne!(nixos.whole(), rehearsal.whole());
    }
}

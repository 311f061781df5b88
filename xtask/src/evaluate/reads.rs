//! Which files the evaluation of a hermetic fleet's hosts may read, told from the Nix files' syntax without asking Nix.
//! Errs towards reading too much; where the syntax does not tell, the answer is that nobody knows.

mod syntax;

use std::collections::BTreeSet;
use std::path::Path;

use crate::fleet::host::HostName;
use syntax::{Reference, Use};

/// Slipway's own tree: files of `mkFleet` whose outputs no host's configuration reads. A host that is to have something
/// of them needs the line here to go.
const OWN_OUTPUTS: [&str; 10] = [
    "nix/apps.nix",
    "nix/checks.nix",
    "nix/deploy.nix",
    "nix/packages.nix",
    "nix/play-jobs.nix",
    "nix/plays.nix",
    "nix/scenarios.nix",
    "nix/shell.nix",
    "nix/templates.nix",
    "tests/nixos",
];

/// The files besides the hosts' own folders, relative to the flake; those that are named and not there count too, since
/// their appearance would matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    pub shared: BTreeSet<String>,
}

/// A flake's files: which there are, and where they lie.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    pub root: &'a Path,
    /// Relative to the root, sorted.
    pub files: &'a [&'a str],
}

/// What the hosts of a fleet that `mkFleet` made read.
///
/// # Errors
/// Why it cannot be told, for the log: a host that reaches into another's folder, a path that is made of strings.
pub fn of_fleet(tree: Tree<'_>, hosts_dir: &str, hosts: &[HostName]) -> Result<Reads, String> {
    let mut walk = Walk {
        tree,
        hosts_dir,
        hosts: hosts.iter().map(HostName::as_str).collect(),
        own: tree.has("nix/rehearsal/flake.nix") && tree.has("nix/hosts.nix"),
        shared: BTreeSet::new(),
        queue: Vec::new(),
        seen: BTreeSet::new(),
    };
    walk.file("flake.nix");
    walk.shared.insert("flake.lock".to_owned());
    for host in hosts {
        walk.subtree(&format!("{hosts_dir}/{host}"))?;
    }
    while let Some(file) = walk.queue.pop() {
        walk.read(&file)?;
    }
    Ok(Reads {
        shared: walk.shared,
    })
}

struct Walk<'a> {
    tree: Tree<'a>,
    hosts_dir: &'a str,
    hosts: BTreeSet<&'a str>,
    /// Slipway's own tree has the function that makes fleets; what that does with the folders is known.
    own: bool,
    shared: BTreeSet<String>,
    queue: Vec<String>,
    seen: BTreeSet<String>,
}

impl Walk<'_> {
    fn read(&mut self, file: &str) -> Result<(), String> {
        let trusted = self.own && file.starts_with("nix/");
        let text = std::fs::read_to_string(self.tree.root.join(file))
            .map_err(|error| format!("{file} cannot be read: {error}"))?;
        let found = syntax::parse(&text);
        if let Some(word) = found.reaching(file == "flake.nix").filter(|_| !trusted) {
            return Err(format!("{file} uses {word}"));
        }
        for reference in found.references {
            self.follow(file, &reference)
                .map_err(|why| format!("{file} names {}, {why}", reference.path))?;
        }
        Ok(())
    }

    fn follow(&mut self, from: &str, reference: &Reference) -> Result<(), String> {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = join(folder, &reference.path).ok_or("which is outside of the flake")?;
        if self.own && from == "nix/default.nix" && OWN_OUTPUTS.contains(&target.as_str()) {
            return Ok(());
        }
        if target == self.hosts_dir && reference.purpose == Use::HostsOfFleet {
            return Ok(());
        }
        if let Some(host) = self.host_of(&target) {
            return if self.host_of(from) == Some(host) {
                Ok(())
            } else {
                Err(format!("which is {host}'s"))
            };
        }
        let above = target.is_empty() || target == self.hosts_dir;
        if above || self.hosts_dir.starts_with(&format!("{target}/")) {
            return Err("which has the hosts' folders in it".to_owned());
        }
        let default = format!("{target}/default.nix");
        if reference.purpose == Use::Import && self.tree.has(&default) {
            self.file(&default);
            return Ok(());
        }
        self.subtree(&target)
    }

    /// The host whose folder a path is in.
    fn host_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let inside = path.strip_prefix(self.hosts_dir)?.strip_prefix('/')?;
        let name = inside.split('/').next()?;
        self.hosts.contains(name).then_some(name)
    }

    /// A file, or everything below a folder.
    fn subtree(&mut self, path: &str) -> Result<(), String> {
        // A link on the way to it leads elsewhere.
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            self.no_link(parent)?;
            above = parent;
        }
        if self.tree.has(path) || self.tree.below(path).next().is_none() {
            self.no_link(path)?;
            self.file(path);
            return Ok(());
        }
        let files: Vec<String> = self.tree.below(path).map(str::to_owned).collect();
        for file in files {
            self.no_link(&file)?;
            self.file(&file);
        }
        Ok(())
    }

    fn file(&mut self, path: &str) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if self.host_of(path).is_none() {
            self.shared.insert(path.to_owned());
        }
        if path.ends_with(".nix") && self.tree.has(path) {
            self.queue.push(path.to_owned());
        }
    }

    fn no_link(&self, path: &str) -> Result<(), String> {
        let is_link = std::fs::symlink_metadata(self.tree.root.join(path))
            .is_ok_and(|meta| meta.file_type().is_symlink());
        if is_link {
            Err(format!("and {path} is a link"))
        } else {
            Ok(())
        }
    }
}

impl<'a> Tree<'a> {
    fn has(&self, path: &str) -> bool {
        self.files.binary_search(&path).is_ok()
    }

    fn below(&self, folder: &str) -> impl Iterator<Item = &'a str> {
        let start = format!("{folder}/");
        let from = self.files.partition_point(|file| *file < start.as_str());
        self.files[from..]
            .iter()
            .copied()
            .take_while(move |file| file.starts_with(&start))
    }
}

/// `path` as seen from `folder`, both relative to the flake; none if it leads out of it.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;

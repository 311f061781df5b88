//! The source of a fleet in a git repository as its working tree is now: what git tracks, with what was edited since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::digest;
use super::source::Source;
use crate::failure::Failure;
use crate::tools::git::Git;

/// Reads the tree. `prefix` is the flake's folder inside of the repository, with a `/` at its end or empty.
///
/// # Errors
/// Usage, if git does not know the flake; else if git cannot be asked.
pub async fn read(git: &Git, root: &Path, prefix: &str) -> Result<Source> {
    let (tracked, status, hidden) = tokio::try_join!(git.tracked(), git.status(), git.hidden())?;
    // Nix reads the working tree, whatever git was told to overlook there.
    let modified: BTreeSet<String> = status.modified.iter().cloned().chain(hidden).collect();
    let (regular, special) = sort_modified(git.root(), &modified);
    let hashed = git.hash_files(&regular).await?;
    let mut now: BTreeMap<String, String> = regular.into_iter().zip(hashed).collect();
    now.extend(special);

    let mut files = BTreeMap::new();
    for file in tracked {
        let object = if modified.contains(&file.path) {
            match now.get(&file.path) {
                Some(object) => object.clone(),
                // Deleted: Nix does not see it any more.
                None => continue,
            }
        } else {
            file.object
        };
        let mode = if modified.contains(&file.path) {
            mode_of(&git.root().join(&file.path))
        } else {
            file.mode
        };
        files.insert(relative(&file.path, prefix), format!("{mode} {object}"));
    }
    if !files.contains_key("flake.nix") {
        let command = format!("git -C {} add flake.nix", root.display());
        return Err(Failure::usage(format!(
            "git does not know {}/flake.nix yet, so Nix does not see it",
            root.display()
        ))
        .try_next(command)
        .into());
    }
    let mut source = Source::of_files(files).in_folder(root);
    source.revision = status.head;
    source.dirty = status.dirty;
    source.untracked = status
        .untracked
        .iter()
        .filter(|path| path.ends_with(".nix"))
        .filter_map(|path| path.strip_prefix(prefix))
        .map(str::to_owned)
        .collect();
    Ok(source)
}

/// The tree as a commit has it, if that is checked out and nothing of it was edited: then its files can be looked into.
///
/// # Errors
/// As `read`.
pub async fn at(git: &Git, root: &Path, prefix: &str, commit: &str) -> Result<Option<Source>> {
    if git.commit("HEAD").await.ok().as_deref() != Some(commit) || !git.hidden().await?.is_empty() {
        return Ok(None);
    }
    let mut source = read(git, root, prefix).await?;
    if source.dirty || source.revision.as_deref() != Some(commit) {
        return Ok(None);
    }
    // No commit has them.
    source.untracked.clear();
    Ok(Some(source))
}

/// The modified files that git can hash, and the rest with our own hash. What is not there any more is in neither.
fn sort_modified(root: &Path, modified: &BTreeSet<String>) -> (Vec<String>, Vec<(String, String)>) {
    let mut regular = Vec::new();
    let mut special = Vec::new();
    for path in modified {
        let full = root.join(path);
        let Ok(meta) = std::fs::symlink_metadata(&full) else {
            continue;
        };
        // Git reads the names line by line, and follows links.
        if meta.is_file() && !path.contains('\n') {
            regular.push(path.clone());
        } else if let Ok(hash) = digest::file(&full) {
            special.push((path.clone(), hash));
        }
    }
    (regular, special)
}

/// The mode that git would give a file of the working tree.
fn mode_of(path: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let mode = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => "120000",
        Ok(meta) if meta.is_dir() => "160000",
        Ok(meta) if meta.permissions().mode() & 0o100 != 0 => "100755",
        _ => "100644",
    };
    mode.to_owned()
}

fn relative(path: &str, prefix: &str) -> String {
    path.strip_prefix(prefix)
        .map_or_else(|| format!("../{path}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_flake() {
        assert_eq!(relative("nixos/flake.nix", "nixos/"), "flake.nix");
        assert_eq!(relative("README.md", "nixos/"), "../README.md");
        assert_eq!(relative("flake.nix", ""), "flake.nix");
    }
}

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
    let (tracked, status) = tokio::try_join!(git.tracked(), git.status())?;
    let (regular, special) = sort_modified(git.root(), &status.modified);
    let hashed = git.hash_files(&regular).await?;
    let mut now: BTreeMap<String, String> = regular.into_iter().zip(hashed).collect();
    now.extend(special);
    let modified: BTreeSet<&String> = status.modified.iter().collect();

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
        let executable = if modified.contains(&file.path) {
            is_executable(&git.root().join(&file.path))
        } else {
            file.mode == "100755"
        };
        let object = if executable {
            format!("x{object}")
        } else {
            object
        };
        files.insert(relative(&file.path, prefix), object);
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
    let mut source = Source::of_files(files).without_unread(root);
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

/// The modified files that git can hash, and the rest with our own hash. What is not there any more is in neither.
fn sort_modified(root: &Path, modified: &[String]) -> (Vec<String>, Vec<(String, String)>) {
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

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
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

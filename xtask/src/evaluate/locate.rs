//! From `--flake REF` to where the flake is: in a git repository, in a plain folder, or elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::fleet::flake::Flake;
use crate::tools::git::Git;

/// Where a flake was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a repository: Nix sees what git tracks.
    Git { git: Git, root: PathBuf },
    /// A folder: Nix sees all of it.
    Folder(PathBuf),
    /// Wherever Nix fetches it from.
    Remote(String),
}

/// What a reference means before anything was looked up.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    /// A folder, and Nix takes what git tracks if it is in a repository.
    Path(&'a str),
    /// `path:`, all of a folder even if git tracks only some of it.
    Folder(&'a str),
    Remote(&'a str),
}

/// # Errors
/// Usage, if there is no flake there.
pub fn locate(wanted: Option<&str>) -> Result<Location> {
    let here = std::env::current_dir().context("cannot read the current directory")?;
    match wanted {
        None => locate_default(&here),
        Some("") => Err(Failure::usage("--flake is empty")
            .try_next("--flake FOLDER, or without it for the flake of this folder")
            .into()),
        Some(reference) => {
            if reference.contains('#') {
                return Err(Failure::usage(format!(
                    "`{reference}` names an output: --flake takes the flake as a whole"
                ))
                .try_next(reference.split('#').next().unwrap_or_default())
                .into());
            }
            match meaning(reference) {
                Meaning::Path(path) => Ok(local(&existing(&here, path)?)),
                Meaning::Folder(path) => Ok(Location::Folder(existing(&here, path)?)),
                Meaning::Remote(reference) => Ok(Location::Remote(reference.to_owned())),
            }
        }
    }
}

fn locate_default(here: &Path) -> Result<Location> {
    let above = here.ancestors().find(|dir| is_flake(dir));
    // `cargo run` outside of the repository, and tests: what xtask was built from, while it is there.
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    match above.or(built_from.filter(|dir| is_flake(dir))) {
        Some(root) => Ok(local(root)),
        None => Err(Failure::usage(format!(
            "no flake: neither {} nor a folder above has a flake.nix",
            here.display()
        ))
        .try_next("--flake FOLDER")
        .into()),
    }
}

fn local(root: &Path) -> Location {
    match Git::above(root) {
        Some(git) => Location::Git {
            git,
            root: root.to_owned(),
        },
        None => Location::Folder(root.to_owned()),
    }
}

fn is_flake(dir: &Path) -> bool {
    dir.join("flake.nix").is_file()
}

/// The absolute path of a folder that has a flake.nix.
fn existing(here: &Path, path: &str) -> Result<PathBuf> {
    let wanted = here.join(path);
    let root = wanted.canonicalize().map_err(|error| {
        Failure::usage(format!("no flake at {}: {error}", wanted.display()))
            .try_next("a folder with a flake.nix, or a flake reference such as github:owner/repo")
    })?;
    if is_flake(&root) {
        return Ok(root);
    }
    let failure = Failure::usage(format!("no flake at {}: no flake.nix", root.display()));
    Err(match root.ancestors().find(|dir| is_flake(dir)) {
        Some(above) => failure.try_next(format!("--flake {}", above.display())),
        None => failure,
    }
    .into())
}

/// Tells paths from references as Nix does, except that a bare word is a folder here: a fleet is in no registry.
fn meaning(reference: &str) -> Meaning<'_> {
    if let Some(path) = reference.strip_prefix("path:") {
        return Meaning::Folder(path);
    }
    if let Some(path) = reference.strip_prefix("git+file://") {
        // A revision or another folder in the query is Nix's to understand.
        return if path.contains('?') {
            Meaning::Remote(reference)
        } else {
            Meaning::Path(path)
        };
    }
    let scheme = reference.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c))
    };
    match scheme {
        Some(scheme) if is_scheme(scheme) => Meaning::Remote(reference),
        _ => Meaning::Path(reference),
    }
}

impl Location {
    /// The flake as it is now, or as a commit had it.
    ///
    /// # Errors
    /// If git cannot be asked.
    pub async fn flake(&self, commit: Option<&str>) -> Result<Flake> {
        Ok(match self {
            Self::Git { git, root } => {
                Flake::git(git.root(), root, commit, git.is_shallow().await?)
            }
            Self::Folder(root) => Flake::folder(root),
            Self::Remote(reference) => Flake::remote(reference),
        })
    }

    /// A file of the flake's folder as a person finds it.
    pub fn file_name(&self, name: &str) -> String {
        match self.root() {
            Some(root) => root.join(name).display().to_string(),
            None => name.to_owned(),
        }
    }

    /// A file of the flake's folder, as it is now or as a commit had it; none if Nix would see none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn file(&self, name: &str, commit: Option<&str>) -> Result<Option<String>> {
        match (self, commit) {
            (Self::Git { git, .. }, Some(commit)) => {
                git.show(commit, &format!("{}{name}", self.prefix())).await
            }
            (Self::Git { root, .. } | Self::Folder(root), _) => {
                let path = root.join(name);
                match std::fs::read_to_string(&path) {
                    Ok(text) => Ok(Some(text)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => {
                        Err(error).with_context(|| format!("cannot read {}", path.display()))
                    }
                }
            }
            (Self::Remote(_), _) => Ok(None),
        }
    }

    /// The folder on this machine.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Self::Git { root, .. } | Self::Folder(root) => Some(root),
            Self::Remote(_) => None,
        }
    }

    /// The flake's folder inside its repository: empty at the top, else with a `/` at its end.
    pub fn prefix(&self) -> String {
        match self {
            Self::Git { git, root } => match root.strip_prefix(git.root()) {
                Ok(inside) if inside != Path::new("") => format!("{}/", inside.display()),
                _ => String::new(),
            },
            Self::Folder(_) | Self::Remote(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_paths() {
        for path in [".", "..", "/fleet", "fleet", "./a:b", "git+file:///fleet"] {
            assert!(matches!(meaning(path), Meaning::Path(_)), "{path}");
        }
        assert_eq!(meaning("path:/fleet"), Meaning::Folder("/fleet"));
        for remote in [
            "github:owner/repo",
            "git+ssh://host/fleet",
            "https://host/x.tar.gz",
            "git+file:///fleet?rev=abc",
        ] {
            assert!(matches!(meaning(remote), Meaning::Remote(_)), "{remote}");
        }
    }

    #[test]
    fn a_folder_without_a_flake_names_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join("flake.nix"), "").unwrap();
        std::fs::create_dir(root.join("hosts")).unwrap();
        let error = locate(root.join("hosts").to_str()).unwrap_err();
        let failure = crate::failure::find(&error).unwrap();
        assert!(failure.to_string().ends_with("hosts: no flake.nix"));
        let above = format!("--flake {}", root.display());
        assert_eq!(failure.next_step(), Some(above.as_str()));
        assert_eq!(
            locate(root.to_str()).unwrap(),
            Location::Folder(root.clone())
        );
    }

    #[test]
    fn an_output_is_no_fleet() {
        let error = locate(Some("github:owner/repo#fleet")).unwrap_err();
        assert_eq!(crate::failure::exit_of(&error), crate::failure::Exit::Usage);
    }

    #[test]
    fn a_flake_below_the_top_of_its_repository_has_a_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join(".git")).unwrap();
        std::fs::create_dir_all(root.join("nixos")).unwrap();
        std::fs::write(root.join("nixos/flake.nix"), "").unwrap();
        let location = locate(root.join("nixos").to_str()).unwrap();
        assert_eq!(location.prefix(), "nixos/");
    }
}

//! Formatting Nix files as nixfmt does (RFC 166), with the formatter that is part of this program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::evaluate::locate::Location;
use crate::failure::Failure;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formatting {
    Unchanged,
    /// The text that it should have.
    Differs(String),
    /// It is no Nix: line and column from 1, and what is wrong there.
    Unreadable {
        line: usize,
        column: usize,
        message: String,
    },
}

/// Compares a text with its formatted self.
pub fn examine(text: &str) -> Formatting {
    match nixfmt_rs::format(text) {
        Ok(formatted) if formatted == text => Formatting::Unchanged,
        Ok(formatted) => Formatting::Differs(formatted),
        Err(error) => {
            let before = text.get(..error.byte_range().start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            Formatting::Unreadable {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message: error.message(),
            }
        }
    }
}

/// Every Nix file that git tracks in a flake, or every one there is where there is no git.
///
/// # Errors
/// Usage, if the flake is not on this machine.
pub async fn of_the_flake(location: &Location) -> Result<Vec<PathBuf>> {
    match location {
        Location::Git { git, root } => {
            let tracked = git.tracked().await?;
            let files = tracked
                .iter()
                // Links and submodules are not files of this repository.
                .filter(|file| file.mode.starts_with("100"))
                .map(|file| git.root().join(&file.path))
                // One that is deleted and still in the index has no format.
                .filter(|path| is_nix(path) && path.starts_with(root) && path.exists());
            Ok(files.collect())
        }
        Location::Folder(root) => nix_files(std::slice::from_ref(root)),
        Location::Remote(reference) => Err(Failure::usage(format!(
            "cannot format {reference}: it is not on this machine"
        ))
        .try_next("cargo xtask fmt PATH…")
        .into()),
    }
}

/// The Nix files among `paths`: a file as it is, a folder with all below it that is not hidden.
///
/// # Errors
/// If one of them cannot be read.
pub fn nix_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot_read = || format!("cannot read {}", dir.display());
    let mut entries = std::fs::read_dir(dir)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(cannot_read)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links are left out: what they point to is formatted where it is.
        let kind = entry.file_type().with_context(cannot_read)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden && !is_build_output(&path) {
            collect(&path, files)?;
        } else if kind.is_file() && is_nix(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_nix(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "nix")
}

/// Cargo marks its folder so that backups and searches pass it by.
fn is_build_output(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_text_is_unchanged_and_another_differs() {
        let formatted = "{ a = 1; }\n";
        assert_eq!(examine(formatted), Formatting::Unchanged);
        assert_eq!(examine("{a=1;}"), Formatting::Differs(formatted.to_owned()));
    }

    #[test]
    fn what_is_no_nix_is_told_by_line_and_column() {
        let Formatting::Unreadable {
            line,
            column,
            message,
        } = examine("{\n  ä = ;\n}\n")
        else {
            panic!("it is no Nix");
        };
        assert_eq!((line, column), (2, 3), "{message}");
        let Formatting::Unreadable { line, column, .. } = examine("{\n  a = ;\n}\n") else {
            panic!("it is no Nix");
        };
        assert_eq!((line, column), (2, 7));
    }

    #[test]
    fn folders_are_walked_without_what_is_hidden_or_built() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["hosts/Web", ".git", "target/debug"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "flake.nix",
            "README.md",
            "hosts/Web/default.nix",
            ".git/x.nix",
            "target/debug/x.nix",
            "target/CACHEDIR.TAG",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        let files = nix_files(&[root.to_owned()]).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|path| path.strip_prefix(root).unwrap())
            .collect();
        let expected = ["flake.nix", "hosts/Web/default.nix"].map(Path::new);
        assert_eq!(names, expected);
    }
}

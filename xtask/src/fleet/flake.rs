//! A flake as it is evaluated: its reference and the inputs that are overridden.

use std::fmt::Write;
use std::path::Path;

/// A flake and what replaces its inputs. Pure data: `tools::nix` turns it into arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flake {
    /// As Nix takes it: `git+file:///home/me/fleet`, `path:/…`, `github:…`.
    pub reference: String,
    /// Input path (`nixpkgs`, `slipway/nixpkgs`) and the reference that replaces it.
    pub overrides: Vec<(String, String)>,
}

impl Flake {
    /// A folder with all that is in it.
    pub fn folder(root: &Path) -> Self {
        Self {
            reference: folder_reference(root),
            overrides: Vec::new(),
        }
    }

    /// What git tracks of the repository that the flake's folder is in: of the working tree, or of a commit.
    pub fn git(repository: &Path, root: &Path, commit: Option<&str>, shallow: bool) -> Self {
        let mut query = Vec::new();
        if let Ok(dir) = root.strip_prefix(repository) {
            if dir != Path::new("") {
                query.push(format!("dir={}", escape(&dir.to_string_lossy())));
            }
        }
        if let Some(commit) = commit {
            query.push(format!("rev={commit}"));
        }
        if shallow {
            query.push("shallow=1".to_owned());
        }
        let mut reference = format!("git+file://{}", escape(&repository.to_string_lossy()));
        if !query.is_empty() {
            reference = format!("{reference}?{}", query.join("&"));
        }
        Self {
            reference,
            overrides: Vec::new(),
        }
    }

    /// Anything else that Nix can fetch.
    pub fn remote(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            overrides: Vec::new(),
        }
    }

    /// The reference without a revision, under which all of them are one repository's.
    pub fn of_any_revision(&self) -> String {
        let Some((place, query)) = self.reference.split_once('?') else {
            return self.reference.clone();
        };
        let query: Vec<&str> = query
            .split('&')
            .filter(|part| !part.starts_with("rev="))
            .collect();
        if query.is_empty() {
            place.to_owned()
        } else {
            format!("{place}?{}", query.join("&"))
        }
    }

    /// An installable of this flake.
    pub fn attribute(&self, path: &str) -> String {
        format!("{}#{path}", self.reference)
    }
}

/// A folder as a flake reference.
pub fn folder_reference(folder: &Path) -> String {
    format!("path:{}", escape(&folder.to_string_lossy()))
}

/// Percent-encodes what would end or change a URL's path.
fn escape(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/+@:,=".contains(&byte);
    path.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flake_at_the_top_of_its_repository() {
        let root = Path::new("/home/me/fleet");
        let flake = Flake::git(root, root, None, false);
        assert_eq!(flake.reference, "git+file:///home/me/fleet");
        assert_eq!(flake.attribute("fleet"), "git+file:///home/me/fleet#fleet");
    }

    #[test]
    fn a_commit_of_a_flake_in_a_folder_of_a_shallow_repository() {
        let repository = Path::new("/home/me/my repo");
        let flake = Flake::git(repository, &repository.join("nixos"), Some("abc"), true);
        assert_eq!(
            flake.reference,
            "git+file:///home/me/my%20repo?dir=nixos&rev=abc&shallow=1"
        );
    }

    #[test]
    fn revisions_of_a_repository_have_one_name() {
        let root = Path::new("/fleet");
        for (folder, shallow) in [(root.to_owned(), false), (root.join("nixos"), true)] {
            let tree = Flake::git(root, &folder, None, shallow);
            let commit = Flake::git(root, &folder, Some("abc"), shallow);
            assert_ne!(commit.reference, tree.reference);
            assert_eq!(commit.of_any_revision(), tree.reference);
            assert_eq!(tree.of_any_revision(), tree.reference);
        }
    }
}

//! A flake as it is evaluated: its reference and the inputs that are overridden.

use std::path::{Path, PathBuf};

/// A flake and what replaces its inputs. Pure data: `tools::nix` turns it into arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flake {
    /// As Nix takes it: `git+file:///home/me/fleet`, `path:/…`, `github:…`.
    pub reference: String,
    /// The folder it lives in, if it is on this machine.
    pub root: Option<PathBuf>,
    /// Input path (`nixpkgs`, `slipway/nixpkgs`) and the reference that replaces it.
    pub overrides: Vec<(String, String)>,
}

impl Flake {
    /// A flake on this machine: what git tracks if it is in a repository, else the whole folder.
    pub fn local(root: &Path, in_git: bool) -> Self {
        let scheme = if in_git { "git+file://" } else { "path:" };
        Self {
            reference: format!("{scheme}{}", root.display()),
            root: Some(root.to_owned()),
            overrides: Vec::new(),
        }
    }

    /// An installable of this flake.
    pub fn attribute(&self, path: &str) -> String {
        format!("{}#{path}", self.reference)
    }

    /// The arguments that override its inputs, without touching its lock file.
    pub fn override_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        for (input, reference) in &self.overrides {
            args.extend([
                "--override-input".to_owned(),
                input.clone(),
                reference.clone(),
            ]);
        }
        if !self.overrides.is_empty() {
            args.push("--no-write-lock-file".to_owned());
        }
        args
    }
}

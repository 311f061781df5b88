//! Programs of this machine: found, too old, or not what their name promises.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::process::Command;
use crate::tools::version::Version;

/// A program that xtask needs, and how to know it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    pub name: &'static str,
    /// The first line of `--version` starts with this.
    pub says: &'static str,
    pub oldest: Version,
}

pub const NIX: Program = Program {
    name: "nix",
    says: "nix (",
    // The oldest that the tests run with; nixpkgs itself asks for less.
    oldest: Version::new(2, 26),
};
pub const GIT: Program = Program {
    name: "git",
    says: "git version",
    // Debian 11's.
    oldest: Version::new(2, 30),
};
pub const CARGO: Program = Program {
    name: "cargo",
    says: "cargo ",
    // `rust-version` in Cargo.toml.
    oldest: Version::new(1, 88),
};
pub const DEPLOY_RS: Program = Program {
    name: "deploy",
    says: "deploy-rs ",
    oldest: Version::new(1, 0),
};
pub const ACT: Program = Program {
    name: "act",
    says: "act version",
    oldest: Version::new(0, 2),
};
pub const SOPS: Program = Program {
    name: "sops",
    says: "sops ",
    // The first that encrypts to ssh keys.
    oldest: Version::new(3, 10),
};
pub const PYTHON: Program = Program {
    name: "python3",
    says: "Python ",
    // The first with a reader of TOML; Debian 12's.
    oldest: Version::new(3, 11),
};
pub const QEMU: Program = Program {
    name: "qemu-system-x86_64",
    says: "QEMU emulator version",
    // `mapped-ram`, on which snapshots stand.
    oldest: Version::new(9, 0),
};

pub const PROMTOOL: Program = Program {
    name: "promtool",
    says: "promtool, version",
    // Debian 12's.
    oldest: Version::new(2, 42),
};

/// What became of looking for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Good(PathBuf, Version),
    TooOld(PathBuf, Version),
    Broken(PathBuf, String),
    Missing,
}

impl Program {
    /// Looks on PATH and asks the program for its version.
    ///
    /// # Errors
    /// If the program is there and cannot be started.
    pub async fn find(&self) -> Result<Found> {
        match which::which(self.name) {
            Ok(path) => self.examine(path).await,
            Err(_) => Ok(Found::Missing),
        }
    }

    /// Asks the program at `path` for its version, if there is one.
    ///
    /// # Errors
    /// If it is there and cannot be started.
    pub async fn find_at(&self, path: PathBuf) -> Result<Found> {
        if path.exists() {
            self.examine(path).await
        } else {
            Ok(Found::Missing)
        }
    }

    /// Asks the program at `path` for its version.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn examine(&self, path: PathBuf) -> Result<Found> {
        let output = Command::new(&path)
            .arg("--version")
            // sops alone would ask its forge for a newer one.
            .env("SOPS_DISABLE_VERSION_CHECK", "true")
            .timeout(Duration::from_secs(20))
            .capture()
            .await?;
        if !output.status.success() {
            let why = format!("`{} --version` {}", self.name, output.status);
            return Ok(Found::Broken(path, why));
        }
        Ok(self.judge(path, &output.text()))
    }

    fn judge(&self, path: PathBuf, printed: &str) -> Found {
        let version = printed
            .starts_with(self.says)
            .then(|| Version::find(printed))
            .flatten();
        match version {
            Some(version) if version >= self.oldest => Found::Good(path, version),
            Some(version) => Found::TooOld(path, version),
            None => {
                let first = printed.lines().next().unwrap_or_default();
                let why = format!("`{} --version` says `{first}`", self.name);
                Found::Broken(path, why)
            }
        }
    }

    /// Why what was found is not used.
    pub fn complaint(&self, found: &Found) -> String {
        match found {
            Found::Good(path, version) => format!("{} is {version}", path.display()),
            Found::TooOld(path, version) => {
                format!(
                    "{} is {version}, older than {}",
                    path.display(),
                    self.oldest
                )
            }
            Found::Broken(path, why) => format!("{} does not work ({why})", path.display()),
            Found::Missing => format!("no `{}` on PATH", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(program: &Program, printed: &str) -> Found {
        program.judge(PathBuf::from("/p"), printed)
    }

    #[test]
    fn the_oldest_version_is_good_and_the_one_before_is_not() {
        let path = PathBuf::from("/p");
        let good = Found::Good(path.clone(), Version::new(2, 26));
        assert_eq!(judge(&NIX, "nix (Nix) 2.26.3"), good);
        let old = Found::TooOld(path, Version::new(2, 8));
        assert_eq!(judge(&NIX, "nix (Nix) 2.8.0"), old);
        assert_eq!(NIX.complaint(&old), "/p is 2.8, older than 2.26");
    }

    #[test]
    fn another_program_of_the_same_name_is_not_taken() {
        let other = judge(&DEPLOY_RS, "Capistrano 3.17\nCopyright");
        assert_eq!(
            DEPLOY_RS.complaint(&other),
            "/p does not work (`deploy --version` says `Capistrano 3.17`)"
        );
    }
}

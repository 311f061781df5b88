//! Checkouts of a commit or of the working tree, in a repository of their own that shares this one's objects.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Git;
use crate::process::Command;

impl Git {
    /// Checks a commit out below `target`, which is not there yet, on a branch of this name. This repository's branches
    /// are those of its remote, whose address is `origin`: nothing that runs there can push to where we push.
    ///
    /// # Errors
    /// If git cannot read the repository or write there.
    pub async fn checkout(
        &self,
        commit: &str,
        branch: &str,
        origin: &str,
        target: &Path,
    ) -> Result<Self> {
        let root = self.root();
        Command::new("git")
            .args(["clone", "--quiet", "--shared", "--no-checkout"])
            .arg(root)
            .arg(target)
            .timeout(Duration::from_secs(300))
            .success()
            .await
            .with_context(|| format!("cannot clone {}", root.display()))?;
        let copy = Self {
            root: target.to_owned(),
        };
        copy.ask(["checkout", "--quiet", "--force", "-B", branch, commit])
            .await?;
        copy.ask(["remote", "set-url", "origin", origin]).await?;
        Ok(copy)
    }

    /// Makes a bare repository at `target`, which is not there yet, whose branches are at these commits.
    ///
    /// # Errors
    /// If git cannot write there.
    pub async fn publish(&self, branches: &[(&str, &str)], target: &Path) -> Result<()> {
        Command::new("git")
            .args(["init", "--quiet", "--bare"])
            .arg(target)
            .success()
            .await
            .with_context(|| format!("cannot make the repository {}", target.display()))?;
        self.command(["push", "--quiet"])
            .arg(target)
            .args(
                branches
                    .iter()
                    .map(|(branch, commit)| format!("{commit}:refs/heads/{branch}")),
            )
            .timeout(Duration::from_secs(300))
            .success()
            .await
            .with_context(|| format!("cannot push to {}", target.display()))?;
        Ok(())
    }

    /// Brings everything that differs here from the last commit, and that git does not ignore, into a checkout of it.
    ///
    /// # Errors
    /// If a file cannot be copied.
    pub async fn copy_changes(&self, checkout: &Self) -> Result<()> {
        let mut paths = self.different("HEAD").await?;
        paths.extend(self.status().await?.untracked);
        for path in &paths {
            let (from, to) = (self.root.join(path), checkout.root.join(path));
            copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
        // Nix sees of a repository what git tracks.
        checkout.ask(["add", "--all"]).await?;
        Ok(())
    }

    /// The files of the working tree that differ from a revision; untracked ones are not among them.
    ///
    /// # Errors
    /// If there is no such revision.
    pub async fn different(&self, revision: &str) -> Result<Vec<String>> {
        let output = self
            .ask(["diff", "--name-only", "--no-renames", "-z", revision, "--"])
            .await?;
        Ok(names(&output.text()))
    }

    /// The object id of all that is in the index.
    ///
    /// # Errors
    /// If git cannot write it.
    pub async fn tree(&self) -> Result<String> {
        Ok(self.ask(["write-tree"]).await?.text())
    }

    /// The address of `origin`; none if there is none.
    ///
    /// # Errors
    /// If git cannot be started.
    pub async fn origin(&self) -> Result<Option<String>> {
        let output = self
            .command(["remote", "get-url", "origin"])
            .capture()
            .await?;
        Ok(output.status.success().then(|| output.text()))
    }
}

fn names(text: &str) -> Vec<String> {
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// A file or a link as it is now; one that is gone is removed.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let Ok(meta) = from.symlink_metadata() else {
        return Ok(());
    };
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if meta.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)
    } else {
        std::fs::copy(from, to).map(|_| ())
    }
}

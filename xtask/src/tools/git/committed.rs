//! Commits that are made beside the one that is checked out: index, working tree and branch of the checkout stay as they
//! are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Git;
use crate::failure::Failure;
use crate::process::{Command, Status};

/// Who signs a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    Nobody,
    /// The key that git has set, of whichever kind.
    Configured,
    /// An ssh key in this file.
    Key(PathBuf),
}

/// One file with new content, on top of a commit.
#[derive(Debug)]
pub struct NewCommit<'a> {
    pub parent: &'a str,
    /// Relative to the repository.
    pub path: &'a str,
    pub text: &'a str,
    pub message: &'a str,
    pub signing: &'a Signing,
    /// A folder for an index of its own.
    pub scratch: &'a Path,
}

impl Git {
    /// Whether git has a key set that commits are signed with. A person's `commit.gpgSign = false` outranks it.
    ///
    /// # Errors
    /// If git's configuration cannot be read.
    pub async fn has_signing_key(&self) -> Result<bool> {
        let wish = self.setting(&["--type=bool", "commit.gpgSign"]).await?;
        Ok(match wish.as_deref() {
            Some(wish) => wish == "true",
            None => self.setting(&["user.signingKey"]).await?.is_some(),
        })
    }

    /// A setting; none if nobody set it.
    pub(super) async fn setting(&self, name: &[&str]) -> Result<Option<String>> {
        let ask = self.command(["config", "--get"]).args(name);
        let line = ask.line();
        let output = ask.capture().await?;
        match output.status {
            Status::Code(0) => Ok(Some(output.text())),
            Status::Code(1) => Ok(None),
            status => anyhow::bail!("`{line}` {status}: {}", output.last_lines(3)),
        }
    }

    /// Makes a commit that no branch has yet; its id.
    ///
    /// # Errors
    /// If git does not know who commits, or cannot sign or write.
    pub async fn commit_file(&self, new: &NewCommit<'_>) -> Result<String> {
        let blob = self
            .command(["hash-object", "-w", "--no-filters", "--stdin"])
            .stdin(new.text)
            .success()
            .await?;
        let index = new.scratch.join("index");
        let in_index = |command: Command| command.env("GIT_INDEX_FILE", &index);
        let entry = format!("100644,{},{}", blob.text(), new.path);
        in_index(self.command(["read-tree", new.parent]))
            .success()
            .await?;
        in_index(self.command(["update-index", "--add", "--cacheinfo", &entry]))
            .success()
            .await?;
        let tree = in_index(self.command(["write-tree"])).success().await?;
        let commit = match new.signing {
            Signing::Key(file) => self
                .command(["-c", "gpg.format=ssh", "-c"])
                .arg(format!("user.signingKey={}", file.display()))
                .args(["commit-tree", "-S"]),
            Signing::Configured => self.command(["commit-tree", "-S"]),
            Signing::Nobody => self.command(["commit-tree"]),
        };
        let output = commit
            .args(["-p", new.parent, "-F", "-", &tree.text()])
            .stdin(new.message)
            .capture()
            .await?;
        if output.status.success() {
            return Ok(output.text());
        }
        let message = format!(
            "cannot commit in {}: git commit-tree {}: {}",
            self.root().display(),
            output.status,
            output.last_lines(5)
        );
        let next_step = match new.signing {
            Signing::Nobody => "git config user.name NAME, git config user.email ADDRESS",
            Signing::Configured => {
                "`git commit --allow-empty` to see the same by hand; commit.gpgSign = false for commits without a signature"
            }
            Signing::Key(_) => "an ssh key without a passphrase in SLIPWAY_SIGNING_KEY",
        };
        Err(Failure::failed(message).try_next(next_step).into())
    }

    /// Whether there is a branch of this name here.
    ///
    /// # Errors
    /// If git cannot be started.
    pub async fn has_branch(&self, name: &str) -> Result<bool> {
        let branch = format!("refs/heads/{name}");
        let asked = self.command(["show-ref", "--verify", "--quiet", &branch]);
        Ok(asked.capture().await?.status.success())
    }

    /// Whether git takes this for the name of a branch.
    ///
    /// # Errors
    /// If git cannot be started.
    pub async fn could_be_branch(&self, name: &str) -> Result<bool> {
        let branch = format!("refs/heads/{name}");
        let asked = self.command(["check-ref-format", &branch]);
        Ok(!name.starts_with('-') && asked.capture().await?.status.success())
    }

    /// A new branch at a commit.
    ///
    /// # Errors
    /// If there is one of that name by now, or git cannot write.
    pub async fn create_branch(&self, name: &str, commit: &str) -> Result<()> {
        let branch = format!("refs/heads/{name}");
        // What it was before is nothing: else git says that it is something by now.
        self.command(["update-ref", &branch, commit, ""])
            .success()
            .await
            .with_context(|| format!("cannot make the branch {name}"))?;
        Ok(())
    }
}

/// Of branches of `origin`.
const PATIENCE: Duration = Duration::from_secs(300);

impl Git {
    /// The commit of a branch of `origin`, which is here then; none if `origin` has no such branch.
    ///
    /// # Errors
    /// If there is no `origin`, or it does not answer.
    pub async fn fetch_of_origin(&self, branch: &str) -> Result<Option<String>> {
        let branch = format!("refs/heads/{branch}");
        let listed = self
            .command(["ls-remote", "origin", &branch])
            .timeout(PATIENCE)
            .success()
            .await?
            .text();
        let Some(commit) = listed.split_whitespace().next() else {
            return Ok(None);
        };
        self.command(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
            .args(["origin", &branch])
            .timeout(PATIENCE)
            .success()
            .await?;
        Ok(Some(commit.to_owned()))
    }

    /// The files that a commit has otherwise than where it left another.
    ///
    /// # Errors
    /// If they have nothing in common that is here, as in a shallow clone.
    pub async fn files_since(&self, base: &str, commit: &str) -> Result<Vec<String>> {
        let range = format!("{base}...{commit}");
        let files = self
            .ask(["diff", "--name-only", "--no-renames", "-z", &range, "--"])
            .await?;
        Ok(files
            .text()
            .split_terminator('\0')
            .map(str::to_owned)
            .collect())
    }

    /// Has `origin` take a commit for a branch, if the branch there is still at `before`, or is not there.
    ///
    /// # Errors
    /// If it is somewhere else by now, or `origin` refuses.
    pub async fn push(&self, branch: &str, commit: &str, before: Option<&str>) -> Result<()> {
        let branch = format!("refs/heads/{branch}");
        let lease = format!("--force-with-lease={branch}:{}", before.unwrap_or_default());
        let what = format!("{commit}:{branch}");
        self.command(["push", "--quiet", &lease, "origin", &what])
            .timeout(PATIENCE)
            .success()
            .await?;
        Ok(())
    }
}

//! Repositories that xtask makes for itself, to measure with.

use std::path::Path;

use anyhow::Result;

use super::Git;
use crate::process::Command;

impl Git {
    /// A new repository in this folder; nothing is tracked yet.
    pub async fn create(root: &Path) -> Result<Self> {
        Command::new("git")
            .args(["init", "--quiet"])
            .arg(root)
            .success()
            .await?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Makes git track every file as it is.
    pub async fn add_all(&self) -> Result<()> {
        self.command(["add", "--all"]).success().await?;
        Ok(())
    }

    /// Commits what changed of what is tracked, as nobody in particular.
    pub async fn commit_all(&self, message: &str) -> Result<()> {
        self.command(["-c", "user.name=xtask", "-c", "user.email=xtask@localhost"])
            .args(["commit", "--quiet", "--all", "--message", message])
            .success()
            .await?;
        Ok(())
    }
}

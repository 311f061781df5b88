//! The push that is rehearsed: what its forge had before it, and whose commits the builder takes.

use std::path::Path;

use anyhow::Result;

use crate::ci_local::scene::Scene;
use crate::failure::Failure;
use crate::fleet::refs::{short, MAIN};

/// Commits that matter beside the one that is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// What main was: the machines are installed with it.
    pub before: String,
    /// What led to this commit is not looked at again: it is on main here.
    pub trusted: String,
}

impl Push {
    /// A commit that is on main already is taken to have been pushed after the one before it.
    ///
    /// # Errors
    /// Usage, if nothing was before it; else if git cannot tell.
    pub async fn of(scene: &Scene) -> Result<Self> {
        let (git, commit) = (&scene.checkout, &scene.commit);
        if let Some(main) = &scene.base_commit {
            if !git.is_ancestor(commit, main).await? {
                return Ok(Self {
                    before: main.clone(),
                    trusted: main.clone(),
                });
            }
        }
        let before = git.resolve(&format!("{commit}~1")).await?;
        let before = before.ok_or_else(|| {
            Failure::usage(format!(
                "nothing was before {}, so that there is nothing to deploy it to",
                short(commit)
            ))
            .try_next("a commit after it")
        })?;
        Ok(Self {
            before,
            trusted: commit.clone(),
        })
    }

    /// Makes the repository that the forge has after the push.
    ///
    /// # Errors
    /// If git cannot write there.
    pub async fn publish(&self, scene: &Scene, target: &Path) -> Result<()> {
        let mut branches = vec![(scene.branch.as_str(), scene.commit.as_str())];
        if scene.branch != MAIN {
            branches.push((MAIN, &self.before));
        }
        scene.checkout.publish(&branches, target).await
    }
}

//! The commit that is run, and what it is taken to be to the forge.

use anyhow::Result;

use super::ground::Ground;
use super::{event, Request};
use crate::ci::on::{Event, Happening};
use crate::failure::Failure;
use crate::fleet::refs::MAIN;
use crate::report;
use crate::tools::git::Git;

pub struct Scene {
    pub checkout: Git,
    pub branch: String,
    pub commit: String,
    pub base_commit: Option<String>,
    /// `owner/name`
    pub repository: String,
    changed: Vec<String>,
}

impl Scene {
    /// Checks the commit out, and compares it with where its branch left main.
    ///
    /// # Errors
    /// Usage, if no branch is checked out and none was named; else if git cannot do it.
    pub async fn set(git: &Git, request: &Request, ground: &Ground) -> Result<Self> {
        let commit = git.commit("HEAD").await?;
        let branch = match &request.reference {
            Some(branch) => branch.trim_start_matches("refs/heads/").to_owned(),
            None => git.branch().await?.ok_or_else(|| {
                Failure::usage(format!("{} is on no branch", git.root().display()))
                    .try_next("--ref BRANCH")
            })?,
        };
        let folder = git.root().file_name().unwrap_or_default();
        let repository =
            event::repository(git.origin().await?.as_deref(), &folder.to_string_lossy());
        let origin = format!("https://{}/{repository}", event::INSTANCE);
        let checkout = git
            .checkout(&commit, &branch, &origin, &ground.source())
            .await?;
        if request.dirty {
            git.copy_changes(&checkout).await?;
        } else if git.status().await?.dirty {
            report::say("note: what is not committed is not run; --dirty runs the working tree");
        }
        // Without a history to compare with, the forge takes every file for new.
        let changed = match checkout.changed().await? {
            Some(changed) => changed,
            None => checkout
                .tracked()
                .await?
                .into_iter()
                .map(|it| it.path)
                .collect(),
        };
        let base_commit = checkout.commit(&format!("origin/{MAIN}")).await.ok();
        Ok(Self {
            checkout,
            branch,
            commit,
            base_commit,
            repository,
            changed,
        })
    }

    pub fn happening(&self, event: Event) -> Happening<'_> {
        Happening {
            event,
            branch: if event == Event::PullRequest {
                MAIN
            } else {
                &self.branch
            },
            changed: &self.changed,
        }
    }
}

//! Pull requests: one for a branch, what it says, and whether it merges itself.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Answer, Forge};

/// A pull request as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pull {
    pub number: u64,
    pub html_url: String,
    head: End,
    base: End,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: String,
}

#[derive(Serialize)]
struct New<'a> {
    base: &'a str,
    head: &'a str,
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Edit<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Merge<'a> {
    #[serde(rename = "Do")]
    style: &'a str,
    head_commit_id: &'a str,
    merge_when_checks_succeed: bool,
    delete_branch_after_merge: bool,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    enable_status_check: bool,
    #[serde(default)]
    status_check_contexts: Option<Vec<String>>,
}

impl Forge {
    /// The open pull request that brings one branch into another; none if there is none.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn open_pull(&self, head: &str, base: &str) -> Result<Option<Pull>> {
        for page in 1.. {
            let path = format!("pulls?state=open&limit=50&page={page}");
            let answer = self.get(&path).await?;
            let pulls: Vec<Pull> = serde_json::from_slice(&answer)
                .context("cannot read the pull requests that the forge has")?;
            if pulls.is_empty() {
                break;
            }
            let found = |it: &Pull| it.head.branch == head && it.base.branch == base;
            if let Some(pull) = pulls.into_iter().find(found) {
                return Ok(Some(pull));
            }
        }
        Ok(None)
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn new_pull(&self, head: &str, base: &str, title: &str, body: &str) -> Result<Pull> {
        let new = New {
            base,
            head,
            title,
            body,
        };
        let answer = self.send("POST", "pulls", &new).await?;
        serde_json::from_slice(&answer).context("cannot read the pull request that the forge made")
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn edit_pull(&self, number: u64, title: &str, body: &str) -> Result<()> {
        let path = format!("pulls/{number}");
        let edit = Edit { title, body };
        self.send("PATCH", &path, &edit).await.map(drop)
    }

    /// The checks without which the forge merges nothing into a branch, as patterns of their names.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn required_checks(&self, branch: &str) -> Result<Vec<String>> {
        let answer = self.get(&format!("branches/{branch}")).await?;
        let branch: Branch = serde_json::from_slice(&answer)
            .with_context(|| format!("cannot read what the forge says of {branch}"))?;
        let contexts = branch.status_check_contexts.unwrap_or_default();
        Ok(if branch.enable_status_check {
            contexts
        } else {
            Vec::new()
        })
    }

    /// Has the forge merge this very commit once the required checks pass, as it is: the signature stays.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn merge_when_green(&self, number: u64, commit: &str) -> Result<()> {
        let merge = Merge {
            style: "fast-forward-only",
            head_commit_id: commit,
            merge_when_checks_succeed: true,
            delete_branch_after_merge: true,
        };
        let path = format!("pulls/{number}/merge");
        self.send("POST", &path, &merge).await.map(drop)
    }

    /// Takes back that it merges itself.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn do_not_merge(&self, number: u64) -> Result<()> {
        let path = format!("pulls/{number}/merge");
        match self.ask("DELETE", &path, None).await? {
            // Nobody had wanted it to.
            Answer::Refused { absent: true, .. } => Ok(()),
            answer => answer.good().map(drop),
        }
    }
}

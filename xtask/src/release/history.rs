//! Every commit since the last release, held against the rules.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::rules::{objection, Evidence, Signer};
use crate::failure::Failure;
use crate::fleet::lock::Lock;
use crate::fleet::refs;
use crate::report::words::counted;
use crate::tools::git::signed::Commit;
use crate::tools::git::Git;

/// Why a commit is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub commit: Commit,
    pub why: String,
}

/// Judges what leads to `commit` and not to `since`; how many commits that were.
///
/// # Errors
/// Failed, naming each commit that is not taken, if there is one.
pub async fn verify(
    git: &Git,
    commit: &str,
    since: Option<&str>,
    allowed_signers: &Path,
    signers: &[Signer],
) -> Result<usize> {
    let commits = git.signed_log(commit, since, allowed_signers).await?;
    let count = commits.len();
    let mut refused = Vec::new();
    for commit in commits {
        let evidence = evidence(git, commit).await?;
        if let Some(why) = objection(&evidence, signers) {
            refused.push(Refused {
                commit: evidence.commit,
                why,
            });
        }
    }
    match failure(&refused, count) {
        Some(failure) => Err(failure.into()),
        None => Ok(count),
    }
}

async fn evidence(git: &Git, commit: Commit) -> Result<Evidence> {
    let merge = commit.parents.len() > 1;
    let parent = commit.parents.first().map(String::as_str);
    let changes = if merge {
        Vec::new()
    } else {
        git.changes(&commit.id, parent).await?
    };
    let mut new_origins = Vec::new();
    for change in &changes {
        if change.path.rsplit('/').next() == Some(LOCK) {
            let after = origins(git, Some(&commit.id), &change.path).await?;
            let before = origins(git, parent, &change.path).await?;
            new_origins.extend(after.difference(&before).cloned());
        }
    }
    Ok(Evidence {
        clean_merge: merge && git.is_clean_merge(&commit).await?,
        changes,
        new_origins,
        commit,
    })
}

const LOCK: &str = "flake.lock";

/// Where a commit's lock file takes sources from; nothing of one that is not there.
async fn origins(git: &Git, commit: Option<&str>, path: &str) -> Result<BTreeSet<String>> {
    let Some(commit) = commit else {
        return Ok(BTreeSet::new());
    };
    let text = git.show(commit, path).await?;
    // One that cannot be read is no lock file that anything is taken from: Nix fails on it.
    let lock = text.and_then(|text| Lock::parse(&text).ok());
    Ok(lock.map(|lock| lock.origins()).unwrap_or_default())
}

fn failure(refused: &[Refused], count: usize) -> Option<Failure> {
    const SHOWN: usize = 10;
    if refused.is_empty() {
        return None;
    }
    let mut message = format!(
        "nothing is released: {} of {} cannot be taken",
        refused.len(),
        counted(count, "commit")
    );
    for it in refused.iter().take(SHOWN) {
        let id = refs::short(&it.commit.id);
        let subject = guard::refusal::one_line(&it.commit.subject);
        message.push_str(&format!("\n  {id} {}: {subject}", it.why));
    }
    if refused.len() > SHOWN {
        message.push_str(&format!("\n  and {} more", refused.len() - SHOWN));
    }
    Some(Failure::failed(message).try_next(
        "take these commits out of the branch, or sign them anew: git rebase --exec 'git commit --amend --no-edit -S' …",
    ))
}

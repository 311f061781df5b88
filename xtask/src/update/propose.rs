//! An update's branch on the forge, and the one pull request that is open for it.

use anyhow::Result;

use super::outcome::{Proposed, Report};
use super::render;
use crate::failure::Failure;
use crate::fleet::refs;
use crate::tools::forgejo::Forge;
use crate::tools::git::Git;

/// What is proposed.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub branch: &'a str,
    pub commit: &'a str,
    /// The only file that it changes.
    pub lock: &'a str,
}

/// Workflows without which nothing may merge itself.
const REQUIRED: [&str; 2] = ["check", "build"];

/// Pushes the branch in place of what an earlier update left there, and has the pull request say what is in it now. It
/// merges itself only if there is no doubt and the forge waits for the checks.
///
/// # Errors
/// Failed, if the branch has somebody's work on it, or the forge refuses.
pub async fn propose(
    git: &Git,
    forge: &Forge,
    change: &Change<'_>,
    report: &Report,
) -> Result<Proposed> {
    let Change { branch, commit, .. } = *change;
    let there = earlier(git, change, &report.base).await?;
    let open = forge.open_pull(branch, refs::MAIN).await?;
    if let Some(pull) = &open {
        // What was decided of the commit that was there is not decided of this one.
        forge.do_not_merge(pull.number).await?;
    }
    let mut waits = report.doubts();
    waits.extend(unguarded(&forge.required_checks(refs::MAIN).await?));
    git.push(branch, commit, there.as_deref()).await?;
    let (title, body) = (render::title(report), render::markdown(report, &waits));
    let pull = match open {
        Some(pull) => {
            forge.edit_pull(pull.number, &title, &body).await?;
            pull
        }
        None => forge.new_pull(branch, refs::MAIN, &title, &body).await?,
    };
    if waits.is_empty() {
        forge.merge_when_green(pull.number, commit).await?;
    }
    Ok(Proposed {
        number: pull.number,
        url: pull.html_url,
        waits,
    })
}

/// The commit that the branch has on the forge, if it is an update's: somebody's work is not pushed over.
async fn earlier(git: &Git, change: &Change<'_>, base: &str) -> Result<Option<String>> {
    let branch = change.branch;
    let Some(there) = git.fetch_of_origin(branch).await? else {
        return Ok(None);
    };
    let files = git.files_since(base, &there).await?;
    match files.iter().find(|file| *file != change.lock) {
        None => Ok(Some(there)),
        Some(other) => Err(Failure::failed(format!(
            "branch {branch} of origin changes {other}, too, which is no update's doing"
        ))
        .try_next("merge or delete it there, or --branch with another name")
        .into()),
    }
}

/// What the forge would merge without waiting for it. A pattern stands for the checks that it matches.
fn unguarded(required: &[String]) -> Option<String> {
    let covers = |pattern: &String, name: &str| {
        let rest = pattern.strip_prefix(name);
        pattern.starts_with('*') || rest.is_some_and(|rest| rest.starts_with([' ', '*', '/']))
    };
    let missing: Vec<&str> = REQUIRED
        .into_iter()
        .filter(|name| !required.iter().any(|pattern| covers(pattern, name)))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "branch {} does not require the checks of {}",
            refs::MAIN,
            missing.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_workflows_have_to_be_required() {
        let told = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
            unguarded(&patterns).unwrap_or_default()
        };
        assert_eq!(told(&["check / *", "build / *"]), "");
        assert_eq!(told(&["*"]), "");
        assert_eq!(
            told(&["checkers / x", "build / report (pull_request)"]),
            "branch main does not require the checks of check"
        );
        assert_eq!(
            told(&[]),
            "branch main does not require the checks of check and build"
        );
    }
}

//! The document of an event, as a forge hands it to a workflow, as far as workflows and act read it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::ci::on::Event;

/// The forge that is not there. Nothing that a job sends to it arrives anywhere (RFC 2606).
pub const INSTANCE: &str = "forge.invalid";

/// What a run is about.
#[derive(Debug)]
pub struct Facts<'a> {
    pub event: Event,
    pub branch: &'a str,
    pub base: &'a str,
    pub commit: &'a str,
    /// The last commit of the base branch, where there is one.
    pub base_commit: Option<&'a str>,
    /// `owner/name`
    pub repository: &'a str,
    pub inputs: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<PullRequest<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a BTreeMap<String, String>>,
    repository: Repository<'a>,
}

#[derive(Serialize)]
struct PullRequest<'a> {
    number: u32,
    head: End<'a>,
    base: End<'a>,
}

#[derive(Serialize)]
struct End<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha: Option<&'a str>,
}

#[derive(Serialize)]
struct Repository<'a> {
    full_name: &'a str,
    default_branch: &'a str,
}

/// # Errors
/// Never, with string keys.
pub fn document(facts: &Facts) -> Result<String> {
    const NUMBER: u32 = 1;
    let pull_request = facts.event == Event::PullRequest;
    let push = facts.event == Event::Push;
    let document = Document {
        reference: if pull_request {
            format!("refs/pull/{NUMBER}/head")
        } else {
            format!("refs/heads/{}", facts.branch)
        },
        before: facts.base_commit.filter(|_| push),
        after: push.then_some(facts.commit),
        number: pull_request.then_some(NUMBER),
        action: pull_request.then_some("synchronize"),
        pull_request: pull_request.then_some(PullRequest {
            number: NUMBER,
            head: End {
                reference: facts.branch,
                sha: Some(facts.commit),
            },
            base: End {
                reference: facts.base,
                sha: facts.base_commit,
            },
        }),
        inputs: (facts.event == Event::Dispatch).then_some(facts.inputs),
        repository: Repository {
            full_name: facts.repository,
            default_branch: facts.base,
        },
    };
    crate::report::json(&document)
}

/// `owner/name` out of a remote's address, of which nothing else is used; the folder's name if there is none.
pub fn repository(origin: Option<&str>, folder: &str) -> String {
    let path = origin.unwrap_or_default().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut words = path.rsplit(['/', ':']);
    match (words.next(), words.next()) {
        (Some(name), Some(owner)) if !name.is_empty() && !owner.is_empty() => {
            format!("{owner}/{name}")
        }
        _ => format!("local/{folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        for (origin, expected) in [
            (Some("https://git.example.org/me/fleet.git"), "me/fleet"),
            (Some("git@git.example.org:me/fleet"), "me/fleet"),
            (None, "local/here"),
            (Some("fleet"), "local/here"),
        ] {
            assert_eq!(repository(origin, "here"), expected);
        }
    }

    #[test]
    fn each_event_says_what_forges_say() {
        let inputs = BTreeMap::from([("host".to_owned(), "Niko".to_owned())]);
        let told = |event| {
            document(&Facts {
                event,
                branch: "test-Niko",
                base: "main",
                commit: "c1",
                base_commit: Some("c0"),
                repository: "me/fleet",
                inputs: &inputs,
            })
            .unwrap()
        };
        let all = [Event::Push, Event::PullRequest, Event::Dispatch].map(told);
        insta::assert_snapshot!(all.join(""));
    }
}

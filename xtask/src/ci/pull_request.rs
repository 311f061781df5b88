//! Which pull request a job is about, and the one comment on it that is ours.

use anyhow::Result;
use serde::Deserialize;

use crate::tools::forgejo::{Forge, PullRequest};

/// The first line of the comment, which nobody sees.
const MARK: &str = "<!-- slipway: what changes -->";

#[derive(Deserialize)]
struct Event {
    number: Option<u64>,
    pull_request: Option<Numbered>,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// The pull request of this job; else why there is nothing to post to.
///
/// `environment` has `GITHUB_EVENT_PATH`, and what `Forge::find` takes; the token may write comments. Jobs of pull requests from forks have no secrets, and that is no failure.
pub fn find(environment: impl Fn(&str) -> Option<String>) -> Result<PullRequest, String> {
    let file = environment("GITHUB_EVENT_PATH").filter(|value| !value.is_empty());
    let file = file.ok_or("GITHUB_EVENT_PATH is not set")?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let event: Event = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let number = event.pull_request.map(|it| it.number).or(event.number);
    Ok(PullRequest {
        number: number.ok_or("this is no pull request")?,
        forge: Forge::find(environment)?,
    })
}

/// Writes our comment, or replaces what it says: there is never a second one.
///
/// # Errors
/// If the server does not answer, or refuses.
pub async fn tell(pull_request: &PullRequest, text: &str) -> Result<()> {
    let text = format!("{MARK}\n{text}");
    let comments = pull_request.comments().await?;
    match comments.iter().find(|it| it.body.starts_with(MARK)) {
        Some(ours) if ours.body.trim_end() == text.trim_end() => Ok(()),
        Some(ours) => pull_request.replace(ours.id, &text).await,
        None => pull_request.write(&text).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::forgejo::stand_in::forge;

    fn at(api: String) -> PullRequest {
        let forge = Forge {
            api,
            repository: "me/fleet".to_owned(),
            token: "t0ken".to_owned(),
        };
        PullRequest { forge, number: 7 }
    }

    #[tokio::test]
    async fn there_is_one_comment_and_it_is_kept_up_to_date() {
        let (api, forge) = forge(vec![
            r#"200 [{"id": 1, "body": "nice"}]"#,
            "201 {}",
            r#"200 [{"id": 1, "body": "nice"}, {"id": 9, "body": "<!-- slipway: what changes -->\nold"}]"#,
            "200 {}",
            r#"200 [{"id": 9, "body": "<!-- slipway: what changes -->\nnew\n"}]"#,
        ]);
        let pull_request = at(api);
        tell(&pull_request, "old\n").await.unwrap();
        tell(&pull_request, "new\n").await.unwrap();
        tell(&pull_request, "new\n").await.unwrap();
        insta::assert_snapshot!(forge.join().unwrap().join("\n"), @r#"
        GET /api/v1/repos/me/fleet/issues/7/comments HTTP/1.1 (token t0ken)
        POST /api/v1/repos/me/fleet/issues/7/comments HTTP/1.1 (token t0ken) {"body":"<!-- slipway: what changes -->\nold\n"}
        GET /api/v1/repos/me/fleet/issues/7/comments HTTP/1.1 (token t0ken)
        PATCH /api/v1/repos/me/fleet/issues/comments/9 HTTP/1.1 (token t0ken) {"body":"<!-- slipway: what changes -->\nnew\n"}
        GET /api/v1/repos/me/fleet/issues/7/comments HTTP/1.1 (token t0ken)
        "#);
    }

    #[tokio::test]
    async fn a_refusal_is_told_as_the_server_words_it() {
        let (api, forge) = forge(vec![r#"403 {"message":"token does not have the scope"}"#]);
        let error = tell(&at(api), "x").await.unwrap_err().to_string();
        forge.join().unwrap();
        assert!(
            error.contains("403") && error.contains("does not have the scope"),
            "{error}"
        );
        assert!(!error.contains("t0ken"), "{error}");
    }

    #[test]
    fn what_is_no_pull_request_is_posted_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let event = |text: &str| {
            let file = dir.path().join("event.json");
            std::fs::write(&file, text).unwrap();
            let file = file.display().to_string();
            move |name: &str| match name {
                "GITHUB_EVENT_PATH" => Some(file.clone()),
                "FORGEJO_TOKEN" => Some(String::new()),
                _ => Some("x".to_owned()),
            }
        };
        assert_eq!(
            find(event(r#"{"ref": "refs/heads/main"}"#)).unwrap_err(),
            "this is no pull request"
        );
        assert_eq!(
            find(event(r#"{"number": 7, "pull_request": {"number": 7}}"#)).unwrap_err(),
            "FORGEJO_TOKEN is not set"
        );
        assert_eq!(find(|_| None).unwrap_err(), "GITHUB_EVENT_PATH is not set");
    }
}

//! Which pull request a job is about, and the one comment on it that is ours.

use anyhow::Result;
use serde::Deserialize;

use crate::tools::forgejo::PullRequest;

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
/// `environment` has `GITHUB_EVENT_PATH`, `GITHUB_API_URL`, `GITHUB_REPOSITORY`, and `FORGEJO_TOKEN`, which may write
/// comments. Jobs of pull requests from forks have no secrets, and that is no failure.
pub fn find(environment: impl Fn(&str) -> Option<String>) -> Result<PullRequest, String> {
    let wanted = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("{name} is not set"))
    };
    let file = wanted("GITHUB_EVENT_PATH")?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let event: Event = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let number = event.pull_request.map(|it| it.number).or(event.number);
    Ok(PullRequest {
        number: number.ok_or("this is no pull request")?,
        api: wanted("GITHUB_API_URL")?,
        repository: wanted("GITHUB_REPOSITORY")?,
        token: wanted("FORGEJO_TOKEN")?,
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
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Stands in for the forge: answers each request in turn, and comes back with what was asked.
    fn forge(answers: Vec<&'static str>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(&stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    reader.read_line(&mut head).unwrap();
                }
                let header = |name: &str| {
                    let line = head.lines().find(|line| line.starts_with(name));
                    line.map(|line| line[name.len()..].to_owned())
                };
                let length = header("Content-Length: ").map_or(0, |it| it.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let first = head.lines().next().unwrap();
                let who = header("Authorization: ").unwrap();
                let body = String::from_utf8(body).unwrap();
                asked.push(format!("{first} ({who}) {body}").trim_end().to_owned());
                let (status, body) = answer.split_once(' ').unwrap();
                let length = body.len();
                write!(&stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
            }
            asked
        });
        (api, thread)
    }

    fn at(api: String) -> PullRequest {
        PullRequest {
            api,
            repository: "me/fleet".to_owned(),
            number: 7,
            token: "t0ken".to_owned(),
        }
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

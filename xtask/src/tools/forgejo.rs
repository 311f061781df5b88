//! Forgejo's HTTP interface: comments of a pull request, with curl.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process::Command;

/// Where a pull request is, and who speaks there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// `https://git.example.org/api/v1`
    pub api: String,
    /// `owner/name`
    pub repository: String,
    pub number: u64,
    pub token: String,
}

#[derive(Debug, Deserialize)]
pub struct Comment {
    pub id: u64,
    #[serde(default)]
    pub body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    body: &'a str,
}

impl PullRequest {
    /// All its comments.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn comments(&self) -> Result<Vec<Comment>> {
        let path = format!("issues/{}/comments", self.number);
        let answer = self.ask("GET", &path, None).await?;
        serde_json::from_slice(&answer).context("cannot read the comments that the forge has")
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn write(&self, text: &str) -> Result<()> {
        let path = format!("issues/{}/comments", self.number);
        self.ask("POST", &path, Some(text)).await.map(drop)
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn replace(&self, comment: u64, text: &str) -> Result<()> {
        let path = format!("issues/comments/{comment}");
        self.ask("PATCH", &path, Some(text)).await.map(drop)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Vec<u8>> {
        let url = format!("{}/repos/{}/{path}", self.api, self.repository);
        // What stands on a command line is seen by everybody: the token comes on stdin.
        let mut config = format!("header = \"Authorization: token {}\"\n", self.token);
        let mut file = tempfile::NamedTempFile::new().context("cannot write a temporary file")?;
        if let Some(body) = body {
            file.write_all(serde_json::to_string(&Body { body })?.as_bytes())?;
            config.push_str("header = \"Content-Type: application/json\"\n");
            config.push_str(&format!("data-binary = \"@{}\"\n", file.path().display()));
        }
        let output = Command::new("curl")
            .args([
                "--fail-with-body",
                "--silent",
                "--show-error",
                "--max-time",
                "30",
            ])
            .args(["--config", "-", "--request", method, "--url", &url])
            .stdin(config)
            .timeout(Duration::from_secs(40))
            .capture()
            .await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let answer = output.text();
        let answer = if answer.is_empty() {
            String::new()
        } else {
            format!(": {answer}")
        };
        anyhow::bail!("{method} {url}: {}{answer}", output.last_lines(1))
    }
}

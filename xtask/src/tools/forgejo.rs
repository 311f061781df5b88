//! Forgejo's HTTP interface: comments of a pull request, and pull requests themselves, with curl.

mod pulls;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::job_secrets::FORGE_TOKEN;
use crate::process::Command;

#[cfg(test)]
#[path = "../../tests/forge/mod.rs"]
pub mod stand_in;

/// A repository on a forge, and who speaks there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forge {
    /// `https://git.example.org/api/v1`
    pub api: String,
    /// `owner/name`
    pub repository: String,
    pub token: String,
}

/// Where a pull request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub forge: Forge,
    pub number: u64,
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
        let answer = self.forge.get(&path).await?;
        serde_json::from_slice(&answer).context("cannot read the comments that the forge has")
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn write(&self, text: &str) -> Result<()> {
        let path = format!("issues/{}/comments", self.number);
        let body = Body { body: text };
        self.forge.send("POST", &path, &body).await.map(drop)
    }

    /// # Errors
    /// If the server does not answer, or refuses.
    pub async fn replace(&self, comment: u64, text: &str) -> Result<()> {
        let path = format!("issues/comments/{comment}");
        let body = Body { body: text };
        self.forge.send("PATCH", &path, &body).await.map(drop)
    }
}

/// What the server said.
enum Answer {
    Good(Vec<u8>),
    Refused {
        /// There is no such thing.
        absent: bool,
        why: String,
    },
}

impl Forge {
    /// What a job is told of its forge; else what is missing. `environment` has `GITHUB_API_URL`, `GITHUB_REPOSITORY`, and
    /// `FORGEJO_TOKEN`.
    pub fn find(environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let wanted = |name: &str| {
            environment(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("{name} is not set"))
        };
        Ok(Self {
            api: wanted("GITHUB_API_URL")?,
            repository: wanted("GITHUB_REPOSITORY")?,
            token: wanted(FORGE_TOKEN)?,
        })
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.ask("GET", path, None).await?.good()
    }

    async fn send(&self, method: &str, path: &str, body: &impl Serialize) -> Result<Vec<u8>> {
        let body = serde_json::to_string(body)?;
        self.ask(method, path, Some(&body)).await?.good()
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let url = format!("{}/repos/{}/{path}", self.api, self.repository);
        // What stands on a command line is seen by everybody: the token comes on stdin.
        let mut config = format!("header = \"Authorization: token {}\"\n", self.token);
        let mut file = tempfile::NamedTempFile::new().context("cannot write a temporary file")?;
        if let Some(body) = body {
            file.write_all(body.as_bytes())?;
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
            return Ok(Answer::Good(output.stdout));
        }
        let answer = output.text();
        let answer = if answer.is_empty() {
            String::new()
        } else {
            format!(": {answer}")
        };
        let said = output.last_lines(1);
        Ok(Answer::Refused {
            absent: said.ends_with("error: 404"),
            why: format!("{method} {url}: {said}{answer}"),
        })
    }
}

impl Answer {
    fn good(self) -> Result<Vec<u8>> {
        match self {
            Self::Good(bytes) => Ok(bytes),
            Self::Refused { why, .. } => anyhow::bail!(why),
        }
    }
}

//! Whether the servers that hold a flake's inputs answer, asked by Nix itself and remembered for a while.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::digest::Digest;
use crate::cache_dir::CacheDir;
use crate::fleet::lock::{Input, Reference};
use crate::tools::nix::Nix;

/// How long an answer about the network is believed.
const BELIEVED: Duration = Duration::from_secs(5 * 60);

/// What an earlier answer about the network counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Believed,
    /// Somebody insists: the network may have come back since.
    Ignored,
}

/// Why the first of the hosts that would be asked for these inputs does not answer; none if all answer. The answer is
/// kept for some minutes.
pub async fn unreachable(
    nix: &Nix,
    inputs: &[&Input],
    cache: &CacheDir,
    memory: Memory,
) -> Result<Option<String>> {
    let mut servers = BTreeSet::new();
    for input in inputs {
        if input.source.kind == "path" {
            let path = input.source.path.as_deref().unwrap_or_default();
            return Ok(Some(format!("{path} does not exist")));
        }
        servers.extend(input.source.server());
    }
    let mut questions = tokio::task::JoinSet::new();
    for server in servers {
        let (nix, cache) = (nix.clone(), cache.clone());
        questions.spawn(async move {
            let mut name = Digest::default();
            name.field(&server);
            let file = cache.evaluations().join(format!("reach-{}", name.name()));
            if memory == Memory::Believed {
                if let Some(known) = remembered(&file) {
                    return Ok(known);
                }
            }
            let reason = nix.cannot_reach(&server).await?;
            // Only to ask less often: a cache that cannot be written to is told of where it matters.
            let _ = remember(&file, reason.as_deref());
            anyhow::Ok(reason)
        });
    }
    let mut found = None;
    while let Some(answer) = questions.join_next().await {
        found = found.or(answer??);
    }
    Ok(found)
}

/// An earlier answer that is not too old: an empty file is a server that answered.
fn remembered(file: &Path) -> Option<Option<String>> {
    let age = SystemTime::now()
        .duration_since(std::fs::metadata(file).ok()?.modified().ok()?)
        .ok()?;
    let text = std::fs::read_to_string(file).ok()?;
    (age < BELIEVED).then(|| (!text.is_empty()).then_some(text))
}

fn remember(file: &Path, reason: Option<&str>) -> Result<()> {
    let dir = file.parent().unwrap_or(file);
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(file, reason.unwrap_or_default()))
        .with_context(|| format!("cannot write {}", file.display()))
}

impl Reference {
    /// The web server that would be asked for it; none if that cannot be asked beforehand, as over ssh.
    fn server(&self) -> Option<String> {
        let public = match self.kind.as_str() {
            "github" => "github.com",
            "gitlab" => "gitlab.com",
            "sourcehut" => "git.sr.ht",
            "indirect" => "channels.nixos.org",
            _ => {
                let (scheme, rest) = self.url.as_deref()?.split_once("://")?;
                let host = rest.split('/').next()?;
                let web = scheme == "https" || scheme == "http";
                return web.then(|| format!("{scheme}://{host}"));
            }
        };
        let host = self.host.as_deref().unwrap_or(public);
        Some(format!("https://{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_follow_from_references() {
        let server = |text: &str| serde_json::from_str::<Reference>(text).unwrap().server();
        assert_eq!(
            server(r#"{"type":"github","owner":"a","repo":"b"}"#).unwrap(),
            "https://github.com"
        );
        assert_eq!(
            server(r#"{"type":"github","host":"git.corp","owner":"a","repo":"b"}"#).unwrap(),
            "https://git.corp"
        );
        assert_eq!(
            server(r#"{"type":"tarball","url":"https://x.org:8443/a.tar.gz"}"#).unwrap(),
            "https://x.org:8443"
        );
        assert_eq!(server(r#"{"type":"git","url":"ssh://git@x.org/a"}"#), None);
    }

    #[test]
    fn an_answer_is_believed_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/reach");
        assert_eq!(remembered(&file), None);
        remember(&file, Some("no route")).unwrap();
        assert_eq!(remembered(&file), Some(Some("no route".to_owned())));
        remember(&file, None).unwrap();
        assert_eq!(remembered(&file), Some(None));
        let old = SystemTime::now() - BELIEVED - Duration::from_secs(1);
        let handle = std::fs::File::options().write(true).open(&file).unwrap();
        handle.set_modified(old).unwrap();
        assert_eq!(remembered(&file), None);
    }
}

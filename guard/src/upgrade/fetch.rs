//! What comes over the network: bounded in bytes and time, by curl and by the host's own Nix.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Source;
use crate::process::{last_lines, Exit, Program};
use crate::release::WIRE_LIMIT;
use crate::store_path::StorePath;

/// Of one request. Slower than this, and the next look may find a better network.
const TIME: Duration = Duration::from_secs(60);
/// For curl's own end.
const SLACK: Duration = Duration::from_secs(5);
/// Hydra's build with all that it says of it.
const BUILD_LIMIT: u64 = 1024 * 1024;
/// What a node exporter with its systemd collector tells is some hundred KB.
const FIGURES_LIMIT: u64 = 8 * 1024 * 1024;
/// Of a whole closure, over a slow line: what has come is kept for the next time.
const CLOSURE: Duration = Duration::from_secs(3 * 3600);

/// The release, or Hydra's build, as it lies there.
pub(super) fn document(curl: &Path, source: &Source) -> Result<Vec<u8>> {
    match source {
        Source::Release { url } => get(curl, url, WIRE_LIMIT as u64, 0),
        // `latest-finished` leads to the build.
        Source::Hydra { url } => get(curl, url, BUILD_LIMIT, 1),
    }
}

pub(super) fn figures(curl: &Path, url: &str) -> Result<Vec<u8>> {
    get(curl, url, FIGURES_LIMIT, 0)
}

/// curl with nothing of anybody's settings. A redirection never leads from https to anything else.
fn arguments(url: &str, limit: u64, redirections: u32) -> Vec<String> {
    let followed = if url.starts_with("https:") {
        "=https"
    } else {
        "=http,https"
    };
    let words = [
        "--disable",
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--proto",
        "=http,https",
        "--proto-redir",
        followed,
        "--connect-timeout",
        "15",
        "--header",
        "Accept: application/json, text/plain",
    ];
    let numbers = [
        ("--max-redirs", redirections.to_string()),
        ("--max-time", TIME.as_secs().to_string()),
        ("--max-filesize", limit.to_string()),
        ("--url", url.to_owned()),
    ];
    let numbers = numbers
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value]);
    words
        .into_iter()
        .map(str::to_owned)
        .chain(numbers)
        .collect()
}

fn get(curl: &Path, url: &str, limit: u64, redirections: u32) -> Result<Vec<u8>> {
    let fetched = Program::new(curl)
        .args(arguments(url, limit, redirections))
        .env("HOME", "/var/empty")
        .within(TIME + SLACK)
        .at_most(limit)
        .capture()
        .with_context(|| format!("cannot fetch {url}"))?;
    match fetched.exit {
        Exit::Code(0) => Ok(fetched.stdout),
        exit => anyhow::bail!(
            "cannot fetch {url}: curl {exit}{}",
            last_lines(&fetched.stderr)
        ),
    }
}

/// From the host's own substituters, through its daemon, which takes only what is signed. The link keeps it.
pub(super) fn closure(nix_store: &Path, toplevel: &StorePath, root: &Path) -> Result<()> {
    Program::new(nix_store)
        .args(["--realise", toplevel.as_str(), "--indirect", "--add-root"])
        .args([root])
        .env("HOME", "/var/empty")
        .env("NIX_REMOTE", "daemon")
        .within(CLOSURE)
        .output()
        .map(drop)
        .with_context(|| format!("cannot fetch {}", toplevel.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_over_tls_stays_there() {
        let after = |url: &str, name: &str| {
            let words = arguments(url, 7, 1);
            let at = words.iter().position(|word| word == name).unwrap();
            words[at + 1].clone()
        };
        assert_eq!(after("https://hydra/job", "--proto-redir"), "=https");
        assert_eq!(after("http://hydra/job", "--proto-redir"), "=http,https");
        assert_eq!(after("http://hydra/job", "--max-filesize"), "7");
        // What looks like an option is none behind --url.
        assert_eq!(
            after("--output=/etc/passwd", "--url"),
            "--output=/etc/passwd"
        );
    }
}

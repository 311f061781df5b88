//! The signer's own configuration: which repository it releases, with which keys, and whose commits it takes. Nothing of
//! it comes from the commits that it judges.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::rules::{Merges, Pattern, Signer};
use crate::failure::Failure;

/// As it is used.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where commits are fetched from, as git takes it.
    pub repository: String,
    /// The signer's folder: its clone, its releases, what it released last.
    pub state: PathBuf,
    /// The ssh key that signs releases.
    pub release_key: PathBuf,
    /// The Nix key that signs closures.
    pub nix_key: PathBuf,
    /// The ssh key that fills the fleet's binary cache; none leaves it to ssh.
    pub cache_key: Option<PathBuf>,
    pub valid_for: Duration,
    /// What leads to this commit is trusted without a look.
    pub trusted: Option<String>,
    pub signers: Vec<Signer>,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    repository: String,
    state: PathBuf,
    release_key: PathBuf,
    nix_key: PathBuf,
    cache_key: Option<PathBuf>,
    #[serde(default = "a_week")]
    valid_for: String,
    trusted: Option<String>,
    #[serde(default)]
    signers: Vec<WrittenSigner>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenSigner {
    name: String,
    key: String,
    paths: Option<Vec<String>>,
    merges: Option<Merges>,
}

fn a_week() -> String {
    "7d".to_owned()
}

/// Where it is looked for if nobody says.
pub const USUAL_PLACE: &str = "/etc/slipway/signer.toml";

impl Config {
    /// # Errors
    /// Missing, if there is no such file; usage, if it is not as it has to be.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let failure = match error.kind() {
                std::io::ErrorKind::NotFound => Failure::missing(format!(
                    "this machine is no signer: there is no {}",
                    file.display()
                )),
                _ => Failure::failed(format!("cannot read {}: {error}", file.display())),
            };
            failure.try_next("--config FILE, or docs/runbook.md, which says how to make one")
        })?;
        Self::parse(&text).map_err(|why| Failure::usage(format!("{}: {why}", file.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written =
            toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        for (name, path) in [
            ("state", &written.state),
            ("release-key", &written.release_key),
            ("nix-key", &written.nix_key),
        ]
        .into_iter()
        .chain(written.cache_key.iter().map(|path| ("cache-key", path)))
        {
            if !path.is_absolute() {
                return Err(format!("{name} is no absolute path: {}", path.display()));
            }
        }
        if written.signers.is_empty() {
            return Err("no signers: every commit would be refused".to_owned());
        }
        let mut signers: Vec<Signer> = Vec::new();
        for it in written.signers {
            let name = it.name.clone();
            let signer = signer(it).map_err(|why| format!("signer `{name}`: {why}"))?;
            if let Some(other) = signers
                .iter()
                .find(|other| other.name == signer.name || other.key == signer.key)
            {
                return Err(format!(
                    "signer `{name}` has the name or the key of `{}`",
                    other.name
                ));
            }
            signers.push(signer);
        }
        Ok(Self {
            valid_for: crate::report::words::time_span(&written.valid_for)
                .filter(|time| (3600..=90 * 24 * 3600).contains(&time.as_secs()))
                .ok_or("valid-for is a time from 1h to 90d")?,
            repository: written.repository,
            state: written.state,
            release_key: written.release_key,
            nix_key: written.nix_key,
            cache_key: written.cache_key,
            trusted: written.trusted,
            signers,
        })
    }

    /// The file that `ssh-keygen` and git take the signers from.
    pub fn allowed_signers(&self) -> String {
        self.signers
            .iter()
            .map(|signer| format!("{} namespaces=\"git\" {}\n", signer.name, signer.key))
            .collect()
    }
}

fn signer(written: WrittenSigner) -> Result<Signer, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if written.name.is_empty() || !written.name.chars().all(plain) {
        return Err("a name is made of letters, digits and -_.@".to_owned());
    }
    // Only the type and the key itself: a comment, or a second line, is no part of it.
    let words: Vec<&str> = written.key.split_whitespace().collect();
    let key = match words[..] {
        [kind, key, ..]
            if (kind.starts_with("ssh-")
                || kind.starts_with("sk-")
                || kind.starts_with("ecdsa-"))
                && !written.key.trim().contains('\n') =>
        {
            format!("{kind} {key}")
        }
        _ => return Err("its key is no public ssh key: `ssh-ed25519 AAAA…`".to_owned()),
    };
    let patterns = match written.paths {
        Some(paths) if paths.is_empty() => return Err("it may touch no path at all".to_owned()),
        Some(paths) => Some(
            paths
                .iter()
                .map(|path| Pattern::parse(path))
                .collect::<Result<_, _>>()?,
        ),
        None => None,
    };
    let merges = written.merges.unwrap_or(match patterns {
        None => Merges::Any,
        Some(_) => Merges::None,
    });
    if patterns.is_some() && merges == Merges::Any {
        return Err(
            "a merge can touch every path: merges is \"none\" or \"clean\" where paths are given"
                .to_owned(),
        );
    }
    Ok(Signer {
        name: written.name,
        key,
        paths: patterns,
        merges,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
repository = "https://git.example.org/fleet.git"
state = "/var/lib/slipway-signer"
release-key = "/var/lib/slipway-signer/release"
nix-key = "/var/lib/slipway-signer/nix.sec"

[[signers]]
name = "ann"
key = "ssh-ed25519 AAAAann ann@laptop"

[[signers]]
name = "bot"
key = "ssh-ed25519 AAAAbot"
paths = ["flake.lock"]
"#;

    #[test]
    fn a_configuration_is_read() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!(config.valid_for, Duration::from_secs(7 * 24 * 3600));
        assert_eq!(
            config.allowed_signers(),
            "ann namespaces=\"git\" ssh-ed25519 AAAAann\nbot namespaces=\"git\" ssh-ed25519 AAAAbot\n"
        );
        assert_eq!(config.signers[0].merges, Merges::Any);
        assert_eq!(config.signers[1].merges, Merges::None);
    }

    #[test]
    fn what_would_be_too_much_or_nothing_is_refused() {
        let refused: Vec<String> = [
            ("state = \"/var/lib/slipway-signer\"", "state = \"here\""),
            ("[[signers]]", "cache-key = \"here\"\n[[signers]]"),
            ("name = \"bot\"", "name = \"ann\""),
            ("AAAAbot", "AAAAann"),
            ("name = \"bot\"", "name = \"a b\""),
            ("key = \"ssh-ed25519 AAAAbot\"", "key = \"AAAAbot\""),
            (
                "key = \"ssh-ed25519 AAAAbot\"",
                "key = \"ssh-ed25519 AAAAbot\\nann ssh-ed25519 AAAAother\"",
            ),
            ("paths = [\"flake.lock\"]", "paths = []"),
            ("paths = [\"flake.lock\"]", "paths = [\"../x\"]"),
            (
                "paths = [\"flake.lock\"]",
                "paths = [\"flake.lock\"]\nmerges = \"any\"",
            ),
            ("paths = [\"flake.lock\"]", "path = [\"flake.lock\"]"),
            ("[[signers]]", "valid-for = \"1y\"\n[[signers]]"),
        ]
        .iter()
        .map(|(from, to)| {
            assert!(GOOD.contains(from), "{from}");
            let error = Config::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            format!("{to}\n  {}", error.replace('\n', "\n  "))
        })
        .collect();
        insta::assert_snapshot!(refused.join("\n"));
        let none = GOOD.split("[[signers]]").next().unwrap();
        assert!(Config::parse(none).unwrap_err().contains("no signers"));
    }
}

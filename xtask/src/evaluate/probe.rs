//! Which stage a fleet can be evaluated in here: whether its locked inputs are in the store or can be fetched.
//! Costs no download, and under three seconds where nothing answers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use crate::cache_dir::CacheDir;
use crate::cli::StageChoice;
use crate::failure::Failure;
use crate::fleet::lock::{Input, Inputs, Reference};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::tools::nix::Nix;

/// How long an answer about the network is believed.
const BELIEVED: Duration = Duration::from_secs(5 * 60);

/// A stage, and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub stage: Stage,
    pub why: String,
}

/// Takes the stage that was asked for, or finds the one that is possible.
///
/// # Errors
/// Missing, if inputs that the stage needs are neither in the store nor to be fetched.
pub async fn decide(
    nix: &Nix,
    choice: StageChoice,
    inputs: &Inputs,
    cache: &CacheDir,
) -> Result<Decision> {
    let all: Vec<&Input> = inputs.all().collect();
    let missing = missing(nix, &all).await?;
    let (stage, why) = match choice {
        StageChoice::Rehearsal => (Stage::Rehearsal, "asked for".to_owned()),
        StageChoice::Nixos | StageChoice::Auto if missing.is_empty() => {
            let why = if all.is_empty() {
                "the flake has no inputs"
            } else {
                "every locked input is in the store"
            };
            (Stage::Nixos, why.to_owned())
        }
        StageChoice::Nixos | StageChoice::Auto => {
            let fresh = choice == StageChoice::Nixos;
            match unreachable(nix, &missing, cache, fresh).await? {
                None => (Stage::Nixos, format!("{} can be fetched", names(&missing))),
                Some(reason) if choice == StageChoice::Auto && !inputs.replaceable.is_empty() => (
                    Stage::Rehearsal,
                    format!("{} and cannot be fetched: {reason}", not_in_store(&missing)),
                ),
                Some(reason) => return Err(cannot_be_had(&missing, &reason, inputs)),
            }
        }
    };
    if stage == Stage::Rehearsal {
        let others: BTreeSet<&str> = inputs
            .others
            .iter()
            .map(|input| input.path.as_str())
            .collect();
        let needed: Vec<&Input> = missing
            .into_iter()
            .filter(|input| others.contains(input.path.as_str()))
            .collect();
        if !needed.is_empty() {
            if let Some(reason) = unreachable(nix, &needed, cache, false).await? {
                return Err(cannot_be_had(&needed, &reason, inputs));
            }
        }
    }
    Ok(Decision { stage, why })
}

fn cannot_be_had(missing: &[&Input], reason: &str, inputs: &Inputs) -> anyhow::Error {
    let failure = Failure::missing(format!(
        "{} and cannot be fetched: {reason}",
        not_in_store(missing)
    ));
    let rehearsal_helps = missing
        .iter()
        .all(|missing| !inputs.others.contains(missing));
    if rehearsal_helps {
        failure.try_next("--stage rehearsal")
    } else {
        failure.try_next(
            "a network, or `nix flake archive` where there is one and `nix copy` from there",
        )
    }
    .into()
}

fn not_in_store(missing: &[&Input]) -> String {
    let names = names(missing);
    let several = names.contains(" and ");
    format!(
        "{names} {} not in the store",
        if several { "are" } else { "is" }
    )
}

/// The ones nearest to the fleet; what these need in turn is not what a person asks about.
fn names(inputs: &[&Input]) -> String {
    const SHOWN: usize = 3;
    let depth = |input: &Input| input.path.matches('/').count();
    let nearest = inputs.iter().map(|input| depth(input)).min();
    let mut own: Vec<&str> = inputs
        .iter()
        .filter(|input| Some(depth(input)) == nearest)
        .map(|input| input.path.as_str())
        .collect();
    // Alphabetical otherwise, but it is nixpkgs that people ask about.
    own.sort_by_key(|name| !name.ends_with("nixpkgs"));
    match own.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] if own.len() <= SHOWN => format!("{} and {last}", most.join(", ")),
        many => {
            let more = many.len() - SHOWN;
            format!("{} and {more} more", many[..SHOWN].join(", "))
        }
    }
}

/// The inputs whose source is not in the store.
async fn missing<'a>(nix: &Nix, inputs: &[&'a Input]) -> Result<Vec<&'a Input>> {
    let mut missing = Vec::new();
    let mut present = Vec::new();
    for input in inputs {
        if input.source.is_inside_parent() {
            continue;
        }
        let path = input.source.nar_hash.as_deref().and_then(source_path);
        match path.filter(|path| path.as_path().exists()) {
            Some(path) => present.push((*input, path)),
            None if input.source.is_on_this_machine() => (),
            None => missing.push(*input),
        }
    }
    // A path that an interrupted fetch left behind is there without being valid.
    let paths: BTreeSet<&StorePath> = present.iter().map(|(_, path)| path).collect();
    let paths: Vec<&StorePath> = paths.into_iter().collect();
    let valid = nix.valid(&paths).await?;
    let broken = present.iter().filter(|(_, path)| !valid.contains(path));
    missing.extend(broken.map(|(input, _)| *input));
    Ok(missing)
}

/// The path of a fetched source: Nix derives it from the hash of its content alone.
fn source_path(nar_hash: &str) -> Option<StorePath> {
    let hash = base64(nar_hash.strip_prefix("sha256-")?)?;
    let inner = super::digest::hex(&hash);
    let full = Sha256::digest(format!("source:sha256:{inner}:/nix/store:source"));
    let mut folded = [0u8; 20];
    for (at, byte) in full.iter().enumerate() {
        folded[at % 20] ^= byte;
    }
    StorePath::parse(&format!("{}-source", base32(&folded))).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0u32);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// Nix' own base 32: digits and most consonants, the last bits first.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let length = (bytes.len() * 8).div_ceil(5);
    (0..length)
        .rev()
        .map(|n| {
            let (byte, shift) = (n * 5 / 8, n * 5 % 8);
            let low = u16::from(bytes[byte]) >> shift;
            let high = bytes
                .get(byte + 1)
                .map_or(0, |next| u16::from(*next) << (8 - shift));
            char::from(DIGITS[usize::from((low | high) & 31)])
        })
        .collect()
}

/// Why the first of the hosts that would be asked for these inputs does not answer; none if all answer. The answer is
/// kept for some minutes, unless a fresh one is wanted.
async fn unreachable(
    nix: &Nix,
    inputs: &[&Input],
    cache: &CacheDir,
    fresh: bool,
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
            if !fresh {
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
    /// A folder of the flake that has this input.
    fn is_inside_parent(&self) -> bool {
        self.kind == "path"
            && self
                .path
                .as_deref()
                .is_some_and(|path| !path.starts_with('/'))
    }

    fn is_on_this_machine(&self) -> bool {
        let path = match self.kind.as_str() {
            "path" => self.path.as_deref(),
            _ => self
                .url
                .as_deref()
                .and_then(|url| url.strip_prefix("file://")),
        };
        path.is_some_and(|path| Path::new(path).exists())
    }

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
    fn a_sources_path_follows_from_its_hash() {
        // As Nix 2.26 and 2.34 computed it for a flake on this machine.
        let path = source_path("sha256-DgCCiqi5+URnG8i1Feb403giegv4Z+u0aViT/RJkNkM=").unwrap();
        assert_eq!(
            path.as_str(),
            "/nix/store/z2j6gkx4bnwpls6gchxp6iv0mhbq2hhd-source"
        );
        assert_eq!(source_path("sha1-x"), None);
        assert_eq!(source_path("sha256-!"), None);
    }

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
    fn many_inputs_are_named_in_short() {
        let input = |path: &str| Input {
            path: path.to_owned(),
            source: Reference::default(),
        };
        let all = [
            "deploy-rs/utils",
            "nixpkgs",
            "deploy-rs",
            "sops-nix",
            "a/b/c",
        ]
        .map(input);
        let all: Vec<&Input> = all.iter().collect();
        assert_eq!(names(&all), "nixpkgs, deploy-rs and sops-nix");
        assert_eq!(not_in_store(&all[1..2]), "nixpkgs is not in the store");
        assert_eq!(
            not_in_store(&[all[0], all[4]]),
            "deploy-rs/utils is not in the store"
        );
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

//! What `nix path-info --json` prints: a list until Nix 2.18, an object by path since, with hashes as text or as objects.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ed25519_compact::Signature;
use serde::Deserialize;

use super::encoding::{base64, sha256, Key};
use crate::store_path::StorePath;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathInfo {
    pub path: StorePath,
    pub content_addressed: bool,
    /// What a signature of this path signs.
    fingerprint: String,
    /// `name:base64`.
    signatures: Vec<String>,
}

impl PathInfo {
    pub fn is_signed_by(&self, keys: &[Key]) -> bool {
        self.signatures.iter().any(|text| {
            let Some((name, signature)) = text.split_once(':') else {
                return false;
            };
            let signature = base64(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
            let Some(signature) = signature else {
                return false;
            };
            keys.iter().filter(|key| key.name == name).any(|key| {
                key.key
                    .verify(self.fingerprint.as_bytes(), &signature)
                    .is_ok()
            })
        })
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Printed {
    List(Vec<Item>),
    Wrapped {
        info: BTreeMap<String, Option<Item>>,
    },
    ByPath(BTreeMap<String, Option<Item>>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    path: Option<String>,
    /// A list has the paths that are not there, too.
    valid: Option<bool>,
    #[serde(default)]
    ca: Option<serde::de::IgnoredAny>,
    nar_hash: Option<Hash>,
    nar_size: Option<u64>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    signatures: Vec<PrintedSignature>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hash {
    Text(String),
    Parts { algorithm: String, hash: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PrintedSignature {
    Text(String),
    #[serde(rename_all = "camelCase")]
    Parts {
        key_name: String,
        sig: String,
    },
}

/// # Errors
/// If it is none of the known forms, or a path of the closure is not in the store.
pub fn parse(json: &[u8]) -> Result<Vec<PathInfo>> {
    let printed = serde_json::from_slice(json).context("cannot read what nix path-info prints")?;
    let items: Vec<(Option<String>, Option<Item>)> = match printed {
        Printed::List(items) => items.into_iter().map(|item| (None, Some(item))).collect(),
        Printed::Wrapped { info } | Printed::ByPath(info) => info
            .into_iter()
            .map(|(path, item)| (Some(path), item))
            .collect(),
    };
    items
        .into_iter()
        .map(|(path, item)| {
            let item = item.filter(|item| item.valid != Some(false));
            let path = path.or_else(|| item.as_ref().and_then(|item| item.path.clone()));
            let path = path.context("a path has no name")?;
            let item = item.with_context(|| format!("{path} is not in the store"))?;
            info(&path, item).with_context(|| format!("cannot understand what Nix says of {path}"))
        })
        .collect()
}

/// Newer Nix leaves the store's folder out.
fn store_path(text: &str) -> Result<StorePath> {
    let whole = if text.starts_with('/') {
        text.to_owned()
    } else {
        format!("/nix/store/{text}")
    };
    Ok(whole.parse()?)
}

fn info(path: &str, item: Item) -> Result<PathInfo> {
    let path = store_path(path)?;
    let hash = match item.nar_hash.context("no hash")? {
        Hash::Text(text) => text,
        Hash::Parts { algorithm, hash } if hash.starts_with(&algorithm) => hash,
        Hash::Parts { algorithm, hash } => format!("{algorithm}:{hash}"),
    };
    let hash = sha256(&hash).context("no SHA-256")?;
    let size = item.nar_size.context("no size")?;
    let mut references = item
        .references
        .iter()
        .map(|reference| store_path(reference))
        .collect::<Result<Vec<_>>>()?;
    references.sort();
    references.dedup();
    let references: Vec<&str> = references.iter().map(StorePath::as_str).collect();
    let signatures = item
        .signatures
        .into_iter()
        .map(|signature| match signature {
            PrintedSignature::Text(text) => text,
            PrintedSignature::Parts { key_name, sig } => format!("{key_name}:{sig}"),
        });
    Ok(PathInfo {
        fingerprint: format!("1;{path};{hash};{size};{}", references.join(",")),
        content_addressed: item.ca.is_some(),
        signatures: signatures.collect(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::super::encoding::public_keys;
    use super::*;
    use proptest::prelude::*;

    const PATH: &str = "/nix/store/0z9wcv93z7bc9zqh1f5wwplw6rq7k925-hello";
    const SIGNATURE: &str = "test-1:NDM9K0WjpztUW5ESVeoLEFJRrY1GGV9P1xofpBCa4zsT+RrHgR25u5MnQdPk1RpdNnZyH0CdkcQQhnlmIWV+DQ==";
    const KEY: &str = "test-1:1jFuSU+4KxOlMxHMjJdHSbk9nvzGCzHlvMz6fTUX/nE=";

    /// Recorded from Nix 2.26.3.
    fn by_path() -> String {
        format!(
            r#"{{"{PATH}":{{"ca":"fixed:r:sha256:04946xvw2ppgs144lqmc65kv3xqqfzjk37gdw4ca6afc7wnimz5w","deriver":null,
            "narHash":"sha256-vPwaLT/MKaMY4e2dMeV3GPexZzGsYkpI0O9ewXc3JBE=","narSize":152,"references":[],
            "registrationTime":1795274298,"signatures":["{SIGNATURE}"],"ultimate":false}}}}"#
        )
    }

    /// As Nix 2.18 and older have it.
    fn list() -> String {
        format!(
            r#"[{{"path":"{PATH}","valid":true,"ca":"fixed:r:sha256:04946xvw2ppgs144lqmc65kv3xqqfzjk37gdw4ca6afc7wnimz5w",
            "narHash":"sha256:04946xvw2ppgs144lqmc65kv3xqqfzjk37gdw4ca6afc7wnimz5w","narSize":152,"references":[],
            "signatures":["{SIGNATURE}"]}}]"#
        )
    }

    /// As newer ones have it.
    fn wrapped() -> String {
        format!(
            r#"{{"version":2,"storeDir":"/nix/store","info":{{"0z9wcv93z7bc9zqh1f5wwplw6rq7k925-hello":{{
            "ca":{{"method":"nar","hash":{{"algorithm":"sha256","format":"base64","hash":"x"}}}},
            "narHash":{{"algorithm":"sha256","format":"base64","hash":"vPwaLT/MKaMY4e2dMeV3GPexZzGsYkpI0O9ewXc3JBE="}},
            "narSize":152,"references":[],"signatures":["{SIGNATURE}"]}}}}}}"#
        )
    }

    #[test]
    fn every_form_says_the_same_and_the_signature_holds() {
        let keys = public_keys(&[KEY.to_owned()]).unwrap();
        let expected = parse(by_path().as_bytes()).unwrap();
        for form in [by_path(), list(), wrapped()] {
            let infos = parse(form.as_bytes()).unwrap();
            assert_eq!(infos, expected, "{form}");
            assert!(infos[0].content_addressed && infos[0].is_signed_by(&keys));
        }
    }

    #[test]
    fn a_signature_of_something_else_does_not_hold() {
        let keys = public_keys(&[KEY.to_owned()]).unwrap();
        let renamed = public_keys(&[KEY.replace("test-1", "test-2")]).unwrap();
        for (from, to) in [
            ("\"narSize\":152", "\"narSize\":153"),
            ("-hello", "-hallo"),
            ("vPwaLT", "vPwaLS"),
            ("NDM9K0", "NDM9K1"),
            (SIGNATURE, ""),
            (SIGNATURE, "test-1"),
            (SIGNATURE, "test-1:AAAA"),
        ] {
            let infos = parse(by_path().replacen(from, to, 1).as_bytes()).unwrap();
            assert!(!infos[0].is_signed_by(&keys), "{to}");
        }
        let infos = parse(by_path().as_bytes()).unwrap();
        assert!(!infos[0].is_signed_by(&renamed));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for bad in [
            format!("{{\"{PATH}\":null}}"),
            format!(r#"[{{"path":"{PATH}","valid":false}}]"#),
            by_path().replace("narHash", "hash"),
            by_path().replace("/nix/store/", "/tmp/"),
            "{".to_owned(),
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(at in 0..400usize, byte in any::<u8>()) {
            let mut bytes = by_path().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}

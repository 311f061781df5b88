//! `nix path-info --json`: a map from paths in 2.26, with `--json-format 2` a map from base names under `info`, and a
//! list in versions before 2.19.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::fleet::store_path::StorePath;

/// What the store knows of a valid path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathInfo {
    /// Bytes of the path and all that it refers to; there if it was asked for.
    #[serde(default)]
    pub closure_size: Option<u64>,
    /// Bytes of the path itself.
    #[serde(default)]
    pub nar_size: Option<u64>,
    /// As paths, or as their base names.
    #[serde(default)]
    pub references: Vec<String>,
}

impl PathInfo {
    /// What the path refers to; itself may be among it.
    ///
    /// # Errors
    /// If that is no store path.
    pub fn references(&self) -> Result<Vec<StorePath>> {
        self.references
            .iter()
            .map(|it| StorePath::parse(it))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Listed(Vec<Listed>),
    Wrapped {
        info: BTreeMap<String, Option<PathInfo>>,
    },
    Mapped(BTreeMap<String, Option<PathInfo>>),
}

#[derive(Deserialize)]
struct Listed {
    path: String,
    #[serde(default = "yes")]
    valid: bool,
    #[serde(flatten)]
    info: PathInfo,
}

fn yes() -> bool {
    true
}

/// The paths that are valid; one that is not has no entry.
///
/// # Errors
/// If this is no answer of any known version.
pub fn parse(json: &[u8]) -> Result<BTreeMap<StorePath, PathInfo>> {
    let document = serde_json::from_slice(json).context("cannot read `nix path-info --json`")?;
    let entries: Vec<(String, Option<PathInfo>)> = match document {
        Document::Listed(list) => list
            .into_iter()
            .map(|entry| (entry.path, entry.valid.then_some(entry.info)))
            .collect(),
        Document::Wrapped { info } | Document::Mapped(info) => info.into_iter().collect(),
    };
    entries
        .into_iter()
        .filter_map(|(path, info)| Some((path, info?)))
        .map(|(path, info)| Ok((StorePath::parse(&path)?, info)))
        .collect()
}

/// Of what is known, a path and all that it refers to.
///
/// # Errors
/// If one of them is not known, or refers to what is no store path.
pub fn closure(
    known: &BTreeMap<StorePath, PathInfo>,
    top: &StorePath,
) -> Result<BTreeMap<StorePath, PathInfo>> {
    let mut closure = BTreeMap::new();
    let mut next = vec![top.clone()];
    while let Some(path) = next.pop() {
        if closure.contains_key(&path) {
            continue;
        }
        let info = known
            .get(&path)
            .with_context(|| format!("Nix did not say what {path} refers to"))?;
        next.extend(info.references()?);
        closure.insert(path, info.clone());
    }
    Ok(closure)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: &str = "z1kgg0rv7f2b3i9vkdlab6ldyxpilhi3-host-a";
    const GONE: &str = "4m37xbvkw2yk3narrm8y6cczx5f7kgx7-host-b";

    fn check(json: &str) {
        let infos = parse(json.as_bytes()).unwrap();
        let there = &infos[&StorePath::parse(THERE).unwrap()];
        assert_eq!(there.closure_size, Some(120), "{json}");
        assert_eq!(infos.len(), 1, "{json}");
    }

    #[test]
    fn every_versions_answer_reads_the_same() {
        let fields = r#""closureSize":120,"narSize":120,"references":[],"ultimate":true"#;
        check(&format!(
            r#"{{"/nix/store/{GONE}":null,"/nix/store/{THERE}":{{"ca":null,{fields}}}}}"#
        ));
        check(&format!(
            r#"{{"/nix/store/{GONE}":null,"/nix/store/{THERE}":{{{fields},"storeDir":"/nix/store","version":1}}}}"#
        ));
        check(&format!(
            r#"{{"info":{{"{GONE}":null,"{THERE}":{{{fields},"version":2}}}},"storeDir":"/nix/store","version":2}}"#
        ));
        check(&format!(
            r#"[{{"path":"/nix/store/{GONE}","valid":false}},{{"path":"/nix/store/{THERE}",{fields}}}]"#
        ));
    }

    #[test]
    fn a_closure_is_what_is_reached_and_nothing_else() {
        let path = |letter: char| {
            let hash: String = std::iter::repeat_n(letter, 32).collect();
            StorePath::parse(&format!("/nix/store/{hash}-{letter}")).unwrap()
        };
        // b refers to itself; nothing that is asked for refers to d.
        let references = [('a', "bc"), ('b', "b"), ('c', "b"), ('d', "a")];
        let mut known: BTreeMap<StorePath, PathInfo> = references
            .map(|(letter, to)| {
                let references = to.chars().map(|it| path(it).to_string()).collect();
                let info = PathInfo {
                    closure_size: None,
                    nar_size: Some(1),
                    references,
                };
                (path(letter), info)
            })
            .into();
        let found = closure(&known, &path('a')).unwrap();
        assert_eq!(
            found.into_keys().collect::<Vec<_>>(),
            ['a', 'b', 'c'].map(path)
        );
        known.remove(&path('b'));
        let error = closure(&known, &path('a')).unwrap_err().to_string();
        assert!(error.contains("-b refers to"), "{error}");
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(parse(b"error: no").is_err());
    }
}

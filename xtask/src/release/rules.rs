//! Who may change what: a commit held against the signer's rules. Pure.

use serde::Deserialize;

use crate::tools::git::signed::{Change, Commit, Signature};

/// Somebody whose commits are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// As git calls whoever signed.
    pub name: String,
    /// Type and key, as in a `.pub` file.
    pub key: String,
    /// What the key may change; none: everything.
    pub paths: Option<Vec<Pattern>>,
    pub merges: Merges,
}

/// Which merges a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merges {
    None,
    /// Those that git makes by itself of two parents.
    Clean,
    Any,
}

/// Files of the repository: `flake.lock`, `hosts/*/default.nix`, `docs/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// # Errors
    /// If it could match no file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        let bad = |part: &String| ["", ".", ".."].contains(&part.as_str());
        if parts.iter().any(bad) {
            return Err(format!("`{text}` is no path in the repository"));
        }
        Ok(Self(parts))
    }

    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        matches(&self.0, &names)
    }
}

fn matches(pattern: &[String], names: &[&str]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((part, rest)), _) if part == "**" => {
            // A folder itself is no file: at least one name is left for it.
            (1..=names.len()).any(|count| matches(rest, &names[count..]))
        }
        (Some((part, rest)), Some((name, names))) => {
            part_matches(part, name) && matches(rest, names)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn part_matches(part: &str, name: &str) -> bool {
    match part.split_once('*') {
        None => part == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| part_matches(after, &rest[at..]))
        }),
    }
}

/// A commit with all that is needed to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub commit: Commit,
    /// Against its only parent; unused for a merge.
    pub changes: Vec<Change>,
    /// Unused for other commits.
    pub clean_merge: bool,
    /// Where a changed `flake.lock` takes sources from that the one before it did not.
    pub new_origins: Vec<String>,
}

/// A regular file, an executable one, and one that is gone. Links and submodules reach beyond their own path.
const HARMLESS_MODES: [&str; 3] = ["100644", "100755", "000000"];

/// Why this commit is not taken; none if it is.
pub fn objection(evidence: &Evidence, signers: &[Signer]) -> Option<String> {
    let name = match &evidence.commit.signature {
        Signature::Good { signer } => signer,
        Signature::Unknown { key } => return Some(format!("signed by an unknown key, {key}")),
        Signature::Bad => return Some("its signature does not hold".to_owned()),
        Signature::Unreadable => return Some("its signature is none of an ssh key".to_owned()),
        Signature::None => return Some("not signed".to_owned()),
    };
    let Some(signer) = signers.iter().find(|signer| signer.name == *name) else {
        return Some(format!(
            "signed by {name}, whom the configuration does not know"
        ));
    };
    if evidence.commit.parents.len() > 1 {
        return match signer.merges {
            Merges::Any => None,
            Merges::Clean if evidence.clean_merge => None,
            Merges::Clean => Some(format!(
                "{name} may sign merges only as git makes them, and this one is another"
            )),
            Merges::None => Some(format!("{name} may not sign merges")),
        };
    }
    let paths = signer.paths.as_deref()?;
    let beyond = evidence
        .changes
        .iter()
        .find(|change| !paths.iter().any(|pattern| pattern.matches(&change.path)));
    if let Some(change) = beyond {
        return Some(format!("{name} may not change {}", change.path));
    }
    // A lock file names servers, too: newer revisions are one thing, and another source is another.
    if let Some(origin) = evidence.new_origins.first() {
        return Some(format!("{name} may not take sources from {origin}"));
    }
    let odd = evidence
        .changes
        .iter()
        .find(|change| !HARMLESS_MODES.contains(&change.mode.as_str()))?;
    Some(format!("{name} may not make {} a link", odd.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signers() -> Vec<Signer> {
        let signer = |name: &str, paths: Option<&[&str]>, merges| Signer {
            name: name.to_owned(),
            key: String::new(),
            paths: paths.map(|all| all.iter().map(|it| Pattern::parse(it).unwrap()).collect()),
            merges,
        };
        vec![
            signer("ann", None, Merges::Any),
            signer("bot", Some(&["flake.lock"]), Merges::None),
            signer("forge", Some(&["docs/**"]), Merges::Clean),
        ]
    }

    fn by(name: &str, paths: &[&str]) -> Evidence {
        Evidence {
            commit: Commit {
                id: "c".to_owned(),
                parents: vec!["p".to_owned()],
                signature: Signature::Good {
                    signer: name.to_owned(),
                },
                subject: String::new(),
            },
            changes: paths
                .iter()
                .map(|path| Change {
                    path: (*path).to_owned(),
                    mode: "100644".to_owned(),
                })
                .collect(),
            clean_merge: false,
            new_origins: Vec::new(),
        }
    }

    fn judged(evidence: &Evidence) -> String {
        objection(evidence, &signers()).unwrap_or_default()
    }

    #[test]
    fn a_key_changes_its_own_paths() {
        assert_eq!(
            judged(&by("ann", &["flake.nix", "hosts/A/default.nix"])),
            ""
        );
        assert_eq!(judged(&by("bot", &["flake.lock"])), "");
        assert_eq!(judged(&by("bot", &[])), "");
        assert_eq!(
            judged(&by("bot", &["flake.lock", "flake.nix"])),
            "bot may not change flake.nix"
        );
        assert_eq!(
            judged(&by("bot", &["hosts/flake.lock"])),
            "bot may not change hosts/flake.lock"
        );
        let unknown = judged(&by("eve", &[]));
        assert_eq!(
            unknown,
            "signed by eve, whom the configuration does not know"
        );
    }

    #[test]
    fn a_file_stays_a_file() {
        let mut link = by("bot", &["flake.lock"]);
        link.changes[0].mode = "120000".to_owned();
        assert_eq!(judged(&link), "bot may not make flake.lock a link");
        link.changes[0].mode = "160000".to_owned();
        assert_ne!(judged(&link), "");
        link.changes[0].mode = "000000".to_owned();
        assert_eq!(judged(&link), "");
    }

    #[test]
    fn a_new_source_needs_a_key_for_everything() {
        let moved = |name| Evidence {
            new_origins: vec!["github:eve/nixpkgs".to_owned()],
            ..by(name, &["flake.lock"])
        };
        assert_eq!(
            judged(&moved("bot")),
            "bot may not take sources from github:eve/nixpkgs"
        );
        assert_eq!(judged(&moved("ann")), "");
    }

    #[test]
    fn merges_are_a_right_of_their_own() {
        let merge = |name: &str, clean| {
            let mut evidence = by(name, &[]);
            evidence.commit.parents.push("q".to_owned());
            evidence.clean_merge = clean;
            judged(&evidence)
        };
        assert_eq!(merge("ann", false), "");
        assert_eq!(merge("bot", true), "bot may not sign merges");
        assert_eq!(merge("forge", true), "");
        assert!(merge("forge", false).contains("as git makes them"));
    }

    #[test]
    fn only_a_good_signature_counts() {
        for (signature, wanted) in [
            (Signature::None, "not signed"),
            (Signature::Bad, "its signature does not hold"),
            (Signature::Unreadable, "its signature is none of an ssh key"),
            (
                Signature::Unknown {
                    key: "SHA256:x".to_owned(),
                },
                "signed by an unknown key, SHA256:x",
            ),
        ] {
            let mut evidence = by("ann", &[]);
            evidence.commit.signature = signature;
            assert_eq!(judged(&evidence), wanted);
        }
    }

    #[test]
    fn patterns_match_whole_paths() {
        let matches = |pattern: &str, path: &str| Pattern::parse(pattern).unwrap().matches(path);
        for (pattern, path) in [
            ("flake.lock", "flake.lock"),
            ("docs/**", "docs/a"),
            ("docs/**", "docs/a/b.md"),
            ("hosts/*/default.nix", "hosts/A/default.nix"),
            ("**/x", "a/b/x"),
            ("*.md", "a.md"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("flake.lock", "flake.lock.nix"),
            ("flake.lock", "a/flake.lock"),
            ("docs/**", "docs"),
            ("docs/**", "docs2/a"),
            ("hosts/*/default.nix", "hosts/A/B/default.nix"),
            ("*.md", "a/b.md"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        for bad in ["", "/etc", "../x", "a//b", "a/"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}

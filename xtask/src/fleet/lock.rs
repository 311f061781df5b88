//! The graph of a flake's locked inputs: which of them the rehearsal stand-in replaces, and what else is needed.
//! Pure: reads the text of a `flake.lock`.

mod changes;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub use changes::InputChange;

/// A `flake.lock`, or `locks` of `nix flake metadata --json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Lock {
    root: String,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Node {
    #[serde(default)]
    inputs: BTreeMap<String, Edge>,
    locked: Option<Reference>,
    original: Option<Reference>,
}

/// An input is a node, or follows another input and is then replaced with that one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Edge {
    Node(String),
    Follows(#[allow(dead_code)] Vec<String>),
}

/// Where a source comes from; which fields are there depends on `kind`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub owner: Option<String>,
    pub repo: Option<String>,
    pub url: Option<String>,
    /// Another forge than the public one.
    pub host: Option<String>,
    pub path: Option<String>,
    /// The name of an indirect reference.
    pub id: Option<String>,
    pub rev: Option<String>,
    /// Seconds since 1970.
    pub last_modified: Option<u64>,
    pub nar_hash: Option<String>,
}

impl Reference {
    /// The source without its revision. Tarballs are known by their server: their address has the revision in it.
    fn origin(&self) -> String {
        let server = |url: &str| url.split('/').take(3).collect::<Vec<_>>().join("/");
        let url = match (&self.url, self.kind.as_str()) {
            (Some(url), "tarball" | "file") => Some(server(url)),
            (url, _) => url.clone(),
        };
        let parts = [
            &self.host,
            &self.owner,
            &self.repo,
            &url,
            &self.path,
            &self.id,
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        format!("{}:{}", self.kind, parts.join("/"))
    }
}

/// Where a node was met on the way from the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Own,
    /// Below a replaceable input.
    Behind,
}

/// An input that is needed from somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// `nixpkgs`, `slipway/nixpkgs`.
    pub path: String,
    pub source: Reference,
}

/// A flake's inputs, told apart by whether the stand-in can play them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    pub replaceable: Vec<Input>,
    pub others: Vec<Input>,
    /// What only the replaceable ones need; gone once they are replaced.
    pub behind: Vec<Input>,
}

impl Inputs {
    pub fn all(&self) -> impl Iterator<Item = &Input> {
        self.replaceable
            .iter()
            .chain(&self.others)
            .chain(&self.behind)
    }
}

impl Lock {
    /// # Errors
    /// If the text is no lock file.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Where the sources come from, without their revisions; the root's own inputs by name, too.
    pub fn origins(&self) -> BTreeSet<String> {
        let origin = |id: &str| {
            let node = self.nodes.get(id)?;
            Some(
                node.locked
                    .as_ref()
                    .map_or_else(String::new, Reference::origin),
            )
        };
        let root = self.nodes.get(&self.root);
        let own = root.into_iter().flat_map(|root| &root.inputs);
        let own = own.filter_map(|(name, edge)| match edge {
            Edge::Node(id) => Some(format!("{name} = {}", origin(id)?)),
            Edge::Follows(path) => Some(format!("{name} = {}", path.join("/"))),
        });
        let all = self.nodes.keys().filter(|id| **id != self.root);
        all.filter_map(|id| origin(id)).chain(own).collect()
    }

    /// A graph of what a flake without a lock file declares, one level deep.
    pub fn declared(inputs: Vec<(String, Reference)>) -> Self {
        const ROOT: &str = "";
        let edges = inputs
            .iter()
            .map(|(name, _)| (name.clone(), Edge::Node(name.clone())))
            .collect();
        let mut nodes: BTreeMap<String, Node> = inputs
            .into_iter()
            .map(|(name, reference)| {
                let node = Node {
                    original: Some(reference),
                    ..Node::default()
                };
                (name, node)
            })
            .collect();
        let root = Node {
            inputs: edges,
            ..Node::default()
        };
        nodes.insert(ROOT.to_owned(), root);
        Self {
            root: ROOT.to_owned(),
            nodes,
        }
    }

    /// Walks the graph from the root. An input that follows another is not listed: it is that other one.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::default();
        let mut seen = BTreeSet::new();
        self.walk(&self.root, "", Place::Own, &mut seen, &mut inputs);
        inputs
    }

    fn walk<'a>(
        &'a self,
        key: &'a str,
        prefix: &str,
        place: Place,
        seen: &mut BTreeSet<(&'a str, Place)>,
        inputs: &mut Inputs,
    ) {
        let Some(node) = self.nodes.get(key) else {
            return;
        };
        for (name, edge) in &node.inputs {
            let Edge::Node(child) = edge else { continue };
            let Some(source) = self.nodes.get(child) else {
                continue;
            };
            let path = format!("{prefix}{name}");
            let replaceable = source.is_replaceable();
            let input = Input {
                path: path.clone(),
                source: source
                    .locked
                    .clone()
                    .or_else(|| source.original.clone())
                    .unwrap_or_default(),
            };
            // Each place of a replaceable input needs its own override, so that these are never taken as seen.
            let list = match place {
                Place::Behind => &mut inputs.behind,
                Place::Own if replaceable => &mut inputs.replaceable,
                Place::Own => &mut inputs.others,
            };
            list.push(input);
            let below = if replaceable { Place::Behind } else { place };
            // A lock file is a graph without cycles, but shared nodes would be walked again and again.
            if below == Place::Behind && !seen.insert((child, below)) {
                continue;
            }
            self.walk(child, &format!("{path}/"), below, seen, inputs);
        }
    }
}

impl Node {
    fn is_replaceable(&self) -> bool {
        self.locked
            .iter()
            .chain(&self.original)
            .any(Reference::is_replaceable)
    }
}

impl Reference {
    /// Whether this is nixpkgs, deploy-rs or sops-nix, however it is named.
    pub fn is_replaceable(&self) -> bool {
        const REPOSITORIES: [&str; 3] = ["nixos/nixpkgs", "serokell/deploy-rs", "mic92/sops-nix"];
        // Published channels and FlakeHub hand nixpkgs out as tarballs.
        const CHANNELS: [&str; 3] = [
            "://channels.nixos.org/",
            "://releases.nixos.org/",
            "://nixos.org/channels/",
        ];
        let repository = match (&self.owner, &self.repo) {
            (Some(owner), Some(repo)) => format!("{owner}/{repo}").to_lowercase(),
            _ => String::new(),
        };
        let url = self.url.as_deref().unwrap_or_default().to_lowercase();
        REPOSITORIES.contains(&repository.as_str())
            || (self.kind == "indirect" && self.id.as_deref() == Some("nixpkgs"))
            || (url.contains("nixexprs") && CHANNELS.iter().any(|channel| url.contains(channel)))
            || REPOSITORIES.iter().any(|name| {
                url.split_once(name).is_some_and(|(before, after)| {
                    before.ends_with('/')
                        && (after.is_empty() || after.starts_with(['/', '.', '?']))
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(nodes: &str) -> Lock {
        Lock::parse(&format!(
            r#"{{"root":"root","version":7,"nodes":{{{nodes}}}}}"#
        ))
        .unwrap()
    }

    const NIXPKGS: &str =
        r#""nixpkgs":{"locked":{"type":"github","owner":"NixOS","repo":"nixpkgs","rev":"x"}}"#;

    fn paths(inputs: &[Input]) -> Vec<&str> {
        inputs.iter().map(|input| input.path.as_str()).collect()
    }

    #[test]
    fn a_source_is_known_without_its_revision() {
        let with = |more: &str, input: &str| {
            let text = format!(
                r#"{NIXPKGS},"root":{{"inputs":{{"nixpkgs":"{input}"}}}},
                "x":{{"locked":{{"type":"tarball","url":"https://a.example/1.tar.gz"{more}}}}}"#
            );
            lock(&text).origins()
        };
        let known = with("", "nixpkgs");
        assert_eq!(
            known.iter().collect::<Vec<_>>(),
            [
                "github:NixOS/nixpkgs",
                "nixpkgs = github:NixOS/nixpkgs",
                "tarball:https://a.example"
            ]
        );
        assert_eq!(with(r#","narHash":"sha256-x""#, "nixpkgs"), known);
        assert_ne!(with("", "x"), known);
    }

    #[test]
    fn what_follows_is_not_replaced_twice() {
        let inputs = lock(&format!(
            r#"{NIXPKGS},
            "root":{{"inputs":{{"nixpkgs":"nixpkgs","deploy-rs":"deploy-rs"}}}},
            "deploy-rs":{{"inputs":{{"nixpkgs":["nixpkgs"],"utils":"utils"}},
              "locked":{{"type":"github","owner":"serokell","repo":"deploy-rs"}}}},
            "utils":{{"locked":{{"type":"github","owner":"numtide","repo":"flake-utils"}}}}"#
        ))
        .inputs();
        assert_eq!(paths(&inputs.replaceable), ["deploy-rs", "nixpkgs"]);
        assert_eq!(paths(&inputs.behind), ["deploy-rs/utils"]);
        assert!(inputs.others.is_empty());
    }

    #[test]
    fn a_downstream_fleet_gets_the_inputs_of_its_input() {
        let inputs = lock(&format!(
            r#"{NIXPKGS},
            "root":{{"inputs":{{"slipway":"slipway"}}}},
            "slipway":{{"inputs":{{"nixpkgs":"nixpkgs"}},
              "locked":{{"type":"git","url":"https://example.org/slipway"}}}}"#
        ))
        .inputs();
        assert_eq!(paths(&inputs.replaceable), ["slipway/nixpkgs"]);
        assert_eq!(paths(&inputs.others), ["slipway"]);
    }

    #[test]
    fn one_node_in_two_places_is_replaced_in_both() {
        let inputs = lock(&format!(
            r#"{NIXPKGS},
            "root":{{"inputs":{{"a":"a","nixpkgs":"nixpkgs"}}}},
            "a":{{"inputs":{{"nixpkgs":"nixpkgs"}},"locked":{{"type":"path","path":"/a"}}}}"#
        ))
        .inputs();
        assert_eq!(paths(&inputs.replaceable), ["a/nixpkgs", "nixpkgs"]);
    }

    #[test]
    fn nixpkgs_has_many_names() {
        let reference = |text: &str| serde_json::from_str::<Reference>(text).unwrap();
        for yes in [
            r#"{"type":"github","owner":"nixos","repo":"nixpkgs"}"#,
            r#"{"type":"indirect","id":"nixpkgs"}"#,
            r#"{"type":"tarball","url":"https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz"}"#,
            r#"{"type":"tarball","url":"https://releases.nixos.org/nixos/26.05/nixos-26.05.1/nixexprs.tar.xz"}"#,
            r#"{"type":"tarball","url":"https://api.flakehub.com/f/pinned/NixOS/nixpkgs/0.1/source.tar.gz"}"#,
            r#"{"type":"git","url":"https://github.com/NixOS/nixpkgs.git"}"#,
        ] {
            assert!(reference(yes).is_replaceable(), "{yes}");
        }
        for no in [
            r#"{"type":"github","owner":"me","repo":"nixpkgs"}"#,
            r#"{"type":"git","url":"https://example.org/my-nixos/nixpkgs-fork"}"#,
            r#"{"type":"indirect","id":"home-manager"}"#,
            r#"{"type":"path","path":"/x"}"#,
        ] {
            assert!(!reference(no).is_replaceable(), "{no}");
        }
    }
}

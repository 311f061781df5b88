//! The paths and the telling words of one Nix file.

use rnix::{NodeOrToken, SyntaxKind};

type Node = rnix::SyntaxNode;

/// What a file's text says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub references: Vec<Reference>,
    /// The first thing that leads to files which no path of the text names.
    reaching: Option<String>,
    /// The flake itself is used, by the name that only flake.nix can give it.
    uses_self: bool,
}

/// A path as it stands in the text, up to the first interpolation.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    pub path: String,
    pub purpose: Use,
}

/// What is done with a path, where that can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `import PATH`, or an element of `imports` or `modules`: of a folder only its default.nix is read.
    Import,
    /// `mkFleet { hosts = PATH; }`: the hosts are looked at one by one.
    HostsOfFleet,
    /// Anything: all of a folder may be read.
    Any,
}

/// Names that reach other hosts, the flake's source or the folder above, or that read what no path names.
const REACHING: [&str; 7] = [
    "nixosConfigurations",
    "getFlake",
    "__getFlake",
    "dirOf",
    "__dirOf",
    "unsafeGetAttrPos",
    "__unsafeGetAttrPos",
];

impl Found {
    /// What makes it impossible to tell which files are read.
    pub fn reaching(&self, is_flake: bool) -> Option<&str> {
        let itself = (is_flake && self.uses_self).then_some("self");
        self.reaching.as_deref().or(itself)
    }
}

pub fn parse(text: &str) -> Found {
    let mut found = Found::default();
    let parsed = rnix::Root::parse(text);
    if !parsed.errors().is_empty() {
        // Nix will say so, and not read any further; what it reads once it is mended is told then.
        found.reaching = Some("what is no Nix".to_owned());
        return found;
    }
    for node in parsed.syntax().descendants() {
        visit(&node, &mut found);
    }
    found
}

fn visit(node: &Node, found: &mut Found) {
    match node.kind() {
        SyntaxKind::NODE_PATH_REL => found.references.push(Reference {
            path: literal_start(node),
            purpose: purpose(node),
        }),
        SyntaxKind::NODE_PATH_ABS
        | SyntaxKind::NODE_PATH_HOME
        | SyntaxKind::NODE_PATH_SEARCH
        | SyntaxKind::NODE_CUR_POS => reach(found, &node.text().to_string()),
        SyntaxKind::NODE_IDENT => name(node, found),
        SyntaxKind::NODE_STRING if climbs(node) => reach(found, "a string that leads upward"),
        _ => (),
    }
}

fn reach(found: &mut Found, what: &str) {
    found.reaching.get_or_insert_with(|| what.to_owned());
}

fn name(node: &Node, found: &mut Found) {
    let text = node.text().to_string();
    let parent = node.parent().map(|parent| parent.kind());
    if REACHING.contains(&text.as_str()) {
        reach(found, &text);
    }
    if text == "self" {
        match parent {
            // An argument of that name is no use of it.
            Some(SyntaxKind::NODE_PAT_ENTRY | SyntaxKind::NODE_IDENT_PARAM) => (),
            Some(SyntaxKind::NODE_ATTRPATH | SyntaxKind::NODE_INHERIT) => reach(found, &text),
            _ => found.uses_self = true,
        }
    }
}

/// The text before the first interpolation, to the last whole folder: what follows is below that.
fn literal_start(node: &Node) -> String {
    let mut start = String::new();
    for child in node.children_with_tokens() {
        match child {
            NodeOrToken::Token(token) => start.push_str(token.text()),
            NodeOrToken::Node(_) => {
                let end = start.rfind('/').map_or(0, |at| at + 1);
                start.truncate(end);
                return start;
            }
        }
    }
    start
}

/// `..` between slashes in a string: added to a path, it leads out of the folder that the path names. NixOS's own
/// `modulesPath` is no folder of the fleet.
fn climbs(node: &Node) -> bool {
    let begins = |text: String| text == "modulesPath" || text == "${modulesPath}";
    let inside = node.first_child().map(|part| part.text().to_string());
    let before = node
        .parent()
        .filter(|parent| parent.kind() == SyntaxKind::NODE_BIN_OP)
        .and_then(|sum| sum.first_child())
        .map(|left| left.text().to_string());
    if inside.is_some_and(begins) || before.is_some_and(begins) {
        return false;
    }
    node.children_with_tokens()
        .filter_map(NodeOrToken::into_token)
        .any(|token| {
            token
                .text()
                .split(['/', '\n', ' '])
                .any(|part| part == "..")
        })
}

fn purpose(path: &Node) -> Use {
    let mut node = path.clone();
    while let Some(parent) = node.parent() {
        match parent.kind() {
            SyntaxKind::NODE_PAREN | SyntaxKind::NODE_LIST => node = parent,
            SyntaxKind::NODE_BIN_OP if has_token(&parent, SyntaxKind::TOKEN_CONCAT) => {
                node = parent;
            }
            SyntaxKind::NODE_APPLY => {
                let function = parent.first_child().filter(|it| *it != node);
                let import = function.is_some_and(|it| last_name(&it) == "import");
                return if import { Use::Import } else { Use::Any };
            }
            SyntaxKind::NODE_ATTRPATH_VALUE => {
                let name = parent.first_child().map(|it| last_name(&it));
                return match name.as_deref() {
                    Some("imports" | "modules") if node.kind() != SyntaxKind::NODE_PATH_REL => {
                        Use::Import
                    }
                    Some("hosts") if argument_of(&parent, "mkFleet") => Use::HostsOfFleet,
                    _ => Use::Any,
                };
            }
            _ => return Use::Any,
        }
    }
    Use::Any
}

fn has_token(node: &Node, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|it| it.kind() == kind)
}

/// The last identifier of `a`, `a.b` or an attribute path.
fn last_name(node: &Node) -> String {
    node.descendants()
        .filter(|it| it.kind() == SyntaxKind::NODE_IDENT)
        .last()
        .map(|it| it.text().to_string())
        .unwrap_or_default()
}

/// Whether an attribute stands in the set that a function of this name is applied to.
fn argument_of(attribute: &Node, function: &str) -> bool {
    let apply = attribute
        .parent()
        .filter(|set| set.kind() == SyntaxKind::NODE_ATTR_SET)
        .and_then(|set| set.parent())
        .filter(|apply| apply.kind() == SyntaxKind::NODE_APPLY);
    apply
        .and_then(|apply| apply.first_child())
        .is_some_and(|it| last_name(&it) == function)
}

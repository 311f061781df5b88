//! Which of a flake's files its hosts' evaluation can read, told from text. Pure: paths and texts in, names out.
//!
//! From flake.nix and the hosts on, what a text names can be read, and what is read can name more. Nothing is known of
//! how names are put together: a text that could reach files without naming them reaches all.

use std::collections::BTreeSet;
use std::path::Path;

/// Where every fleet's evaluation starts; `modules` is what Slipway's own nix/hosts.nix imports.
/// What lies beside the flake in its repository is `..`.
const ALWAYS: [&str; 6] = ["flake.nix", "flake.lock", "hosts", "modules", "nix", ".."];

/// With these, Nix code reaches files that it does not name.
const UNNAMED: [&str; 9] = [
    "readDir",
    "listFilesRecursive",
    "dirOf",
    "getFlake",
    "self",
    "sourceInfo",
    "outPath",
    "__curPos",
    "unsafeGetAttrPos",
];

/// The names directly in the flake's folder, of files and folders, that no host's evaluation reads. `text` gives a file's
/// content, and nothing for a link, which may lead anywhere. A name that is taken for read by mistake costs time; the opposite would cost a wrong closure.
pub fn unread<'a>(
    paths: impl Iterator<Item = &'a str>,
    text: impl Fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    let paths: Vec<&str> = paths.collect();
    let own = paths.contains(&"nix/rehearsal/flake.nix");
    let mut unread: BTreeSet<&str> = paths.iter().map(|path| top(path)).collect();
    let mut next: Vec<&str> = ALWAYS.to_vec();
    while let Some(name) = next.pop() {
        if !unread.remove(name) {
            continue;
        }
        let below = paths.iter().filter(|path| top(path) == name);
        for path in below.filter(|path| !(own && is_known(path))) {
            let is_nix = Path::new(path).extension().is_some_and(|it| it == "nix");
            let Some(text) = text(path) else {
                return BTreeSet::new();
            };
            let text = if is_nix { code(&text) } else { text };
            if is_nix && reaches_unnamed(&text) {
                return BTreeSet::new();
            }
            next.extend(unread.iter().filter(|name| names(&text, name, is_nix)));
        }
    }
    unread.into_iter().map(str::to_owned).collect()
}

/// The first part of a path.
pub fn top(path: &str) -> &str {
    path.split_once('/').map_or(path, |(first, _)| first)
}

/// The files of Slipway's own tree that make a fleet: what they read for a host is in `ALWAYS`.
pub fn is_known(path: &str) -> bool {
    const FILES: [&str; 7] = [
        "default", "hosts", "fleet", "deploy", "checks", "packages", "shell",
    ];
    path.starts_with("nix/rehearsal/")
        || path
            .strip_prefix("nix/")
            .and_then(|file| file.strip_suffix(".nix"))
            .is_some_and(|file| FILES.contains(&file))
}

/// Nix code without the lines that are only a comment. A line that starts like one inside a string stays if it could hold
/// code.
pub fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') || line.contains("${"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether this Nix code could reach files without naming them.
fn reaches_unnamed(code: &str) -> bool {
    UNNAMED.iter().any(|word| has_word(code, word)) || names_a_folder_of_its_own(code)
}

/// Whether a path ends in `.` or `..`: the folder that the code lies in or one around it, with all that is in there.
pub fn names_a_folder_of_its_own(code: &str) -> bool {
    let mut rest = code;
    let mut before = ' ';
    while let Some(at) = rest.find('.') {
        before = rest[..at].chars().next_back().unwrap_or(before);
        let after = rest[at..].trim_start_matches('.');
        let dots = rest[at..].len() - after.len();
        let mut follow = after.chars();
        let ends = match (follow.next(), follow.next()) {
            (Some('/'), Some(next)) => !(is_name(next) || next == '.'),
            (Some(next), _) => !is_name(next) && next != '/',
            (None, _) => true,
        };
        // `./.` and `../`, but neither `{ ... }`, `a.b`, nor the full stop of a sentence.
        let part = dots == 2 && !is_name(before) || dots == 1 && before == '/';
        if part && ends {
            return true;
        }
        before = '.';
        rest = after;
    }
    false
}

/// Whether a text names this file or folder. In Nix code a name is part of a path or of a string; elsewhere it may stand
/// alone.
fn names(text: &str, name: &str, is_nix: bool) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let starts = match before {
            Some(c) if is_nix && c.is_whitespace() => after == Some('/') || name.contains('.'),
            Some(c) if is_nix => matches!(c, '/' | '"' | '\'' | '}' | ':'),
            Some(c) => !is_name(c),
            None => true,
        };
        starts && after.is_none_or(|c| !is_name(c))
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        before.is_none_or(|c| !is_name(c)) && after.is_none_or(|c| !is_name(c))
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "link";

    fn unread_of(files: &[(&str, &str)]) -> Vec<String> {
        let text = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            let text = found.map(|(_, text)| (*text).to_owned());
            text.filter(|text| text != LINK)
        };
        let unread = unread(files.iter().map(|(path, _)| *path), text);
        unread.into_iter().collect()
    }

    fn with(path: &str, text: &str) -> Vec<String> {
        unread_of(&[
            (
                "flake.nix",
                "inputs: inputs.slipway.lib.mkFleet { hosts = ./hosts; modules = [ ./site.nix ]; }",
            ),
            ("site.nix", "{ lib, ... }: { }"),
            ("README.md", ""),
            ("data/list.json", "[\"docs\"]"),
            ("docs/a.md", ""),
            (path, text),
            // Its content is not given.
            ("link/x", LINK),
        ])
    }

    #[test]
    fn what_no_text_names_is_not_read() {
        assert_eq!(
            with("hosts/A/x.nix", "{ ... }: 1"),
            ["README.md", "data", "docs", "link"]
        );
        let comment = "  # see ../../README.md and readDir\n1";
        assert_eq!(
            with("hosts/A/x.nix", comment),
            ["README.md", "data", "docs", "link"]
        );
    }

    #[test]
    fn what_a_text_names_is_read_with_what_that_names() {
        let readme = "builtins.readFile ../../README.md";
        assert_eq!(with("hosts/A/x.nix", readme), ["data", "docs", "link"]);
        let list = "builtins.fromJSON (builtins.readFile ../../data/list.json)";
        assert_eq!(with("hosts/A/x.nix", list), ["README.md", "link"]);
    }

    #[test]
    fn who_reaches_what_nobody_named_reaches_all() {
        for text in [
            "builtins.readDir ../x",
            "{ src = ./.; }",
            "{ src = ../..; }",
            "toString ../../. + x",
            "../../${x}",
            "./a + \"/../${x}\"",
            "lib.cleanSource (./../..)",
            "{ self, ... }: self",
            "builtins.fromJSON (builtins.readFile ../../link)",
            "# ${builtins.readDir ./x}",
        ] {
            assert_eq!(with("hosts/A/x.nix", text), [""; 0], "{text}");
        }
        for text in [
            "{ lib, ... }: lib.a.b",
            "../x/y.nix",
            "\"etc. and 1.5.\"",
            "\"/etc/${x}\"",
        ] {
            assert_eq!(with("hosts/A/x.nix", text).len(), 4, "{text}");
        }
    }

    /// `ALWAYS` has what Slipway's own files read for a host; whoever lets them read more adds it there.
    #[test]
    fn slipways_own_files_read_what_is_known() {
        let mut named = BTreeSet::new();
        for text in [
            include_str!("../../../nix/default.nix"),
            include_str!("../../../nix/hosts.nix"),
            include_str!("../../../nix/fleet.nix"),
        ] {
            let words = text.split(|c: char| c.is_whitespace() || "();[]".contains(c));
            named.extend(words.filter(|word| word.starts_with("../")));
        }
        let known = [
            "../hosts",
            "../hosts/site.nix",
            "../modules",
            "../modules/common/nix-cache.nix",
        ];
        assert_eq!(named.into_iter().collect::<Vec<_>>(), known);
    }
}

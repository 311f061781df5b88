//! The inputs of a flake that has no lock file: what its flake.nix declares.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::failure::Failure;
use crate::fleet::lock::{Lock, Reference};
use crate::tools::nix::{error, Nix};

/// What a flake.nix says of its inputs; an argument of `outputs` that is not declared is an indirect reference.
#[derive(Debug, Default, Deserialize)]
struct Declared {
    inputs: BTreeMap<String, Declaration>,
    /// None if there are no outputs at all.
    arguments: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
struct Declaration {
    url: Option<String>,
    follows: Option<String>,
    #[serde(flatten)]
    reference: Reference,
}

/// `file` is where the text is from, for errors.
///
/// # Errors
/// Usage, if the text is no flake.
pub async fn inputs(nix: &Nix, file: &str, flake_nix: &str) -> Result<Lock> {
    let expression = format!(
        "let flake = ({flake_nix}\n); in {{ inputs = builtins.mapAttrs (_: input: \
         builtins.intersectAttrs {{ url = 1; follows = 1; type = 1; owner = 1; repo = 1; path = 1; id = 1; }} input) \
         (flake.inputs or {{ }}); arguments = if flake ? outputs then builtins.attrNames (builtins.functionArgs flake.outputs) else null; }}"
    );
    let output = nix.expression(&expression).capture().await?;
    if !output.status.success() {
        let error = error::parse(&output.stderr, |_| None);
        // The text starts on the first line of the expression, so that lines are those of the file.
        let line = error
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        let message = format!("cannot read {file}{line}: {}", error.message);
        return Err(Failure::usage(message).into());
    }
    let declared: Declared = serde_json::from_slice(&output.stdout)?;
    let Some(arguments) = declared.arguments else {
        return Err(
            Failure::usage(format!("{file} has no `outputs`, so there are no hosts")).into(),
        );
    };
    Ok(Lock::declared(references(declared.inputs, arguments)))
}

fn references(
    mut all: BTreeMap<String, Declaration>,
    arguments: Vec<String>,
) -> Vec<(String, Reference)> {
    for name in arguments {
        all.entry(name).or_default();
    }
    all.remove("self");
    all.into_iter()
        .filter(|(_, declaration)| declaration.follows.is_none())
        .map(|(name, declaration)| {
            let reference = match declaration.url {
                Some(url) => parse(&url),
                None if declaration.reference.kind.is_empty() => Reference {
                    kind: "indirect".to_owned(),
                    id: Some(name.clone()),
                    ..Reference::default()
                },
                None => declaration.reference,
            };
            (name, reference)
        })
        .collect()
}

/// A reference as a person writes it, as far as it tells where the source comes from.
fn parse(url: &str) -> Reference {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    if plain.starts_with(['.', '/']) {
        return Reference {
            kind: "path".to_owned(),
            path: Some(plain.to_owned()),
            ..Reference::default()
        };
    }
    let (scheme, rest) = plain.split_once(':').unwrap_or(("indirect", plain));
    let mut reference = Reference {
        kind: scheme.to_owned(),
        ..Reference::default()
    };
    match scheme {
        "github" | "gitlab" | "sourcehut" => {
            let mut words = rest.split('/').map(str::to_owned);
            reference.owner = words.next();
            reference.repo = words.next();
        }
        "path" => reference.path = Some(rest.to_owned()),
        "indirect" | "flake" => {
            reference.kind = "indirect".to_owned();
            reference.id = rest.split('/').next().map(str::to_owned);
        }
        _ => {
            let (kind, transport) = scheme.split_once('+').unwrap_or(("tarball", scheme));
            reference.kind = kind.to_owned();
            reference.url = Some(format!("{transport}:{rest}"));
        }
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_tell_where_a_source_comes_from() {
        let github = parse("github:NixOS/nixpkgs/nixos-26.05");
        assert_eq!(github.owner.as_deref(), Some("NixOS"));
        assert!(github.is_replaceable());
        assert!(parse("nixpkgs/nixos-26.05").is_replaceable());
        assert!(parse("https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz").is_replaceable());
        let git = parse("git+https://example.org/fleet?ref=main");
        assert_eq!(git.kind, "git");
        assert_eq!(git.url.as_deref(), Some("https://example.org/fleet"));
        assert_eq!(parse("./lib").path.as_deref(), Some("./lib"));
        assert_eq!(parse("path:/lib").path.as_deref(), Some("/lib"));
    }

    #[test]
    fn an_argument_that_is_not_declared_is_indirect() {
        let declared: Declared = serde_json::from_str(
            r#"{"inputs":{"a":{"url":"github:o/r"},"b":{"follows":"a"}},
                "arguments":["self","a","b","nixpkgs"]}"#,
        )
        .unwrap();
        let references = references(declared.inputs, declared.arguments.unwrap());
        let names: Vec<&str> = references.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "nixpkgs"]);
        assert!(references[1].1.is_replaceable());
    }
}

//! Derivations as they lie in the store: which derivations and sources one is made from.

use std::collections::BTreeSet;

use anyhow::{bail, Context, Result};

use crate::fleet::store_path::StorePath;

/// The part of a derivation that says what is built before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// Where its outputs go; empty for an output whose path is known only when it is built.
    pub outputs: Vec<StorePath>,
    pub input_derivations: BTreeSet<StorePath>,
    pub input_sources: BTreeSet<StorePath>,
}

impl Derivation {
    /// Reads a `.drv` file; they are plain files for everyone, whoever may write to the store.
    pub fn read(path: &StorePath) -> Result<Self> {
        let text = std::fs::read(path.as_path()).with_context(|| format!("cannot read {path}"))?;
        parse(&text).with_context(|| format!("cannot read {path}"))
    }
}

/// Reads `Derive([("out","/nix/store/…","",""),…],[("/nix/store/….drv",["out"]),…],["/nix/store/…",…],…`. The rest
/// (system, builder, arguments, environment) is skipped.
fn parse(text: &[u8]) -> Result<Derivation> {
    let start = b"Derive(";
    let rest = if text.starts_with(start) {
        &text[start.len()..]
    } else if text.starts_with(b"DrvWithVersion(") {
        // `DrvWithVersion("xp-dyn-drv",[…`: the same lists follow.
        let comma = text.iter().position(|&byte| byte == b',');
        comma.map_or(&[][..], |comma| &text[comma + 1..])
    } else {
        bail!("no derivation");
    };
    let (outputs, rest) = list(rest)?;
    let (derivations, rest) = list(rest)?;
    let (sources, _) = list(rest)?;
    let paths = |words: Vec<String>| -> BTreeSet<StorePath> {
        words
            .iter()
            .filter_map(|word| StorePath::parse(word).ok())
            .collect()
    };
    Ok(Derivation {
        outputs: paths(outputs).into_iter().collect(),
        input_derivations: paths(derivations),
        input_sources: paths(sources),
    })
}

/// The strings of the list that `text` begins with, however deep, and what comes after it and its comma.
fn list(text: &[u8]) -> Result<(Vec<String>, &[u8])> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut depth = 0usize;
    let mut escaped = false;
    for (index, &byte) in text.iter().enumerate() {
        match (&mut word, byte) {
            (Some(bytes), _) if escaped => {
                bytes.push(byte);
                escaped = false;
            }
            (Some(_), b'\\') => escaped = true,
            (Some(_), b'"') => {
                let bytes = word.take().unwrap_or_default();
                words.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            (Some(bytes), _) => bytes.push(byte),
            (None, b'"') => word = Some(Vec::new()),
            (None, b'[') => depth += 1,
            (None, b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok((words, text.get(index + 2..).unwrap_or_default()));
                }
            }
            (None, _) => (),
        }
    }
    bail!("a list does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_outputs_are_read_and_the_rest_is_not() {
        let hash = "z1kgg0rv7f2b3i9vkdlab6ldyxpilhi3";
        let text = format!(
            r#"Derive([("out","/nix/store/{hash}-a","","")],[("/nix/store/{hash}-b.drv",["dev","out"]),("/nix/store/{hash}-c.drv",["out"])],["/nix/store/{hash}-src"],"x86_64-linux","/bin/sh",["-c","echo \"[/nix/store/{hash}-d.drv]\""],[("out","/nix/store/{hash}-a")])"#
        );
        let names = |paths: &BTreeSet<StorePath>| -> Vec<String> {
            paths.iter().map(|path| path.name().to_owned()).collect()
        };
        let derivation = parse(text.as_bytes()).unwrap();
        assert_eq!(names(&derivation.input_derivations), ["b.drv", "c.drv"]);
        assert_eq!(names(&derivation.input_sources), ["src"]);
        assert_eq!(derivation.outputs[0].name(), "a");
        let dynamic = text.replacen("Derive(", "DrvWithVersion(\"xp-dyn-drv\",", 1);
        assert_eq!(parse(dynamic.as_bytes()).unwrap(), derivation);
    }

    #[test]
    fn a_cut_file_is_an_error() {
        assert!(parse(b"Derive([(\"out\",\"/nix").is_err());
        assert!(parse(b"").is_err());
    }
}

//! Which stage a fleet can be evaluated in here: whether its locked inputs are in the store or can be fetched.
//! Costs no download, and under three seconds where nothing answers.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::reach::{unreachable, Memory};
use super::source_path::source_path;
use crate::cache_dir::CacheDir;
use crate::cli::StageChoice;
use crate::failure::Failure;
use crate::fleet::lock::{Input, Inputs, Reference};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::tools::nix::Nix;

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
            let memory = match choice {
                StageChoice::Nixos => Memory::Ignored,
                StageChoice::Auto | StageChoice::Rehearsal => Memory::Believed,
            };
            match unreachable(nix, &missing, cache, memory).await? {
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
            if let Some(reason) = unreachable(nix, &needed, cache, Memory::Believed).await? {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

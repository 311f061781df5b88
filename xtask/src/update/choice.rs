//! Which inputs are updated, and on which branch.

use anyhow::Result;
use guard::time::Time;

use crate::failure::Failure;
use crate::fleet::lock::Lock;
use crate::fleet::nearest::nearest;
use crate::fleet::refs;
use crate::fleet::stage::Stage;
use crate::tools::git::Git;

/// What is wanted, and what stands in the way of it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// All if empty.
    pub inputs: &'a [String],
    /// By their paths: what the stage replaces.
    pub replaced: &'a [String],
    pub stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// At least one.
    Inputs(Vec<String>),
    /// The flake has none, or the stage replaces all there are.
    Nothing,
}

/// # Errors
/// Usage, naming the nearest inputs and all of them, if the flake has no such input; missing, if the stage builds a
/// stand-in in its place.
pub fn choose(lock: &Lock, wish: &Wish<'_>) -> Result<Choice, Failure> {
    let names = lock.names();
    let paths = lock.paths();
    let is_replaced = |name: &str| {
        let mut all = wish.replaced.iter();
        all.any(|path| path == name)
    };
    for input in wish.inputs {
        if !names.contains(&input.as_str()) && !paths.contains(input) {
            return Err(unknown(input, &names));
        }
        if is_replaced(input) {
            return Err(Failure::missing(format!(
                "cannot judge an update of {input}: stage {} builds a stand-in in its place",
                wish.stage
            ))
            .try_next("--stage nixos, where the inputs can be fetched"));
        }
    }
    if !wish.inputs.is_empty() {
        return Ok(Choice::Inputs(wish.inputs.to_vec()));
    }
    let left: Vec<String> = names
        .iter()
        .filter(|name| !is_replaced(name))
        .map(|name| (*name).to_owned())
        .collect();
    Ok(if left.is_empty() {
        Choice::Nothing
    } else {
        Choice::Inputs(left)
    })
}

fn unknown(input: &str, names: &[&str]) -> Failure {
    if names.is_empty() {
        return Failure::usage(format!(
            "the flake has no input `{input}`: it has no inputs at all"
        ));
    }
    let failure = Failure::usage(format!(
        "the flake has no input `{input}`, only {}",
        names.join(", ")
    ));
    let near = nearest(input, names);
    if near.is_empty() {
        failure.try_next("one of these, or none for all of them")
    } else {
        failure.try_next(near.join(", "))
    }
}

/// The branch that is to be made.
///
/// # Errors
/// Usage, if it is there already, is no name for a branch, or would be deployed from.
pub async fn branch(git: &Git, wanted: Option<&str>) -> Result<String> {
    let name = match wanted {
        Some(name) => name.to_owned(),
        None => today(),
    };
    if refs::is_deployed_from(&name) {
        return Err(Failure::usage(format!(
            "branch {name} is deployed to hosts, and an update is to be looked at first"
        ))
        .try_next(format!("--branch {}", today()))
        .into());
    }
    if !git.could_be_branch(&name).await? {
        return Err(Failure::usage(format!("`{name}` is no name for a branch"))
            .try_next(format!("--branch {}", today()))
            .into());
    }
    if git.has_branch(&name).await? {
        return Err(Failure::usage(format!("there is a branch {name} already"))
            .try_next(format!(
                "--branch with another name, or: git branch --delete --force {name}"
            ))
            .into());
    }
    Ok(name)
}

/// `update-2026-11-22`, in UTC.
fn today() -> String {
    let now = Time::now().to_string();
    format!("update-{}", now.split('T').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let text = r#"{"root":"root","version":7,"nodes":{
            "root":{"inputs":{"nixpkgs":"nixpkgs","site":"site","tools":"tools","same":["nixpkgs"]}},
            "nixpkgs":{},"site":{"inputs":{"lib":"lib"}},"lib":{},"tools":{}}}"#;
        Lock::parse(text).unwrap()
    }

    fn chosen(inputs: &[&str], replaced: &[&str]) -> Result<Choice, String> {
        let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let (inputs, replaced) = (owned(inputs), owned(replaced));
        let wish = Wish {
            inputs: &inputs,
            replaced: &replaced,
            stage: Stage::Rehearsal,
        };
        choose(&lock(), &wish)
            .map_err(|it| format!("{it} / {}", it.next_step().unwrap_or_default()))
    }

    fn some(inputs: &[&str]) -> Result<Choice, String> {
        let inputs = inputs.iter().map(|it| (*it).to_owned()).collect();
        Ok(Choice::Inputs(inputs))
    }

    #[test]
    fn without_names_it_is_all_that_the_stage_can_judge() {
        let all = ["nixpkgs", "site", "tools"];
        assert_eq!(chosen(&[], &[]), some(&all));
        assert_eq!(chosen(&[], &["site/lib"]), some(&all));
        assert_eq!(chosen(&[], &["nixpkgs"]), some(&["site", "tools"]));
        assert_eq!(chosen(&[], &all), Ok(Choice::Nothing));
        assert_eq!(
            chosen(&["tools", "site/lib"], &[]),
            some(&["tools", "site/lib"])
        );
    }

    #[test]
    fn an_input_that_is_none_or_replaced_is_told() {
        insta::assert_snapshot!(chosen(&["nixpgks"], &[]).unwrap_err(), @"the flake has no input `nixpgks`, only nixpkgs, site, tools / nixpkgs");
        insta::assert_snapshot!(chosen(&["zzz"], &[]).unwrap_err(), @"the flake has no input `zzz`, only nixpkgs, site, tools / one of these, or none for all of them");
        insta::assert_snapshot!(chosen(&["nixpkgs"], &["nixpkgs"]).unwrap_err(), @"cannot judge an update of nixpkgs: stage rehearsal builds a stand-in in its place / --stage nixos, where the inputs can be fetched");
    }
}

//! Which plays a person means by the names on the command line. Pure.

use std::collections::BTreeSet;

use harness::scenario::Play;

use crate::failure::Failure;
use crate::fleet::nearest::nearest;

/// What can be chosen: a scenario and its plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub name: String,
    pub title: String,
    pub plays: Vec<Play>,
}

/// The plays that `wanted` names, in their order; all of them if it is empty. A scenario's name means its cells and its
/// controls, a cell's or a control's name that alone; `boot*` is all names that begin so.
///
/// # Errors
/// Usage, with the nearest names, if one of them is nothing here.
pub fn select(all: &[Choice], wanted: &[String]) -> Result<Vec<Choice>, Failure> {
    if wanted.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen = BTreeSet::new();
    for name in wanted {
        let found = plays_of(all, name);
        if found.is_empty() {
            return Err(unknown(name, all));
        }
        chosen.extend(found);
    }
    Ok(only(all, |play| chosen.contains(play.name.as_str())))
}

/// The scenarios with those of their plays for which this is so.
pub fn only(all: &[Choice], is_chosen: impl Fn(&Play) -> bool) -> Vec<Choice> {
    let choices = all.iter().filter_map(|choice| {
        let plays = choice.plays.iter().filter(|play| is_chosen(play));
        let plays: Vec<Play> = plays.cloned().collect();
        (!plays.is_empty()).then(|| Choice {
            plays,
            ..choice.clone()
        })
    });
    choices.collect()
}

fn plays_of<'a>(all: &'a [Choice], name: &str) -> Vec<&'a str> {
    let plays = |choice: &'a Choice| choice.plays.iter().map(|play| play.name.as_str());
    if let Some(beginning) = name.strip_suffix('*') {
        let matches = |choice: &'a Choice| {
            let whole = choice.name.starts_with(beginning);
            plays(choice).filter(move |play| whole || play.starts_with(beginning))
        };
        return all.iter().flat_map(matches).collect();
    }
    match all.iter().find(|choice| choice.name == name) {
        Some(choice) => plays(choice).collect(),
        None => all
            .iter()
            .flat_map(plays)
            .filter(|play| *play == name)
            .collect(),
    }
}

fn unknown(name: &str, all: &[Choice]) -> Failure {
    let scenarios: Vec<&str> = all.iter().map(|choice| choice.name.as_str()).collect();
    let plays = all.iter().flat_map(|choice| &choice.plays);
    // Controls have long names that nobody means by chance.
    let plays = plays.filter(|play| match play.control {
        Some(_) => name.contains("-control"),
        None => play.cell.is_some(),
    });
    let mut names = scenarios.clone();
    names.extend(plays.map(|play| play.name.as_str()));
    if name.ends_with('*') {
        return Failure::usage(format!("no scenario or cell has a name like `{name}`"))
            .try_next(format!("one of {}", scenarios.join(", ")));
    }
    let near = nearest(name, &names);
    let failure = Failure::usage(format!("no scenario or cell is called `{name}`"));
    if near.is_empty() {
        failure.try_next(format!("one of {}", scenarios.join(", ")))
    } else {
        failure.try_next(format!("cargo xtask vm-test {}", near.join(", or ")))
    }
}

/// Nobody said what to play.
pub fn nothing_named(all: &[Choice]) -> Failure {
    let width = all.iter().map(|choice| choice.name.len()).max();
    let width = width.unwrap_or(0);
    let mut message = "nothing to play: name scenarios, or --all for every one".to_owned();
    for choice in all {
        message.push_str(&format!("\n  {:width$}  {}", choice.name, choice.title));
    }
    let first = all.first().map_or("NAME", |choice| choice.name.as_str());
    Failure::usage(message).try_next(format!("cargo xtask vm-test {first}"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cell, choice, control, play};
    use super::*;

    fn all() -> Vec<Choice> {
        vec![
            choice("boot", vec![cell("boot", "Niko"), cell("boot", "Ingress")]),
            choice("boot-mode", vec![play("boot-mode")]),
            choice(
                "deploy-rollback",
                vec![play("deploy-rollback"), control("deploy-rollback", 1)],
            ),
        ]
    }

    fn names(wanted: &[&str]) -> Result<Vec<String>, Failure> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let chosen = select(&all(), &wanted)?;
        let plays = chosen.into_iter().flat_map(|choice| choice.plays);
        Ok(plays.map(|play| play.name).collect())
    }

    #[test]
    fn a_scenario_is_all_its_cells_and_controls_and_a_cell_itself() {
        assert_eq!(names(&["boot"]).unwrap(), ["boot-Niko", "boot-Ingress"]);
        assert_eq!(names(&["boot-Niko"]).unwrap(), ["boot-Niko"]);
        assert_eq!(
            names(&["deploy-rollback"]).unwrap(),
            ["deploy-rollback", "deploy-rollback-control-1"]
        );
        assert_eq!(
            names(&["deploy-rollback-control-1"]).unwrap(),
            ["deploy-rollback-control-1"]
        );
        assert_eq!(names(&[]).unwrap().len(), 5);
    }

    #[test]
    fn a_beginning_means_scenarios_and_cells_and_nothing_is_played_twice() {
        let boot = ["boot-Niko", "boot-Ingress", "boot-mode"];
        assert_eq!(names(&["boot*"]).unwrap(), boot);
        assert_eq!(names(&["boot-mode", "boot*"]).unwrap(), boot);
        assert_eq!(names(&["boot-N*"]).unwrap(), ["boot-Niko"]);
        assert_eq!(names(&["*"]).unwrap().len(), 5);
    }

    #[test]
    fn an_unknown_name_tells_the_nearest() {
        let told = |name: &str| {
            let failure = names(&[name]).unwrap_err();
            format!("{failure}; {}", failure.next_step().unwrap())
        };
        insta::assert_snapshot!(
            [told("deploy-rolback"), told("boot-Nico"), told("deploy-rollback-control-2"), told("zzz"), told("zz*")].join("\n"),
            @r"
        no scenario or cell is called `deploy-rolback`; cargo xtask vm-test deploy-rollback
        no scenario or cell is called `boot-Nico`; cargo xtask vm-test boot-Niko, or boot, or boot-mode
        no scenario or cell is called `deploy-rollback-control-2`; cargo xtask vm-test deploy-rollback-control-1, or deploy-rollback
        no scenario or cell is called `zzz`; one of boot, boot-mode, deploy-rollback
        no scenario or cell has a name like `zz*`; one of boot, boot-mode, deploy-rollback
        ");
    }

    #[test]
    fn without_a_name_the_scenarios_are_listed() {
        let failure = nothing_named(&all());
        insta::assert_snapshot!(failure.to_string(), @r"
        nothing to play: name scenarios, or --all for every one
          boot             The title of boot
          boot-mode        The title of boot-mode
          deploy-rollback  The title of deploy-rollback
        ");
    }
}

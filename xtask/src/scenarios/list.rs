//! What a person reads of scenarios that are not played: the list, and that all files are right.

use super::select::Choice;
use harness::scenario::Machine;

use crate::report::words::counted;

/// A paragraph a scenario: what it is, what it needs, where it can be played.
pub fn text(choices: &[Choice], stages: impl Fn(&Choice) -> Vec<String>) -> String {
    let width = choices.iter().map(|choice| choice.name.len()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for choice in choices {
        text.push_str(&format!("{:width$}  {}\n", choice.name, choice.title));
        let mut fact = |word: &str, said: &str| {
            text.push_str(&format!("{:width$}  {word} {said}\n", ""));
        };
        fact("machines:", &machines(choice));
        fact("plays:", &plays(choice));
        for stage in stages(choice) {
            fact("stage", &stage);
        }
    }
    text
}

/// Of its first play: those of a matrix differ in their hosts only.
fn machines(choice: &Choice) -> String {
    let matrix = choice.plays.iter().any(|play| play.cell.is_some());
    let Some(play) = choice.plays.first() else {
        return String::new();
    };
    let names = play.machines.iter().map(|(name, machine)| match machine {
        Machine::Host(machine) if matrix && machine.host != *name => "a host".to_owned(),
        Machine::Host(_) | Machine::Helper => name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn plays(choice: &Choice) -> String {
    let controls = choice
        .plays
        .iter()
        .filter(|play| play.control.is_some())
        .count();
    let cells: Vec<&str> = choice
        .plays
        .iter()
        .filter(|play| play.control.is_none())
        .filter_map(|play| play.cell.as_deref())
        .collect();
    let mut parts = Vec::new();
    if cells.is_empty() {
        parts.push("1".to_owned());
    } else {
        parts.push(format!(
            "{} ({})",
            counted(cells.len(), "cell"),
            cells.join(", ")
        ));
    }
    if controls > 0 {
        parts.push(counted(controls, "control"));
    }
    parts.join(", ")
}

/// All files are right.
pub fn checked(choices: &[Choice]) -> String {
    let plays = choices.iter().map(|choice| choice.plays.len()).sum();
    format!(
        "{} with {}: every name in them is known\n",
        counted(choices.len(), "scenario"),
        counted(plays, "play")
    )
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cell, choice, control, play};
    use super::*;

    #[test]
    fn a_paragraph_a_scenario() {
        let mut hosts = vec![cell("boot", "Ingress"), cell("boot", "Niko")];
        for play in &mut hosts {
            let machine = play.machines.remove("Niko").unwrap();
            play.machines.clear();
            play.machines.insert("machine".to_owned(), machine);
        }
        let all = [
            choice("boot", hosts),
            choice("one", vec![play("one"), control("one", 1)]),
        ];
        let stages = |_: &Choice| {
            vec![
                "rehearsal".to_owned(),
                "nixos: not playable, why".to_owned(),
            ]
        };
        let text = text(&all, stages);
        insta::assert_snapshot!(format!("{text}{}", checked(&all)));
    }
}

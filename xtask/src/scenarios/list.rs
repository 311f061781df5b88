//! What a person reads of scenarios that are not played: the list, and that all files are right.

use super::select::Choice;
use harness::scenario::Machine;

use crate::report::table::Table;
use crate::report::words::counted;

/// A row a scenario: what it is, what it needs, where it can be played.
pub fn table(choices: &[Choice], stages: impl Fn(&Choice) -> String) -> Table {
    let mut table = Table::new(["scenario", "title", "machines", "plays", "stages"]);
    for choice in choices {
        table.row([
            choice.name.clone(),
            choice.title.clone(),
            machines(choice),
            plays(choice),
            stages(choice),
        ]);
    }
    table
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
        parts.push(format!("{} ({})", cells.len(), cells.join(", ")));
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
    fn a_row_a_scenario() {
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
        let text = table(&all, |_| "both".to_owned()).text();
        insta::assert_snapshot!(format!("{text}{}", checked(&all)));
    }
}

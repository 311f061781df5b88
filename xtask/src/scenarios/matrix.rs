//! The matrices of a run as Markdown: a table a scenario, a row a cell, with the times that show where its fault fell.

use super::outcome::{Played, Report, Scenario, Verdict};
use crate::report::words::counted;

/// One document; scenarios without cells are not in it.
pub fn document(report: &Report) -> String {
    let revision = report.revision.as_deref().unwrap_or("no commit");
    let changed = match report.dirty {
        true => ", with uncommitted changes",
        false => "",
    };
    let accelerator = match &report.accelerator {
        Some(accelerator) => format!(", {accelerator}"),
        None => String::new(),
    };
    let mut text = format!(
        "# What became of each cell\n\nMade by `cargo xtask vm-test --matrix FILE`, stage {}{accelerator}, at {}{changed}.\n",
        report.stage,
        revision.get(..10).unwrap_or(revision),
    );
    for scenario in &report.scenarios {
        let cells: Vec<&Played> = (scenario.plays.iter())
            .filter(|play| play.cell.is_some() && play.control.is_none())
            .collect();
        if !cells.is_empty() {
            text.push_str(&table(scenario, &cells));
        }
    }
    text
}

fn table(scenario: &Scenario, cells: &[&Played]) -> String {
    let red = cells.iter().filter(|cell| !cell.verdict.is_good()).count();
    let mut text = format!(
        "\n## {}\n\n{}, {red} of them red.\n\n| cell | what was to be seen | result | fault: after the phase began, before it ended |\n|---|---|---|---|\n",
        scenario.name,
        counted(cells.len(), "cell"),
    );
    for cell in cells {
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            plain(cell.cell.as_deref().unwrap_or_default()),
            plain(&cell.title),
            result(cell),
            times(cell)
        ));
    }
    text
}

fn result(cell: &Played) -> String {
    match (cell.verdict, &cell.not_playable) {
        (Verdict::NotPlayable, Some(why)) => format!("not playable: {}", plain(why)),
        (Verdict::Passed | Verdict::NotPlayable, _) => cell.verdict.words().to_owned(),
        _ => format!("**{}**: {}", cell.verdict.words(), plain(&cell.message())),
    }
}

/// Of the first fault that was watched.
fn times(cell: &Played) -> String {
    let fault = cell.steps.iter().find_map(|step| step.fault.as_ref());
    let Some(fault) = fault else {
        return String::new();
    };
    let after = format!("{:.2} s", fault.fell - fault.reached);
    match (fault.too_late, fault.not_yet) {
        (Some(late), _) => format!("{after}; **ended at {:.2} s**", late - fault.reached),
        (None, Some(_)) => format!("{after}, not over"),
        (None, None) => after,
    }
}

/// A cell of a table is one line, and a bar ends it.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use harness::scenario::{FaultTimes, StepOutcome, StepResult};

    use super::super::samples::report;
    use super::*;

    #[test]
    fn a_row_a_cell_with_the_times_of_its_fault() {
        let mut report = report();
        let failure = report.scenarios[1].plays[0].failure.clone();
        let cells = &mut report.scenarios[0].plays;
        cells[0].steps[0].fault = Some(FaultTimes {
            reached: 3.0,
            fell: 3.25,
            not_yet: Some(3.5),
            too_late: None,
        });
        cells[1].verdict = Verdict::Failed;
        cells[1].steps = vec![StepOutcome {
            result: StepResult::Failed,
            ..cells[1].steps[0].clone()
        }];
        cells[1].failure = failure;
        insta::assert_snapshot!(document(&report));
    }

    #[test]
    fn a_bar_and_a_line_end_do_not_break_a_table() {
        assert_eq!(plain("a|b\nc"), "a\\|b c");
    }
}

//! What a person reads of plays: the table, the failures, the summary.

use harness::scenario::Failure;

use super::outcome::{Played, Report, Scenario, Verdict};
use crate::report::table::Table;
use crate::report::words::{counted, seconds};

/// A row a play; cells and controls stand below their scenario.
pub fn table(report: &Report) -> Table {
    if report.repeat > 1 {
        return super::repeat::table(report);
    }
    let mut table = Table::new(["play", "result", "steps", "s"]).numbers([3]);
    for scenario in &report.scenarios {
        if !stands_alone(scenario) {
            table.row([
                scenario.name.clone(),
                group(scenario),
                String::new(),
                seconds(scenario.seconds()),
            ]);
        }
        for play in &scenario.plays {
            let name = if stands_alone(scenario) {
                play.name.clone()
            } else {
                format!("  {}", play.short_name())
            };
            table.row([
                name,
                verdict(play).to_owned(),
                steps(play),
                seconds(play.seconds),
            ]);
        }
    }
    table
}

/// One play that has the scenario's name needs no line above it.
fn stands_alone(scenario: &Scenario) -> bool {
    matches!(&scenario.plays[..], [play] if play.name == scenario.name)
}

fn group(scenario: &Scenario) -> String {
    if scenario.verdict == Verdict::NotPlayable && scenario.plays.iter().all(not_played) {
        return Verdict::NotPlayable.words().to_owned();
    }
    let good = scenario.plays.iter().filter(|play| play.verdict.is_good());
    let (good, all) = (good.count(), scenario.plays.len());
    if good == all {
        "passed".to_owned()
    } else {
        format!("failed: {} of {all}", all - good)
    }
}

fn not_played(play: &Played) -> bool {
    play.verdict == Verdict::NotPlayable
}

/// In a row: a control passes by failing.
fn verdict(play: &Played) -> &'static str {
    match (&play.control, play.verdict) {
        (Some(_), Verdict::Passed) => "failed, as it must",
        (_, verdict) => verdict.words(),
    }
}

fn steps(play: &Played) -> String {
    let (done, all) = (play.done(), play.steps.len());
    if done == all {
        all.to_string()
    } else {
        format!("{done} of {all}")
    }
}

/// One line on all of it.
pub fn summary(report: &Report) -> String {
    let mut parts = vec![format!(
        "{} of {} passed",
        report.count(Verdict::Passed),
        counted(report.plays().count(), "play")
    )];
    for verdict in [Verdict::Failed, Verdict::Broken, Verdict::NotPlayable] {
        let count = report.count(verdict);
        if count > 0 {
            parts.push(format!("{count} {}", verdict.words()));
        }
    }
    let mut how = vec![format!("stage {}", report.stage)];
    how.extend(report.accelerator.clone());
    how.push(format!("{} at a time", report.jobs));
    format!(
        "{} in {} s ({})",
        parts.join(", "),
        seconds(report.seconds),
        how.join(", ")
    )
}

/// The plays that this stage's player cannot play, and why.
pub fn not_playable(report: &Report) -> String {
    let lines = report.plays().filter_map(|play| {
        let why = play.not_playable.as_ref()?;
        Some(format!(
            "note: {} is not playable in stage {}: {why}\n",
            play.name, report.stage
        ))
    });
    lines.collect()
}

/// Every play that is not what it should be: why, what machines said last, where all of it is, and what to try.
pub fn failures(report: &Report) -> String {
    let mut text = String::new();
    for play in report.plays().filter(|play| !play.verdict.is_good()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&of_play(play));
    }
    text
}

/// One of them.
pub fn of_play(play: &Played) -> String {
    let mut text = format!("error: {}: {}\n", play.name, play.message());
    if let Some(failure) = &play.failure {
        text.push_str(&why(failure, failure.step.is_some()));
    }
    text.push_str(&format!("  {:<9} {}\n", "logs", play.logs.display()));
    if let Some(failure) = &play.failure {
        for machine in &failure.kept {
            text.push_str(&format!("  {:<9} cargo xtask vm shell {machine}\n", "kept"));
        }
        if let Some(next_step) = &failure.next_step {
            text.push_str(&format!("try: {next_step}\n"));
        }
    }
    text.push_str(&format!("try: cargo xtask vm-test {}\n", play.name));
    text
}

/// The step as written, what was expected and found, and the last lines of the machine. Without a step, `found` is the
/// message already, but for what follows its first line.
fn why(failure: &Failure, at_a_step: bool) -> String {
    let mut text = format!("  {}\n", failure.place);
    text.push_str(&lines("| ", &failure.written));
    let mut tell = |word: &str, said: &str| {
        let mut rest = said.trim_end().lines();
        if let Some(first) = rest.next() {
            text.push_str(&format!("  {word:<9} {first}\n"));
            let rest: Vec<&str> = rest.collect();
            text.push_str(&lines("          ", &rest.join("\n")));
        }
    };
    tell("expected", &failure.expected);
    if at_a_step {
        tell("found", &failure.found);
    } else {
        let rest: Vec<&str> = failure.found.lines().skip(1).collect();
        text.push_str(&lines("", &rest.join("\n")));
    }
    let machine = failure.machine.as_deref().unwrap_or("the controller");
    for (what, said) in [("journal", &failure.journal), ("console", &failure.console)] {
        if !said.is_empty() {
            text.push_str(&format!("  {what} of {machine}, its last lines\n"));
            text.push_str(&lines("> ", &said.join("\n")));
        }
    }
    text
}

fn lines(mark: &str, text: &str) -> String {
    let lines = text.trim_end().lines();
    lines
        .map(|line| format!("  {mark}{line}").trim_end().to_owned() + "\n")
        .collect()
}

/// What became of a play, for its plain line.
pub fn ended(play: &Played) -> String {
    let ending = format!("{} in {} s", verdict(play), seconds(play.seconds));
    match play.message() {
        message if message.is_empty() => ending,
        message => format!("{ending}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::report;
    use super::*;

    #[test]
    fn a_row_a_play_below_its_scenario() {
        let report = report();
        insta::assert_snapshot!(format!("{}{}", table(&report).text(), summary(&report)));
    }

    #[test]
    fn a_failure_says_what_was_expected_and_where_to_look() {
        insta::assert_snapshot!(failures(&report()));
    }

    #[test]
    fn what_cannot_be_played_says_why() {
        let mut report = report();
        report.stage = crate::fleet::stage::Stage::Nixos;
        report.scenarios = vec![super::super::samples::not_playable()];
        let text = format!(
            "{}{}{}",
            not_playable(&report),
            table(&report).text(),
            summary(&report)
        );
        insta::assert_snapshot!(text);
    }
}

//! The same plays several times: how often each passed, and where it stopped when it did not.

use std::collections::BTreeMap;

use super::outcome::{Played, Report, Verdict};
use crate::report::table::Table;
use crate::report::words::seconds;

/// A row a play with all its rounds.
pub fn table(report: &Report) -> Table {
    let mut table = Table::new(["play", "passed", "median s", "longest s", "stopped at"]);
    table = table.numbers([2, 3]);
    for rounds in by_name(report) {
        let passed = rounds.iter().filter(|play| has_passed(play)).count();
        let mut times: Vec<f64> = rounds.iter().map(|play| play.seconds).collect();
        times.sort_by(f64::total_cmp);
        let first = rounds[0];
        let name = match &first.control {
            Some(control) => format!("{} control: {}", scenario_of(first), control.title),
            None => first.name.clone(),
        };
        table.row([
            name,
            format!("{passed} of {}", rounds.len()),
            seconds(times[times.len() / 2]),
            seconds(times[times.len() - 1]),
            stopped_at(&rounds),
        ]);
    }
    table
}

/// The plays that passed in some rounds and not in others.
pub fn flaky(report: &Report) -> Vec<String> {
    let flaky = by_name(report).into_iter().filter(|rounds| {
        let passed = rounds.iter().filter(|play| has_passed(play)).count();
        passed > 0 && passed < rounds.len()
    });
    flaky.map(|rounds| rounds[0].name.clone()).collect()
}

/// One that cannot be played here is good, and has not passed.
fn has_passed(play: &Played) -> bool {
    play.verdict == Verdict::Passed
}

/// A control's name ends in `-control-N`.
fn scenario_of(play: &Played) -> &str {
    play.name
        .rsplit_once("-control-")
        .map_or(play.name.as_str(), |(scenario, _)| scenario)
}

fn by_name(report: &Report) -> Vec<Vec<&Played>> {
    let mut order: Vec<&str> = Vec::new();
    let mut rounds: BTreeMap<&str, Vec<&Played>> = BTreeMap::new();
    for play in report.plays() {
        if !rounds.contains_key(play.name.as_str()) {
            order.push(&play.name);
        }
        rounds.entry(&play.name).or_default().push(play);
    }
    order
        .into_iter()
        .filter_map(|name| rounds.remove(name))
        .collect()
}

/// `the host is back (2), the link is cut`.
fn stopped_at(rounds: &[&Played]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for play in rounds.iter().filter(|play| !has_passed(play)) {
        let failure = play.failure.as_ref();
        let step = failure.and_then(|failure| failure.step.as_deref());
        let otherwise = match play.verdict {
            Verdict::NotPlayable => play.verdict.words(),
            _ => "before the first step",
        };
        *counts.entry(step.unwrap_or(otherwise)).or_default() += 1;
    }
    let words = counts.iter().map(|(step, count)| match count {
        1 => (*step).to_owned(),
        _ => format!("{step} ({count})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::samples::report;
    use super::*;

    #[test]
    fn a_flake_is_told_with_the_step_at_which_it_stopped() {
        let mut report = report();
        report.repeat = 2;
        for scenario in &mut report.scenarios {
            let mut second = scenario.plays.clone();
            for play in &mut second {
                play.round = 2;
                play.seconds += 3.0;
                play.verdict = Verdict::Passed;
                play.failure = None;
            }
            scenario.plays.append(&mut second);
        }
        insta::assert_snapshot!(table(&report).text());
        assert_eq!(flaky(&report), ["deploy-rollback", "substitute"]);
    }

    #[test]
    fn what_is_not_playable_here_has_not_passed_once() {
        let mut report = report();
        report.scenarios = vec![super::super::samples::not_playable()];
        let text = table(&report).text();
        assert!(text.contains("0 of 1"), "{text}");
        assert!(text.contains("not playable here"), "{text}");
        assert_eq!(flaky(&report), Vec::<String>::new());
    }
}

//! What was checked, as a person reads it.

use super::{Report, Verdict};
use crate::report::table::Table;
use crate::report::words::seconds;

pub fn text(report: &Report) -> String {
    let mut table = Table::new(["check", "result", "seconds", "why"]).numbers([2]);
    for row in &report.checks {
        let (result, why) = match &row.verdict {
            Verdict::Passed => ("passed", ""),
            Verdict::Failed(_) => ("failed", "see below"),
            Verdict::NotBuilt(why) => ("not built here", why.as_str()),
        };
        table.row([
            row.name.clone(),
            result.to_owned(),
            seconds(row.seconds),
            why.to_owned(),
        ]);
    }
    let count = |which: fn(&Verdict) -> bool| {
        report
            .checks
            .iter()
            .filter(|row| which(&row.verdict))
            .count()
    };
    let counts = format!(
        "{} passed, {} failed, {} not built here\n",
        count(|it| *it == Verdict::Passed),
        count(|it| matches!(it, Verdict::Failed(_))),
        count(|it| matches!(it, Verdict::NotBuilt(_))),
    );
    let mut text = table.text();
    for row in &report.checks {
        if let Verdict::Failed(detail) = &row.verdict {
            text.push_str(&format!("\n{} failed:\n", row.name));
            for line in detail.lines() {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
    text.push_str(&counts);
    text
}

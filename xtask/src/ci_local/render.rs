//! What became of a local run, as a person reads it.

use super::outcome::{MachineState, Report, State};
use crate::report::table::Table;
use crate::report::words::{counted, seconds};

pub fn text(report: &Report) -> String {
    let mut table = Table::new(["workflow", "job", "result", "steps", "s", "why"]).numbers([3, 4]);
    for workflow in &report.workflows {
        let file = workflow.file.as_str();
        if let Some(why) = &workflow.skipped {
            table.row([file, "", State::Skipped.word(), "", "", why]);
        }
        for job in &workflow.jobs {
            let done = job
                .steps
                .iter()
                .filter(|it| it.state == State::Passed)
                .count();
            let steps = match job.steps.len() {
                0 => String::new(),
                all if all == done => all.to_string(),
                all => format!("{done} of {all}"),
            };
            let time = if job.steps.is_empty() {
                String::new()
            } else {
                seconds(job.seconds)
            };
            let why = job.why.as_deref().unwrap_or_default();
            // The last lines stand below.
            let why = why.lines().next().unwrap_or_default();
            table.row([file, &job.job, job.state.word(), &steps, &time, why]);
        }
    }
    let mut text = table.text();
    if !report.machines.is_empty() {
        text.push('\n');
        text.push_str(&machines(report));
    }
    text
}

fn machines(report: &Report) -> String {
    let mut table = Table::new(["host", "its machine", "system", "why"]);
    for machine in &report.machines {
        let running = machine.running.as_ref().map(|path| path.hash().to_owned());
        let word = match (machine.rebooted, machine.state) {
            (true, MachineState::Equal) => "booted the commit's system",
            (_, state) => state.word(),
        };
        table.row([
            machine.host.as_str(),
            word,
            &running.unwrap_or_default(),
            machine.why.as_deref().unwrap_or_default(),
        ]);
    }
    table.text()
}

/// Each job that failed: where, its last lines, its log, and the command that runs it again.
pub fn failures(report: &Report) -> String {
    let mut text = String::new();
    for workflow in &report.workflows {
        for job in workflow.jobs.iter().filter(|job| !job.state.is_good()) {
            let (file, name, word) = (&workflow.file, &job.job, job.state.word());
            text.push_str(&format!("\n{file}: {name} {word}"));
            if let Some(why) = &job.why {
                text.push_str(&format!(": {why}"));
            }
            text.push('\n');
            for line in &job.last_lines {
                text.push_str(&format!("  {line}\n"));
            }
            if let Some(log) = &job.log {
                text.push_str(&format!("log: {}\n", log.display()));
            }
            if let Some(again) = &job.again {
                text.push_str(&format!("try: {again}\n"));
            }
        }
    }
    text
}

/// The last line: counts, and what was run.
pub fn summary(report: &Report) -> String {
    let count = |which: fn(State) -> bool| {
        let jobs = report.workflows.iter().flat_map(|it| &it.jobs);
        jobs.filter(|job| which(job.state)).count()
    };
    let what = format!(
        "{} of {} at {}{}",
        report.event,
        report.reference,
        crate::fleet::refs::short(&report.commit),
        if report.dirty {
            " with the working tree's changes"
        } else {
            ""
        }
    );
    if report.plan {
        let jobs = counted(count(|it| it == State::Planned), "job");
        return format!("{what}: {jobs} would run; nothing was run");
    }
    format!(
        "{what}: {} passed, {} failed, {} skipped",
        counted(count(|it| it == State::Passed), "job"),
        count(|it| !it.is_good()),
        count(|it| it == State::Skipped),
    )
}

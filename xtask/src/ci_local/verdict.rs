//! From what act did to what became of each job, those that it never began among them. Pure.

use super::follow::Leg;
use super::outcome::{JobReport, State};
use super::plan::Planned;

/// How act ended.
#[derive(Debug, Clone)]
pub struct End {
    pub success: bool,
    /// Its last words.
    pub said: String,
    /// It was ended for a job's time.
    pub cut: bool,
}

/// A report for each leg, and for each job without one, in the order of the file.
pub fn jobs(
    planned: &[Planned],
    legs: &[Leg],
    unmapped: &[usize],
    end: &End,
    again: impl Fn(&Planned) -> String,
) -> Vec<JobReport> {
    let mut all: Vec<(String, JobReport)> = Vec::new();
    for (index, job) in planned.iter().enumerate() {
        let mut own: Vec<&Leg> = legs.iter().filter(|leg| leg.planned == index).collect();
        // act begins them in any order.
        own.sort_by(|a, b| a.name.cmp(&b.name));
        if own.is_empty() {
            let (state, why) = unseen(job, unmapped.contains(&index), &all, end);
            let mut report = JobReport::without_steps(&job.id, state, Some(why));
            report.again = (!state.is_good()).then(|| again(job));
            all.push((job.id.clone(), report));
        }
        for leg in own {
            all.push((job.id.clone(), seen(leg, || again(job))));
        }
    }
    let mut reports: Vec<JobReport> = all.into_iter().map(|(_, report)| report).collect();
    // Nothing that act calls a failure may look like a success.
    if !end.success && reports.iter().all(|job| job.state.is_good()) {
        let why = format!("act failed: {}", end.said);
        reports.push(JobReport::without_steps("act", State::Failed, Some(why)));
    }
    reports
}

fn seen(leg: &Leg, again: impl Fn() -> String) -> JobReport {
    // act ended without a word of this job's end.
    let cut = leg.state == State::Running;
    let state = if cut { State::Failed } else { leg.state };
    let good = state.is_good();
    JobReport {
        job: leg.name.clone(),
        state,
        why: if cut {
            Some("act ended before it did".to_owned())
        } else {
            leg.why.clone().filter(|_| !good)
        },
        seconds: leg.wall.as_secs_f64(),
        steps: leg.steps.clone(),
        log: Some(leg.log.clone()),
        last_lines: if good {
            Vec::new()
        } else {
            leg.last_lines.clone()
        },
        again: (!good).then(again),
    }
}

/// Why act never began a job; it does not say.
fn unseen(
    job: &Planned,
    unmapped: bool,
    before: &[(String, JobReport)],
    end: &End,
) -> (State, String) {
    if unmapped {
        let why = "no runner here has its label".to_owned();
        return (State::NotRun, why);
    }
    // A caller stands for all that it calls.
    let is_needed = |id: &str| {
        let mut needs = job.needs.iter();
        needs.any(|need| id == need || id.starts_with(&format!("{need} / ")))
    };
    let bad = before
        .iter()
        .find(|(id, report)| is_needed(id) && report.state != State::Passed);
    if let Some((id, report)) = bad {
        let word = match report.state {
            State::Skipped => "was skipped",
            State::NotRun => "was not run",
            State::TimedOut => "timed out",
            _ => "failed",
        };
        return (State::Skipped, format!("it needs {id}, which {word}"));
    }
    if end.cut {
        let why = "another job was over its time, and act ends all of a workflow".to_owned();
        return (State::NotRun, why);
    }
    if let Some(condition) = &job.job.condition {
        return (State::Skipped, format!("its `if` is not met: {condition}"));
    }
    (State::NotRun, format!("act did not begin it: {}", end.said))
}

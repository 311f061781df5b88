//! What became of each play: the report's types, which are also its JSON (docs/json/vm-test.schema.json).

use std::path::{Path, PathBuf};

use harness::scenario::{self, Failure, Outcome, Play, StepOutcome, StepResult};
use serde::Serialize;

use crate::fleet::stage::Stage;

/// The whole report. Seconds are wall time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    /// Why it was played in this stage.
    pub why_stage: String,
    pub flake: String,
    /// The commit that was played, or that the working tree is based on.
    pub revision: Option<String>,
    /// The working tree differs from that commit.
    pub dirty: bool,
    /// What ran the guests' CPUs; none if nothing was started, or if it is not known (stage nixos).
    pub accelerator: Option<String>,
    /// Plays at the same time, at most.
    pub jobs: usize,
    /// How often each was played.
    pub repeat: u16,
    pub seconds: f64,
    pub passed: bool,
    pub scenarios: Vec<Scenario>,
}

/// A scenario with the plays of it that were chosen. Its verdict is that of all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub verdict: Verdict,
    pub plays: Vec<Played>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Passed,
    /// The stage's player cannot play it, and says why.
    NotPlayable,
    /// An expectation did not hold; of a control: it did not fail, or not where it must.
    Failed,
    /// The machines could not be had, or were lost: nothing is known of what was to be proved.
    Broken,
}

impl Verdict {
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotPlayable => "not playable here",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }

    /// Nothing that anybody must look at.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::NotPlayable)
    }
}

/// One play: the scenario, a cell of it, or a control.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Played {
    /// The name that plays it again.
    pub name: String,
    /// The scenario's, with the cell's values in it.
    pub title: String,
    pub cell: Option<String>,
    pub control: Option<Control>,
    /// Counted from 1.
    pub round: u16,
    pub verdict: Verdict,
    /// From the start of the first machine to the end of the last.
    pub seconds: f64,
    /// Until all machines were up.
    pub setup_seconds: f64,
    /// Where transcript, consoles and outputs are; empty if nothing was kept, as of a round that passed.
    pub logs: PathBuf,
    pub steps: Vec<StepOutcome>,
    /// Why the stage's player cannot play it.
    pub not_playable: Option<String>,
    /// A control that passed has the failure that it was to have.
    pub failure: Option<Failure>,
}

/// A play that must fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    pub title: String,
    /// The step at which it must fail.
    pub fails_at: String,
}

impl Scenario {
    /// With the plays that were made; the worst of them is the verdict, and of none nothing is known.
    pub fn of(name: &str, title: &str, plays: Vec<Played>) -> Self {
        let worst = plays.iter().map(|play| play.verdict).max();
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            verdict: worst.unwrap_or(Verdict::Broken),
            plays,
        }
    }

    /// Of all its plays, one after the other.
    pub fn seconds(&self) -> f64 {
        // The sum of nothing would be -0.
        let seconds = self.plays.iter().map(|play| play.seconds);
        seconds.fold(0.0, |sum, one| sum + one)
    }
}

impl Played {
    /// What the player made of a play.
    pub fn of(play: &Play, round: u16, outcome: Outcome) -> Self {
        Self {
            name: play.name.clone(),
            title: play.title.clone(),
            cell: play.cell.clone(),
            control: play.control.as_ref().map(|control| Control {
                title: control.title.clone(),
                fails_at: control.fails_at.clone(),
            }),
            round,
            verdict: match outcome.verdict {
                scenario::Verdict::Passed => Verdict::Passed,
                scenario::Verdict::Failed => Verdict::Failed,
                scenario::Verdict::Broken => Verdict::Broken,
            },
            seconds: outcome.seconds,
            setup_seconds: outcome.setup_seconds,
            logs: outcome.logs,
            steps: outcome.steps,
            not_playable: None,
            failure: outcome.failure,
        }
    }

    /// A play that could not even begin.
    pub fn broken(play: &Play, round: u16, logs: &Path, why: String) -> Self {
        let failure = Failure {
            step: None,
            place: play.file.clone(),
            written: String::new(),
            expected: String::new(),
            found: why,
            machine: None,
            journal: Vec::new(),
            console: Vec::new(),
            error: None,
            next_step: None,
            kept: Vec::new(),
        };
        Self::of(play, round, nothing(play, Some(failure), logs))
    }

    /// A play that the stage's player cannot play.
    pub fn not_playable(play: &Play, why: String) -> Self {
        Self {
            verdict: Verdict::NotPlayable,
            not_playable: Some(why),
            ..Self::of(play, 1, nothing(play, None, Path::new("")))
        }
    }

    /// What went wrong, in a line; nothing if it passed.
    pub fn message(&self) -> String {
        let Some(failure) = self.failure.as_ref().filter(|_| !self.verdict.is_good()) else {
            return String::new();
        };
        let first = failure.found.lines().next().unwrap_or_default();
        match &failure.step {
            Some(step) => {
                let at = self.steps.iter().position(|it| it.name == *step);
                let at = at.map_or_else(String::new, |at| {
                    format!(" {} of {}", at + 1, self.steps.len())
                });
                format!("step{at} {}: {step}", self.verdict.words())
            }
            None => first.to_owned(),
        }
    }

    /// As a row below its scenario calls it.
    pub fn short_name(&self) -> String {
        match (&self.control, &self.cell) {
            (Some(control), _) => format!("control: {}", control.title),
            (None, Some(_)) => self.name.clone(),
            (None, None) => "as written".to_owned(),
        }
    }

    /// Steps that were played to their end.
    pub fn done(&self) -> usize {
        let done = |step: &&StepOutcome| step.result == StepResult::Passed;
        self.steps.iter().filter(done).count()
    }
}

/// Nothing was played.
fn nothing(play: &Play, failure: Option<Failure>, logs: &Path) -> Outcome {
    Outcome {
        play: play.name.clone(),
        title: play.title.clone(),
        verdict: scenario::Verdict::Broken,
        failure,
        steps: Vec::new(),
        setup_seconds: 0.0,
        seconds: 0.0,
        logs: logs.to_owned(),
    }
}

impl Report {
    pub fn plays(&self) -> impl Iterator<Item = &Played> {
        self.scenarios.iter().flat_map(|scenario| &scenario.plays)
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.plays().filter(|play| play.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use harness::scenario::FaultTimes;

    use super::{Scenario, Verdict};
    use crate::report::schema;
    use crate::scenarios::samples;

    #[test]
    fn a_scenario_of_which_nothing_was_played_has_not_passed() {
        let nothing = Scenario::of("boot", "Each host boots", Vec::new());
        assert_eq!(nothing.verdict, Verdict::Broken);
    }

    #[test]
    fn the_document_is_as_its_schema_says() {
        let mut report = samples::report();
        report.scenarios.push(samples::not_playable());
        let mut step = report.scenarios[0].plays[0].steps[0].clone();
        step.fault = Some(FaultTimes {
            reached: 1.0,
            fell: 1.5,
            not_yet: Some(1.6),
            too_late: None,
        });
        report.scenarios[0].plays[0].steps[0].then.push(step);
        let document = serde_json::to_value(&report).unwrap();
        assert_eq!(
            schema::complaints("vm-test", &document),
            Vec::<String>::new()
        );
        let mut without = document;
        without["scenarios"][0]["plays"][0]
            .as_object_mut()
            .unwrap()
            .remove("steps");
        without["scenarios"][1]["plays"][0]["failure"]["more"] = true.into();
        assert_eq!(schema::complaints("vm-test", &without).len(), 2);
    }
}

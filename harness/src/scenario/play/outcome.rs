//! What a play came to, as data: a verdict, each step with its times, and what a person needs to see of a failure.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::ErrorKind;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub play: String,
    pub title: String,
    pub verdict: Verdict,
    /// Why it failed; a control that passed has the failure that it was to have.
    pub failure: Option<Failure>,
    pub steps: Vec<StepOutcome>,
    /// Host seconds until all machines were up, and for everything.
    pub setup_seconds: f64,
    pub seconds: f64,
    /// Transcript, consoles, journals.
    pub logs: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Passed,
    Failed,
    /// The harness could not play it: nothing was learnt about what is proved.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutcome {
    pub name: String,
    pub result: StepResult,
    /// Host seconds since the first step began, and what it took; zero if it was not played.
    pub began: f64,
    pub seconds: f64,
    /// When a fault was injected into a running command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultTimes>,
    /// The steps of its `during`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<StepOutcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepResult {
    Passed,
    Failed,
    NotPlayed,
}

/// Host seconds since the command began.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultTimes {
    /// `when` was seen.
    pub reached: f64,
    /// The first fault of `then` had taken effect; the last step, if none is one.
    pub fell: f64,
    /// The last moment at which `before` was looked for and was not reached; the first at which it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_yet: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_late: Option<f64>,
}

/// What a person needs to see.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Name of the step; none if the play failed before its first or beside its steps.
    pub step: Option<String>,
    /// File and line of the step, and the step as it stands there.
    pub place: String,
    pub written: String,
    pub expected: String,
    pub found: String,
    /// The machine that the step was about, with the ends of its journal and console.
    pub machine: Option<String>,
    pub journal: Vec<String>,
    pub console: Vec<String>,
    /// What went wrong in the harness itself, if it was that.
    #[serde(skip)]
    pub error: Option<ErrorKind>,
    /// What to do next, where there is something.
    pub next_step: Option<String>,
    /// `GROUP/MACHINE` of each machine that was kept.
    pub kept: Vec<String>,
}

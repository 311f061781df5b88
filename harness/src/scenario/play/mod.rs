//! Plays a `Play` on real machines: each step done, looked at, and told. Knows no fleet and no deploy-rs; what a play
//! stands on is handed in as its `Ground`.

mod ground;
mod install;
mod outcome;

use std::path::PathBuf;
use std::time::Duration;

use super::{Play, Step};
use crate::error::Error;
use crate::harness::Harness;

pub use ground::{Closure, Closures, Controller, Ground, Nix};
pub use install::Installation;
pub use outcome::{Failure, FaultTimes, Outcome, StepOutcome, StepResult, Verdict};

/// How a play is played.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// A folder of this play's own; it stays.
    pub logs: PathBuf,
    /// Boot every machine instead of restoring it.
    pub cold: bool,
    /// Keep the machines of a play that failed in this folder.
    pub keep_failed: Option<PathBuf>,
}

/// Told what happens, from the thread that plays (`setup` from any).
pub trait Observer: Sync {
    /// A machine is being brought up; `step` in a few words.
    fn setup(&self, _machine: &str, _step: &str) {}
    /// `index` counts from 0; steps of `during` are not told.
    fn step_begins(&self, _index: usize, _step: &Step) {}
    fn step_ends(&self, _index: usize, _step: &Step, _result: StepResult, _took: Duration) {}
}

/// Tells nobody.
pub struct Silent;

impl Observer for Silent {}

/// Plays it from the start to the first step that fails. What went wrong, be it the harness itself, is in the outcome.
pub fn play(
    _harness: &Harness,
    _ground: &Ground,
    play: &Play,
    options: &PlayOptions,
    _observer: &dyn Observer,
) -> Outcome {
    let error = Error::new(crate::ErrorKind::State, "nothing is played yet");
    Outcome {
        play: play.name.clone(),
        title: play.title.clone(),
        verdict: Verdict::Broken,
        failure: Some(Failure {
            step: None,
            place: play.file.clone(),
            written: String::new(),
            expected: String::new(),
            found: error.to_string(),
            machine: None,
            journal: Vec::new(),
            console: Vec::new(),
            error: Some(error.kind()),
            next_step: None,
            kept: None,
        }),
        steps: Vec::new(),
        setup_seconds: 0.0,
        seconds: 0.0,
        logs: options.logs.clone(),
    }
}

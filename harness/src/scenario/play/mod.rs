//! Plays a `Play` on real machines: each step done, looked at, and told. Knows no fleet and no deploy-rs; what a play
//! stands on is handed in as its `Ground`.

mod controller;
mod during;
mod expect;
mod facts;
mod failure;
mod ground;
mod install;
mod outcome;
mod points;
mod running;
mod stage;
mod steps;
mod store;
mod units;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Play, Step};
use crate::harness::Harness;
use stage::Stage;
use verdict::{End, Trouble};

pub use ground::{Closure, Closures, Controller, Ground, Nix, Trust};
pub use install::Installation;
pub use outcome::{Failure, FaultTimes, Outcome, StepOutcome, StepResult, Verdict};

/// How a play is played.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// A folder of this play's own; it stays.
    pub logs: PathBuf,
    /// Boot every machine instead of restoring it.
    pub cold: bool,
    /// Keep the machines of a play that failed as this group (`Machine::keep`).
    pub keep_failed: Option<String>,
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
    harness: &Harness,
    ground: &Ground,
    play: &Play,
    options: &PlayOptions,
    observer: &dyn Observer,
) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome {
        play: play.name.clone(),
        title: play.title.clone(),
        verdict: Verdict::Broken,
        failure: None,
        steps: play.steps.iter().map(not_played).collect(),
        setup_seconds: 0.0,
        seconds: 0.0,
        logs: options.logs.clone(),
    };
    match Stage::set_up(harness, ground, play, options, observer) {
        Err(error) => {
            let mut failure = failure::of_set_up(play, &error);
            if options.keep_failed.is_some() {
                failure::not_kept(&mut failure, "no machine is kept, since not all came up");
            }
            outcome.failure = Some(failure);
        }
        Ok(mut stage) => {
            outcome.setup_seconds = started.elapsed().as_secs_f64();
            play_steps(&mut stage, observer, &mut outcome);
            if outcome.verdict != Verdict::Passed {
                failure::keep_journals(&stage);
                if let (Some(group), Some(failure)) = (&options.keep_failed, &mut outcome.failure) {
                    keep_machines(&stage, group, failure);
                }
            }
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome
}

fn not_played(step: &Step) -> StepOutcome {
    StepOutcome {
        name: step.name.clone(),
        result: StepResult::NotPlayed,
        began: 0.0,
        seconds: 0.0,
        fault: None,
        then: Vec::new(),
    }
}

fn play_steps(stage: &mut Stage, observer: &dyn Observer, outcome: &mut Outcome) {
    let play = stage.play;
    let began = Instant::now();
    let mut end = End::AllPassed;
    for (index, step) in play.steps.iter().enumerate() {
        observer.step_begins(index, step);
        let (played, trouble) = steps::play_step(stage, step, began);
        let took = Duration::from_secs_f64(played.seconds);
        observer.step_ends(index, step, played.result, took);
        outcome.steps[index] = played;
        if let Some(trouble) = trouble {
            end = match trouble {
                Trouble::Broken(_) => End::Broken,
                Trouble::Failed { .. } | Trouble::NotDone { .. } => End::FailedAt(step),
            };
            outcome.failure = Some(failure::of_step(stage, step, trouble));
            break;
        }
    }
    let (verdict, why) = verdict::verdict(play.control.as_ref(), end);
    outcome.verdict = verdict;
    if let Some(why) = why {
        match &mut outcome.failure {
            Some(failure) => failure.found = format!("{}\n{why}", failure.found),
            none => *none = Some(failure::of_end(play, why)),
        }
    }
}

fn keep_machines(stage: &Stage, group: &str, failure: &mut Failure) {
    for (name, machine) in &stage.machines {
        let notes = BTreeMap::from([("play".to_owned(), stage.play.name.clone())]);
        match machine.keep(group, &notes) {
            Ok(_) => failure.kept.push(format!("{group}/{name}")),
            Err(error) => failure::not_kept(failure, &error.to_string()),
        }
    }
}

//! What follows upon what in an activation: pure, so that every course of it can be tried. Its effects are behind one
//! trait; the real ones are in `runner`.

use serde::{Deserialize, Serialize};

use crate::answer::{Cause, Purpose};
use crate::refusal::Refusal;

/// What is done next. Each is written down before it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Everything that can refuse; nothing has been touched.
    Check,
    /// `switch-to-configuration dry-activate`.
    DryActivate,
    /// `switch-to-configuration test` of the new closure.
    Activate,
    /// The host's health checks, its units, its guard.
    Health,
    /// The canary is there; until it is taken away by a new connection.
    Confirm,
    /// What boots now becomes the default of the firmware's variables, which outrank the boot loader's file.
    ProtectDefault,
    /// The system profile gets the new closure.
    SetProfile,
    /// `switch-to-configuration boot` of the new closure.
    WriteBoot,
    /// The new closure's entry boots the next time only.
    ArmOnce,
    /// The profile gets back what it had.
    RestoreProfile,
    /// `switch-to-configuration boot` of the old closure.
    RestoreBoot,
    /// The firmware's variables are cleared.
    ClearVariables,
    /// `switch-to-configuration test` of the old closure.
    ActivatePrevious,
}

impl Step {
    /// Whether the running system may be another one than before, once this was begun.
    pub fn is_live(self) -> bool {
        use Step::{Activate, ActivatePrevious, Confirm, Health};
        matches!(self, Activate | Health | Confirm | ActivatePrevious)
    }

    /// Whether what the next power cycle boots may be another system than before, once this was begun.
    pub fn touches_boot(self) -> bool {
        use Step::{
            ArmOnce, ClearVariables, ProtectDefault, RestoreBoot, RestoreProfile, SetProfile,
            WriteBoot,
        };
        matches!(
            self,
            ProtectDefault
                | SetProfile
                | WriteBoot
                | ArmOnce
                | RestoreProfile
                | RestoreBoot
                | ClearVariables
        )
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Result {
    Done,
    Refused(Refusal),
    Failed(String),
    TimedOut,
}

/// How the whole ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Refused(Refusal),
    Dry,
    Confirmed,
    Testing,
    BootPending,
    /// A lease's end, or what was interrupted: the host runs what it boots.
    Returned,
    RolledBack(Cause, String),
    Stranded(String),
}

/// What an activation is, as far as its course depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    pub purpose: Purpose,
    /// Whether the boot loader can boot an entry once.
    pub on_trial: bool,
    /// For a recovery: whether the profile and the boot loader had been touched.
    pub boot_touched: bool,
}

/// Where an activation is: what is being done, and why it goes back if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub step: Step,
    back: Option<(Cause, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Step(Position),
    End(End),
}

/// The world, as an activation sees it.
pub trait Effects {
    /// Writes down, durably, that a step is about to begin.
    ///
    /// # Errors
    /// If it cannot be written: nothing new is begun then, and going back goes on.
    fn record(&mut self, step: Step) -> anyhow::Result<()>;

    fn perform(&mut self, step: Step) -> Result;
}

/// Plays an activation to its end.
pub fn play(course: Course, effects: &mut impl Effects) -> End {
    let mut position = Position::first(course);
    loop {
        let written = effects.record(position.step);
        let result = match written {
            Err(error) if position.back.is_none() => {
                Result::Failed(format!("cannot write down what is done: {error:#}"))
            }
            _ => effects.perform(position.step),
        };
        match position.next(course, result) {
            Next::Step(next) => position = next,
            Next::End(end) => return end,
        }
    }
}

impl Position {
    pub fn first(course: Course) -> Self {
        let step = match course.purpose {
            Purpose::Recovery if course.boot_touched => Step::RestoreProfile,
            Purpose::Recovery => Step::ActivatePrevious,
            _ => Step::Check,
        };
        let back = (course.purpose == Purpose::Recovery).then(|| {
            (
                Cause::GuardKilled,
                "the activation was cut short".to_owned(),
            )
        });
        Self { step, back }
    }

    pub fn next(self, course: Course, result: Result) -> Next {
        match self.back {
            None => forward(course, self.step, result),
            Some(why) => backward(course, self.step, why, result),
        }
    }
}

fn go(step: Step) -> Next {
    Next::Step(Position { step, back: None })
}

fn back(step: Step, why: (Cause, String)) -> Next {
    Next::Step(Position {
        step,
        back: Some(why),
    })
}

fn forward(course: Course, step: Step, result: Result) -> Next {
    let text = match result {
        Result::Done => return after(course, step),
        Result::Refused(refusal) => {
            // Only the checks refuse, and then nothing has been touched.
            return if step == Step::Check {
                Next::End(End::Refused(refusal))
            } else {
                failed(course, step, false, refusal.to_string())
            };
        }
        Result::Failed(text) => return failed(course, step, false, text),
        Result::TimedOut => "it took too long".to_owned(),
    };
    failed(course, step, true, text)
}

/// What follows upon a step that went well.
fn after(course: Course, step: Step) -> Next {
    use Purpose::{Boot, DryActivate, Keep, LeaseEnd, Recovery, Rollback, Switch, Test};
    match (step, course.purpose) {
        (Step::Check, Switch | Test | Rollback | LeaseEnd) => go(Step::Activate),
        (Step::Check, DryActivate) => go(Step::DryActivate),
        (Step::Check, Boot) if course.on_trial => go(Step::ProtectDefault),
        (Step::Check, Boot | Keep) => go(Step::SetProfile),
        (Step::DryActivate, _) => Next::End(End::Dry),
        (Step::Activate, Switch | Test) => go(Step::Health),
        // A confirmed closure; and who rolls back does not want what is running.
        (Step::Activate, Rollback) => go(Step::SetProfile),
        (Step::Activate, _) => Next::End(End::Returned),
        (Step::Health, _) => go(Step::Confirm),
        (Step::Confirm, Test) => Next::End(End::Testing),
        (Step::Confirm, _) => go(Step::SetProfile),
        (Step::ProtectDefault, _) => go(Step::SetProfile),
        (Step::SetProfile, _) => go(Step::WriteBoot),
        (Step::WriteBoot, Boot) if course.on_trial => go(Step::ArmOnce),
        (Step::WriteBoot, Boot) | (Step::ArmOnce, _) => Next::End(End::BootPending),
        (Step::WriteBoot, _) => Next::End(End::Confirmed),
        // None of these is taken while an activation goes forward.
        (
            Step::RestoreProfile
            | Step::RestoreBoot
            | Step::ClearVariables
            | Step::ActivatePrevious,
            _,
        )
        | (Step::Check, Recovery) => Next::End(End::Stranded("the guard lost its way".to_owned())),
    }
}

/// Where going back begins.
fn failed(course: Course, step: Step, timed_out: bool, text: String) -> Next {
    let cause = match step {
        Step::Activate if timed_out => Cause::ActivationTimedOut,
        Step::Health => Cause::Unhealthy,
        Step::Confirm => Cause::NotConfirmed,
        Step::ProtectDefault | Step::SetProfile | Step::WriteBoot | Step::ArmOnce => {
            Cause::BootLoaderFailed
        }
        _ => Cause::ActivationFailed,
    };
    match step {
        // Nothing was touched.
        Step::Check | Step::DryActivate => Next::End(End::RolledBack(cause, text)),
        // What was to be returned to does not come up: there is nothing before it.
        Step::Activate if course.purpose == Purpose::LeaseEnd => Next::End(End::Stranded(text)),
        Step::Activate | Step::Health | Step::Confirm => {
            back(Step::ActivatePrevious, (cause, text))
        }
        _ => back(Step::RestoreProfile, (cause, text)),
    }
}

/// Going back goes on, whatever fails: what comes later may still be saved.
fn backward(course: Course, step: Step, why: (Cause, String), result: Result) -> Next {
    let (cause, mut text) = why;
    let trouble = match result {
        Result::Done => None,
        Result::Refused(refusal) => Some(refusal.to_string()),
        Result::Failed(text) => Some(text),
        Result::TimedOut => Some("it took too long".to_owned()),
    };
    if let Some(trouble) = &trouble {
        text = format!("{text}; going back: {trouble}");
    }
    let live = !matches!(course.purpose, Purpose::Boot | Purpose::Keep);
    let armed = course.on_trial && matches!(course.purpose, Purpose::Boot | Purpose::Recovery);
    match step {
        Step::RestoreProfile => back(Step::RestoreBoot, (cause, text)),
        Step::RestoreBoot if armed => back(Step::ClearVariables, (cause, text)),
        Step::RestoreBoot | Step::ClearVariables if live => {
            back(Step::ActivatePrevious, (cause, text))
        }
        Step::ActivatePrevious if trouble.is_some() => Next::End(End::Stranded(text)),
        Step::ActivatePrevious if course.purpose == Purpose::Recovery => Next::End(End::Returned),
        _ => Next::End(End::RolledBack(cause, text)),
    }
}

#[cfg(test)]
mod tests;

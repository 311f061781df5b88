//! A fault that falls while a command runs: the point that is waited for, what is played then, and the times that show
//! where it fell.

use std::time::{Duration, Instant};

use super::outcome::{FaultTimes, StepOutcome};
use super::points;
use super::running::Live;
use super::stage::Stage;
use super::steps::play_step;
use super::verdict::Trouble;
use crate::error::{ErrorKind, Result};
use crate::machine::Running;
use crate::patience::Patience;
use crate::scenario::{During, Place, Point, Sight, Verb};

/// Host seconds that may lie between the last look at `before` and the fault: what happens in between is not seen. On a
/// busy host one question takes most of it.
const UNSEEN: f64 = 2.0;

/// Something that is looked for while a command runs.
pub(super) enum Watch {
    Ask { on: Place, sight: Sight },
    Follow(Box<Running>),
    Output(String),
    After(f64),
    Reached,
}

pub(super) fn watches(stage: &Stage, during: &During) -> Result<(Watch, Option<Watch>)> {
    let when = watch(stage, &during.when)?;
    let before = during.before.as_ref().map(|point| watch(stage, point));
    Ok((when, before.transpose()?))
}

fn watch(stage: &Stage, point: &Point) -> Result<Watch> {
    let (on, sight) = match point {
        Point::Output(text) => return Ok(Watch::Output(stage.fill(text)?)),
        Point::After(seconds) => return Ok(Watch::After(*seconds)),
        Point::Seen { on, sight } => (on, points::filled(stage, sight)?),
    };
    match (on, &sight) {
        (Place::Machine(name), Sight::Journal { text, unit }) => {
            let machine = stage.machine(name)?;
            let cursor = points::cursor(machine)?;
            let running = points::follow(machine, text, unit.as_deref(), &cursor)?;
            Ok(Watch::Follow(Box::new(running)))
        }
        _ => Ok(Watch::Ask {
            on: on.clone(),
            sight,
        }),
    }
}

impl Watch {
    /// What is said instead of an answer, if nobody can say: the machine is off, or busy.
    fn is_reached(&mut self, stage: &Stage, live: &Live, since: Instant) -> Result<Answer> {
        let asked = match self {
            Self::Reached => Ok(true),
            Self::Output(text) => live.output().map(|said| said.contains(text.as_str())),
            Self::After(seconds) => {
                Ok(since.elapsed() >= Duration::from_secs_f64(*seconds * stage.scale))
            }
            Self::Ask { on, sight } => points::is_there(stage, on, sight),
            Self::Follow(running) => running
                .poll()
                .and_then(|ended| points::has_followed(ended.as_ref())),
        };
        match asked {
            Ok(true) => {
                *self = Self::Reached;
                Ok(Answer::Reached)
            }
            Ok(false) => Ok(Answer::NotYet),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::State
                        | ErrorKind::TimedOut
                        | ErrorKind::Refused
                        | ErrorKind::Command
                        | ErrorKind::Panicked
                ) =>
            {
                Ok(Answer::Nobody(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a point is reached.
enum Answer {
    Reached,
    NotYet,
    Nobody(String),
}

/// A fault that falls while a command runs.
pub(super) struct Fault<'a> {
    during: &'a During,
    when: &'a mut Watch,
    not: Option<&'a mut Watch>,
    began: Instant,
    /// What the machine last said instead of an answer.
    complaint: String,
}

impl<'a> Fault<'a> {
    pub fn of(
        during: &'a During,
        when: &'a mut Watch,
        not: Option<&'a mut Watch>,
        began: Instant,
    ) -> Self {
        Self {
            during,
            when,
            not,
            began,
            complaint: String::new(),
        }
    }

    pub fn play(
        mut self,
        stage: &mut Stage,
        live: &mut Live,
        patience: &Patience,
        outcome: &mut StepOutcome,
    ) -> std::result::Result<(), Trouble> {
        let when = words(&self.during.when);
        self.await_point(stage, live, patience, &when)?;
        let mut times = FaultTimes {
            reached: self.now(),
            fell: 0.0,
            not_yet: None,
            too_late: None,
        };
        self.look(stage, live, &mut times)?;
        for (index, step) in self.during.then.iter().enumerate() {
            let (mut then, trouble) = play_step(stage, step, self.began);
            then.began = round(then.began);
            outcome.then.push(then);
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
            if times.fell == 0.0 && (is_fault(&step.verb) || index + 1 == self.during.then.len()) {
                times.fell = self.now();
                self.look(stage, live, &mut times)?;
            }
        }
        stage.run.transcript().note("play", times_in_words(&times));
        let judged = judge(&times, self.during.before.as_ref().map(words));
        outcome.fault = Some(times);
        judged
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn await_point(
        &mut self,
        stage: &Stage,
        live: &mut Live,
        patience: &Patience,
        when: &str,
    ) -> std::result::Result<(), Trouble> {
        let broken = |error| Trouble::of(None, "the point to be looked for", error);
        loop {
            match self
                .when
                .is_reached(stage, live, self.began)
                .map_err(broken)?
            {
                Answer::Reached => return Ok(()),
                Answer::Nobody(complaint) if complaint != self.complaint => {
                    stage.run.transcript().note("play", &complaint);
                    self.complaint = complaint;
                }
                Answer::NotYet | Answer::Nobody(_) => (),
            }
            let found = match live.ended().map_err(broken)? {
                Some(ended) => format!(
                    "the command ended before that, with {}; {}",
                    ended.ending(),
                    ended.last_lines()
                ),
                None if patience.is_over() => "the command got no further in its time".to_owned(),
                None => {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
            };
            // Between the question and the answer it may have been reached after all.
            let again = self.when.is_reached(stage, live, self.began);
            if matches!(again.map_err(broken)?, Answer::Reached) {
                return Ok(());
            }
            return Err(Trouble::Failed {
                machine: None,
                expected: format!("{when} while the command runs"),
                found,
            });
        }
    }

    /// Looks whether `before` is reached, and when that was asked.
    fn look(
        &mut self,
        stage: &Stage,
        live: &Live,
        times: &mut FaultTimes,
    ) -> std::result::Result<(), Trouble> {
        let began = self.began;
        let Some(not) = self.not.as_mut() else {
            return Ok(());
        };
        // The moment of the question: what is not reached when it is answered was not reached then either.
        let asked = began.elapsed().as_secs_f64();
        match not.is_reached(stage, live, began) {
            Ok(Answer::NotYet) => times.not_yet = Some(asked),
            Ok(Answer::Reached) if times.too_late.is_none() => {
                times.too_late = Some(began.elapsed().as_secs_f64());
            }
            Ok(_) => (),
            Err(error) => return Err(Trouble::of(None, "the point to be looked for", error)),
        }
        Ok(())
    }
}

/// Whether the times show that the fault fell inside of its phase.
fn judge(times: &FaultTimes, before: Option<String>) -> std::result::Result<(), Trouble> {
    let Some(before) = before else {
        return Ok(());
    };
    let shown = match times.not_yet {
        // Who answered after the fault that it is over leaves nothing to presume.
        Some(at) => at >= times.fell || (times.too_late.is_none() && times.fell - at <= UNSEEN),
        None => false,
    };
    if shown {
        return Ok(());
    }
    let found = match times.too_late {
        Some(at) => format!(
            "it fell at {:.3} s, and {before} was seen at {at:.3} s",
            times.fell
        ),
        None => format!(
            "it fell at {:.3} s, and {before} was last looked for at {:.3} s",
            times.fell,
            times.not_yet.unwrap_or_default()
        ),
    };
    Err(Trouble::Failed {
        machine: None,
        expected: format!("the fault to fall before {before}"),
        found,
    })
}

fn is_fault(verb: &Verb) -> bool {
    !matches!(verb, Verb::Run(_) | Verb::Wait(_) | Verb::State(_))
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn words(point: &Point) -> String {
    match point {
        Point::Seen { sight, .. } => points::words(sight),
        Point::Output(text) => format!("`{text}` in the output"),
        Point::After(seconds) => format!("{seconds} s"),
    }
}

fn times_in_words(times: &FaultTimes) -> String {
    let mut text = format!(
        "point reached at {:.3} s of the command, fault fell at {:.3} s",
        times.reached, times.fell
    );
    if let Some(at) = times.not_yet {
        text += &format!(", not yet over at {at:.3} s");
    }
    if let Some(at) = times.too_late {
        text += &format!(", seen to be over at {at:.3} s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(fell: f64, not_yet: Option<f64>, too_late: Option<f64>) -> FaultTimes {
        FaultTimes {
            reached: 1.0,
            fell,
            not_yet,
            too_late,
        }
    }

    #[test]
    fn a_fault_is_shown_to_have_fallen_inside_its_phase() {
        let before = || Some("the end".to_owned());
        assert!(judge(&times(2.0, None, None), None).is_ok());
        assert!(judge(&times(2.0, Some(2.1), None), before()).is_ok());
        // The machine is off: nobody can be asked afterwards, and the last look was a moment ago.
        assert!(judge(&times(2.0, Some(1.99), None), before()).is_ok());
        for wrong in [
            times(5.0, None, Some(4.9)),
            times(5.0, Some(4.9 - UNSEEN), None),
            times(5.0, None, None),
            times(5.0, Some(4.9), Some(5.1)),
        ] {
            assert!(judge(&wrong, before()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_said_of_a_late_fault_has_both_times() {
        let Err(Trouble::Failed {
            expected, found, ..
        }) = judge(&times(2.0, None, Some(1.5)), Some("the end".to_owned()))
        else {
            panic!("it was too late");
        };
        assert_eq!(expected, "the fault to fall before the end");
        assert_eq!(found, "it fell at 2.000 s, and the end was seen at 1.500 s");
    }
}

//! What is written down when an activation has ended.

use anyhow::Result;

use super::{lease_end, Runner};
use crate::admission::Wish;
use crate::answer::{Activation, Cause, Ended, Entry, Event, Outcome, Purpose};
use crate::machine::End;
use crate::roots;
use crate::state::{Current, State, Test, Trial};
use crate::system::System;
use crate::time::Time;

impl Runner<'_> {
    pub(super) fn finish(&mut self, current: Current, end: End) -> Result<Outcome> {
        let outcome = self.outcome_of(&current, end);
        let mut activation = current.activation.clone();
        activation.ended = Some(Ended {
            at: Time::now(),
            outcome: outcome.clone(),
        });
        let refused = matches!(outcome, Outcome::Refused { .. });
        let state = self.store.settle(|state| {
            state.current = None;
            if !refused {
                note(state, &current, &activation, &outcome);
            }
            state.clone()
        })?;
        self.store
            .in_room(|| refresh_roots(&self.system(), &state))?;
        if !refused {
            // The journal has the refusals; whoever may ask cannot fill this file.
            let entry = Entry {
                at: Time::now(),
                by: activation.by.clone(),
                event: Event::Activation { activation },
            };
            self.store.in_room(|| self.history.append(&entry))?;
        }
        Ok(outcome)
    }

    fn outcome_of(&self, current: &Current, end: End) -> Outcome {
        match end {
            End::Refused(refusal) => Outcome::Refused { refusal },
            End::Dry => Outcome::Dry,
            End::Confirmed => Outcome::Confirmed,
            End::Testing => Outcome::Testing {
                until: lease_end(self.config, current.lease_seconds),
            },
            End::BootPending => Outcome::BootPending,
            End::Returned if current.activation.purpose == Purpose::LeaseEnd => Outcome::Confirmed,
            End::Returned if self.order.wish == Wish::Recover => Outcome::RolledBack {
                cause: Cause::GuardKilled,
                text: "what was begun is taken back".to_owned(),
            },
            End::Returned => Outcome::RolledBack {
                cause: Cause::Revoked,
                text: "the boot on trial is called off".to_owned(),
            },
            End::RolledBack(cause, text) => Outcome::RolledBack { cause, text },
            End::Stranded(text) => Outcome::Stranded { text },
        }
    }
}

fn note(state: &mut State, current: &Current, activation: &Activation, outcome: &Outcome) {
    let toplevel = &activation.toplevel;
    // A boot that waited for its trial, and what brought it about, are the same activation.
    state
        .trial
        .take_if(|trial| trial.activation.id == activation.id);
    match outcome {
        Outcome::Confirmed if activation.purpose == Purpose::LeaseEnd => state.test = None,
        Outcome::Confirmed => {
            state.test = None;
            state.confirm(toplevel, Time::now(), activation.release.clone());
        }
        Outcome::Testing { until } => {
            state.test = Some(Test {
                toplevel: toplevel.clone(),
                by: activation.by.clone(),
                until: *until,
                release: activation.release.clone(),
            });
        }
        Outcome::BootPending => {
            state.trial = Some(Trial {
                activation: activation.clone(),
                previous: current.boot_default.clone(),
                profile_before: current.profile_before.clone(),
                one_shot: current.on_trial,
                booted: false,
            });
        }
        // A lease's end is not tried for ever.
        Outcome::Stranded { .. } => state.test = None,
        _ => (),
    }
    if activation.purpose != Purpose::DryActivate {
        state.last = Some(activation.clone());
    }
}

/// Everything that a boot, the running system, a trial or a rollback needs survives a collection.
///
/// # Errors
/// If the folder of roots cannot be written.
pub(crate) fn refresh_roots(system: &System<'_>, state: &State) -> Result<()> {
    let running = system.toplevels().running();
    let folder = &system.config.places.roots;
    let trial = state.trial.as_ref();
    let wanted = [
        ("running", running.clone()),
        ("booted", system.toplevels().booted()),
        ("profile", system.toplevels().profile()),
        ("rollback", state.rollback_target(running.as_ref()).cloned()),
        (
            "test",
            state.test.as_ref().map(|test| test.toplevel.clone()),
        ),
        (
            "trial",
            trial.map(|trial| trial.activation.toplevel.clone()),
        ),
        (
            "before-trial",
            trial.and_then(|trial| trial.previous.clone()),
        ),
    ];
    for (name, path) in &wanted {
        roots::set(folder, name, path.as_ref())?;
    }
    let current = state.current.as_ref();
    let candidate = current.map(|current| current.activation.toplevel.clone());
    let previous = current.and_then(|current| current.activation.previous.clone());
    let boot = current.and_then(|current| current.boot_default.clone());
    roots::set(folder, "candidate", candidate.as_ref())?;
    roots::set(folder, "previous", previous.as_ref())?;
    roots::set(folder, "boot-default", boot.as_ref())
}

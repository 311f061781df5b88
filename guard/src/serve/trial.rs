//! A boot on trial that has come up: healthy, it becomes the default; else the old one boots again.

use std::time::Duration;

use anyhow::Result;

use super::{eprintln_line, Service};
use crate::answer::{Ended, Entry, Event, Outcome};
use crate::runner::outcome_line;
use crate::state::Trial;
use crate::system::System;
use crate::time::Time;

/// How long a boot may take until systemd has started everything.
const UP_WITHIN: Duration = Duration::from_secs(600);

impl Service {
    /// Returns at once where there is nothing to judge.
    pub(super) fn judge_trial(&self) -> Result<()> {
        let state = self.store.read()?;
        // One that was judged stays judged, also by a service that starts again.
        let failed = |trial: &Trial| {
            let ended = trial.activation.ended.as_ref();
            ended.is_some_and(|ended| matches!(ended.outcome, Outcome::TrialFailed { .. }))
        };
        let to_judge = state.trial.filter(|trial| trial.booted && !failed(trial));
        let Some(trial) = to_judge else {
            return Ok(());
        };
        let failures = self.trial_failures();
        let system = System {
            config: &self.config,
        };
        let mut activation = trial.activation;
        let outcome = if failures.is_empty() {
            if trial.one_shot {
                // The loader's file names the new one; what outranked it goes.
                system.boot_loader().clear()?;
            }
            Outcome::Confirmed
        } else {
            Outcome::TrialFailed {
                text: failures.join("; "),
            }
        };
        eprintln_line(&outcome_line(&outcome));
        activation.ended = Some(Ended {
            at: Time::now(),
            outcome: outcome.clone(),
        });
        let healthy = outcome == Outcome::Confirmed;
        let state = self.store.settle(|state| {
            if healthy {
                state.trial = None;
                let release = activation.release.clone();
                state.confirm(&activation.toplevel, Time::now(), release);
            } else if let Some(trial) = &mut state.trial {
                // The early unit of the next boot says why.
                trial.activation = activation.clone();
            }
            state.last = Some(activation.clone());
            state.clone()
        })?;
        self.store
            .in_room(|| crate::runner::refresh_roots(&system, &state))?;
        let entry = Entry {
            at: Time::now(),
            by: activation.by.clone(),
            event: Event::Activation { activation },
        };
        self.store.in_room(|| self.history.append(&entry))?;
        // Without one-shot, a reboot would bring the same again.
        if !healthy && trial.one_shot && self.config.unattended_reboot && state.hold.is_none() {
            self.reboot_now()?;
        }
        Ok(())
    }

    fn trial_failures(&self) -> Vec<String> {
        self.wait_until_up(UP_WITHIN, || false);
        match self.examine() {
            Ok(found) => {
                let units = found.failed_units.iter();
                let units = units.map(|unit| format!("{unit} failed"));
                found.failed_checks.iter().cloned().chain(units).collect()
            }
            Err(error) => vec![format!("{error:#}")],
        }
    }
}

//! What is written down before an activation begins: all that is needed to take it back.

use anyhow::{Context, Result};

use super::Runner;
use crate::admission::{Admission, Facts, Wish};
use crate::answer::{Activation, Purpose};
use crate::config::Loader;
use crate::machine::Step;
use crate::state::{Current, State};
use crate::system::System;
use crate::time::Time;

pub(super) struct Prepared {
    pub current: Current,
    /// None: something is taken back.
    pub admission: Option<Admission>,
    pub course_purpose: Purpose,
    pub boot_touched: bool,
}

impl Runner<'_> {
    pub(super) fn system(&self) -> System<'_> {
        System {
            config: self.config,
        }
    }

    pub(super) fn facts(&self) -> Result<Facts> {
        let system = self.system();
        let generation = match self.order.wish {
            Wish::Rollback { to: Some(number) } => {
                system.toplevels().toplevel_of_generation(number)
            }
            _ => None,
        };
        let boot_default = match self.order.wish {
            Wish::LeaseEnd => system.toplevels().boot_default()?,
            _ => None,
        };
        Ok(Facts {
            host: self.config.host.clone(),
            now: Time::now(),
            running: system.toplevels().running(),
            boot_default,
            generation,
        })
    }

    pub(super) fn prepare(&mut self, state: &State, admission: Admission) -> Result<Prepared> {
        let system = self.system();
        let boot_touching = !matches!(
            admission.purpose,
            Purpose::DryActivate | Purpose::Test | Purpose::LeaseEnd
        );
        let boot_default = if boot_touching {
            system.toplevels().boot_default()?
        } else {
            None
        };
        let activation = Activation {
            id: self.order.id.clone(),
            purpose: admission.purpose,
            by: self.order.asker.name.clone(),
            began: Time::now(),
            toplevel: admission.toplevel.clone(),
            previous: system.toplevels().running(),
            release: admission.release.clone(),
            ended: None,
        };
        debug_assert!(state.current.is_none());
        Ok(Prepared {
            current: Current {
                activation,
                profile: admission.profile.clone(),
                step: Step::Check,
                on_trial: admission.purpose == Purpose::Boot
                    && self.config.loader == Loader::SystemdBoot,
                boot_default,
                profile_before: system.toplevels().generation(),
                confirm_until: None,
                lease_seconds: admission.lease_seconds,
            },
            course_purpose: admission.purpose,
            admission: Some(admission),
            boot_touched: false,
        })
    }

    pub(super) fn prepare_end_of_trial(&mut self, state: &State) -> Result<Prepared> {
        let trial = state.trial.as_ref().context("there is no trial")?;
        let mut current = trial.taken_back();
        current.activation.ended = None;
        Ok(Prepared {
            current,
            admission: None,
            course_purpose: Purpose::Recovery,
            boot_touched: true,
        })
    }

    /// None: there is nothing left of an activation.
    pub(super) fn prepare_recovery(&mut self, state: &State) -> Option<Prepared> {
        let mut current = state.current.clone()?;
        // Whoever waits, waits for the activation's own outcome.
        self.order.id.clone_from(&current.activation.id);
        self.order.asker.name.clone_from(&current.activation.by);
        // … and for its output. Without it the recovery goes on, in its own.
        if let Ok(log) = self.meeting.create_log(&self.order.id) {
            self.log = log;
        }
        current.confirm_until = None;
        let boot_touched = current.step.touches_boot();
        Some(Prepared {
            current,
            admission: None,
            course_purpose: Purpose::Recovery,
            boot_touched,
        })
    }
}

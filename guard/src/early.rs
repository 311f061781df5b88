//! The early unit of every boot: ends tests, tells how a trial went, and repairs what a power cut left half done.

use anyhow::Result;

use crate::answer::{Ended, Entry, Event, Outcome};
use crate::config::Config;
use crate::history::History;
use crate::machine::Step;
use crate::process::{Exit, Program};
use crate::state::{Current, State, Store, Trial};
use crate::store_path::StorePath;
use crate::system::System;
use crate::time::Time;

/// # Errors
/// If the state cannot be read or written. The boot goes on all the same.
pub fn boot(config: &Config) -> Result<()> {
    let store = Store::open(&config.places.state)?;
    store.keep_room();
    let state = store.read()?;
    let boot_id = config.boot_id()?;
    if state.boot_id.as_ref() == Some(&boot_id) {
        // Started again in the middle of a boot, by an activation for one: what is going on is going on.
        return Ok(());
    }
    let early = Early {
        system: System { config },
        config,
    };
    let booted = early.system.toplevels().booted();
    let mut entries = Vec::new();
    let mut new = state.clone();
    if let Some(test) = new.test.take() {
        let note = format!("the test of {} ended with the reboot", test.toplevel.name());
        entries.push(early.note(booted.as_ref(), note));
    }
    if let Some(current) = new.current.take() {
        entries.push(early.interrupted(&mut new, current, booted.as_ref()));
    }
    if let Some(trial) = new.trial.take() {
        entries.extend(early.trial(&mut new, trial, booted.as_ref()));
    }
    // Only what this boot has dealt with: nobody else runs yet.
    store.settle(|state| {
        state.boot_id = Some(boot_id);
        state.test = new.test.take();
        state.current = new.current.take();
        state.trial = new.trial.take();
        state.last = new.last.take();
        state.confirmed = std::mem::take(&mut new.confirmed);
    })?;
    let state = store.read()?;
    store.in_room(|| crate::runner::refresh_roots(&early.system, &state))?;
    let history = History::new(&config.places.state);
    let append = |entry| store.in_room(|| history.append(entry));
    entries.iter().try_for_each(append)
}

struct Early<'a> {
    system: System<'a>,
    config: &'a Config,
}

impl Early<'_> {
    fn note(&self, toplevel: Option<&StorePath>, note: String) -> Entry {
        crate::serve::eprintln_line(&note);
        Entry {
            at: Time::now(),
            by: "root".to_owned(),
            event: Event::Booted {
                toplevel: toplevel.cloned(),
                note,
            },
        }
    }

    /// The power was lost, or somebody rebooted, in the middle of an activation.
    fn interrupted(
        &self,
        state: &mut State,
        current: Current,
        booted: Option<&StorePath>,
    ) -> Entry {
        let mut activation = current.activation.clone();
        let touched = current.step.touches_boot();
        let is_new = booted == Some(&activation.toplevel);
        let was_confirmed = matches!(current.step, Step::SetProfile | Step::WriteBoot);
        let outcome = if is_new && was_confirmed && !current.on_trial {
            // It had been confirmed, and the boot loader had it already.
            state.confirm(
                &activation.toplevel,
                Time::now(),
                activation.release.clone(),
            );
            Outcome::Confirmed
        } else {
            Outcome::Interrupted
        };
        if touched {
            let trouble = match outcome {
                Outcome::Confirmed => self.forward(&activation.toplevel),
                _ => self.back(&current, booted),
            };
            for line in trouble {
                crate::serve::eprintln_line(&line);
            }
        }
        activation.ended = Some(Ended {
            at: Time::now(),
            outcome,
        });
        state.last = Some(activation.clone());
        Entry {
            at: Time::now(),
            by: activation.by.clone(),
            event: Event::Activation { activation },
        }
    }

    /// The profile leads to what booted; what went wrong is said, and the boot goes on.
    fn forward(&self, toplevel: &StorePath) -> Vec<String> {
        if self.system.toplevels().profile().as_ref() == Some(toplevel) {
            return Vec::new();
        }
        collect([self.system.set_profile(toplevel)])
    }

    fn back(&self, current: &Current, booted: Option<&StorePath>) -> Vec<String> {
        let profile = match &current.profile_before {
            Some(before) => self
                .system
                .restore_profile(before, &current.activation.toplevel),
            None => Ok(()),
        };
        let old = current.boot_default.as_ref().or(booted);
        let written = old.map_or(Ok(()), |old| self.write_boot(old));
        let cleared = if current.on_trial {
            self.system.boot_loader().clear()
        } else {
            Ok(())
        };
        collect([profile, written, cleared])
    }

    fn write_boot(&self, toplevel: &StorePath) -> Result<()> {
        let captured = Program::new(toplevel.join("bin/switch-to-configuration"))
            .args(["boot"])
            .env("PATH", &self.config.path)
            .within(self.config.activation_timeout())
            .capture()?;
        let said = crate::process::last_lines(&captured.stderr);
        anyhow::ensure!(
            captured.exit == Exit::Code(0),
            "switch-to-configuration boot {}{said}",
            captured.exit
        );
        Ok(())
    }

    /// A boot that was to be tried: it is being tried, has failed, or its turn has not come.
    fn trial(&self, state: &mut State, trial: Trial, booted: Option<&StorePath>) -> Option<Entry> {
        let candidate = trial.activation.toplevel.clone();
        if booted == Some(&candidate) && !trial.booted {
            let note = format!("the boot on trial of {} has begun", candidate.name());
            state.trial = Some(Trial {
                booted: true,
                ..trial
            });
            return Some(self.note(booted, note));
        }
        if booted == Some(&candidate) {
            // Without one-shot the same one boots again; the service judges it again.
            state.trial = Some(trial);
            return None;
        }
        for line in self.back(&trial.taken_back(), booted) {
            crate::serve::eprintln_line(&line);
        }
        let mut activation = trial.activation;
        let said = match activation.ended.take().map(|ended| ended.outcome) {
            Some(Outcome::TrialFailed { text }) => text,
            _ => "it did not come up".to_owned(),
        };
        activation.ended = Some(Ended {
            at: Time::now(),
            outcome: Outcome::TrialFailed { text: said },
        });
        state.last = Some(activation.clone());
        Some(Entry {
            at: Time::now(),
            by: activation.by.clone(),
            event: Event::Activation { activation },
        })
    }
}

fn collect<const N: usize>(results: [Result<()>; N]) -> Vec<String> {
    results
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{error:#}"))
        .collect()
}

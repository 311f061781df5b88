//! Each verb with its rule. What changes the host becomes an order.

use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use serde::Serialize;

use super::Service;
use crate::admission::{accept, Asker, Facts, Wish};
use crate::answer::{Accepted, Done, Entry, Event, History, ReleaseId, Status};
use crate::command::{parse_words, Command};
use crate::config::Loader;
use crate::refusal::{Code, Refusal};
use crate::release::{Release, SignedRelease};
use crate::signature;
use crate::state::{AcceptedRelease, Hold, State};
use crate::system::System;
use crate::time::Time;
use crate::wire::{self, Answer, Request};

impl Service {
    pub(super) fn verb(
        &self,
        stream: &UnixStream,
        asker: &Asker,
        request: &Request,
    ) -> Result<i32> {
        if let Some(follow) = &request.follow {
            let verb = parse_words(&request.words)?;
            return self.follow(stream, follow, with_document(&verb));
        }
        let command = parse_words(&request.words)?;
        let wish = match command {
            Command::StoreServe | Command::StoreDaemon => {
                return Err(
                    Refusal::because(Code::UnknownCommand, "this is not for the service").into(),
                )
            }
            Command::AcceptRelease => {
                let document = request.document.as_deref().unwrap_or_default();
                return document_answer(stream, &self.accept_release(asker, document)?);
            }
            Command::Status => return document_answer(stream, &self.status()?),
            Command::Health { wait } => {
                return document_answer(stream, &self.health(stream, wait)?)
            }
            Command::History { limit } => {
                let entries = self.history.newest(limit)?;
                let host = self.config.host.clone();
                return document_answer(stream, &History { host, entries });
            }
            Command::Poll { wait } => return document_answer(stream, &self.poll(stream, wait)?),
            Command::AcceptBuild { toplevel, build } => {
                return document_answer(stream, &self.accept_build(asker, toplevel, build)?)
            }
            Command::Upgraded { result, text } => self.upgraded(asker, result, text)?,
            Command::Hold { reason } => self.hold(asker, reason)?,
            Command::Unhold => self.unhold(asker)?,
            Command::Reboot { now } => self.reboot(asker, now)?,
            Command::Wait { profile, timeout } => return self.wait(stream, &profile, timeout),
            Command::Confirm { hash } => return self.confirm(stream, asker, &hash),
            Command::Activate(activate) => Some(Wish::Deploy {
                profile: activate.profile,
                mode: activate.mode,
                confirmed: activate.confirmed,
                confirm_timeout: activate.confirm_timeout,
            }),
            Command::Revoke { profile } => Some(Wish::Revoke { profile }),
            Command::Rollback { to } => Some(Wish::Rollback { to }),
            Command::Keep => Some(Wish::Keep),
        };
        match wish {
            Some(wish) => {
                let answered = matches!(wish, Wish::Rollback { .. } | Wish::Keep);
                self.order(stream, asker, wish, answered)
            }
            None => document_answer(stream, &self.done()?),
        }
    }

    pub(super) fn system(&self) -> System<'_> {
        System {
            config: &self.config,
        }
    }

    pub(super) fn done(&self) -> Result<Done> {
        let state = self.store.read()?;
        Ok(Done {
            host: self.config.host.clone(),
            state: state.host_state(),
            activation: activation(&state),
        })
    }

    fn status(&self) -> Result<Status> {
        let state = self.store.read()?;
        let system = self.system();
        let running = system.toplevels().running();
        Ok(Status {
            host: self.config.host.clone(),
            boot_id: Some(self.config.boot_id()?),
            booted: system.toplevels().booted(),
            // A loader that cannot be asked is a null, and not the end of the answer.
            boot_default: system.toplevels().boot_default().unwrap_or_else(|error| {
                super::eprintln_line(&format!("cannot ask for the boot default: {error:#}"));
                None
            }),
            profile: system.toplevels().profile(),
            state: state.host_state(),
            last_release: state.release.as_ref().map(|release| release.id.clone()),
            running_commit: running
                .as_ref()
                .and_then(|running| state.release_of(running))
                .map(|release| release.commit.clone()),
            reboot_due: system.toplevels().reboot_due(),
            failed_units: system.failed_units()?,
            guard_version: env!("CARGO_PKG_VERSION").to_owned(),
            free_bytes: system.free_bytes()?,
            rollback_target: state.rollback_target(running.as_ref()).cloned(),
            unattended_reboot: self.config.unattended_reboot,
            boot_on_trial: self.config.loader == Loader::SystemdBoot,
            last_activation: activation(&state),
            last_upgrade: state.upgrade.clone(),
            running,
        })
    }

    fn accept_release(&self, asker: &Asker, document: &str) -> Result<Accepted> {
        let signed = SignedRelease::from_wire(document.as_bytes())?;
        let signer = signature::signer(
            &self.config.programs.ssh_keygen,
            &self.config.allowed_signers,
            self.meeting.scratch(),
            &signed,
        )??;
        let release = Release::parse(&signed.release)?;
        let id = ReleaseId {
            commit: release.commit.clone(),
            counter: release.counter,
        };
        let facts = Facts {
            host: self.config.host.clone(),
            now: Time::now(),
            running: None,
            boot_default: None,
            generation: None,
        };
        let entry = Entry {
            at: facts.now,
            by: asker.name.clone(),
            event: Event::ReleaseAccepted {
                release: id.clone(),
                signer: signer.clone(),
            },
        };
        let known = self.store.change(|state| -> Result<bool, Refusal> {
            let known = accept(state, &release, &signed.release, &facts)?;
            if !known {
                state.release = Some(AcceptedRelease {
                    id: id.clone(),
                    signer: signer.clone(),
                    accepted: facts.now,
                    signed,
                });
            }
            Ok(known)
        })??;
        if !known {
            self.history.append(&entry)?;
        }
        Ok(Accepted {
            host: self.config.host.clone(),
            release: id,
            signer,
            known,
        })
    }

    fn hold(&self, asker: &Asker, reason: Option<String>) -> Result<Option<Wish>> {
        only_operators(asker)?;
        let now = Time::now();
        self.store.change(|state| match &state.hold {
            Some(hold) if hold.by != asker.name => {
                Err(Refusal::because(Code::Held, format!("by {}", hold.by)))
            }
            _ => {
                state.hold = Some(Hold {
                    by: asker.name.clone(),
                    since: now,
                    reason: reason.clone(),
                });
                Ok(())
            }
        })??;
        self.record(asker, Event::Held { reason })?;
        Ok(None)
    }

    /// Any operator: the one who held may be asleep.
    fn unhold(&self, asker: &Asker) -> Result<Option<Wish>> {
        only_operators(asker)?;
        let held = self.store.change(|state| state.hold.take())?;
        if held.is_none() {
            return Err(Refusal::new(Code::NotHeld).into());
        }
        self.record(asker, Event::Unheld)?;
        Ok(None)
    }

    pub(super) fn record(&self, asker: &Asker, event: Event) -> Result<()> {
        self.history.append(&Entry {
            at: Time::now(),
            by: asker.name.clone(),
            event,
        })
    }

    /// The first time that a guard runs on a host, what booted, runs and boots again is what can be returned to.
    pub(super) fn note_what_was_found(&self) -> Result<()> {
        let system = self.system();
        let boot_id = self.config.boot_id()?;
        // A guard that was brought in the middle of a boot has no early unit behind it.
        self.store.settle(|state| {
            state.boot_id.get_or_insert(boot_id);
        })?;
        let state = self.store.read()?;
        let quiet = state.current.is_none() && state.trial.is_none() && state.test.is_none();
        let running = system.toplevels().running().filter(|running| {
            Some(running) == system.toplevels().profile().as_ref()
                && Some(running) == system.toplevels().booted().as_ref()
        });
        if let Some(running) = running.filter(|running| quiet && !state.is_confirmed(running)) {
            self.store
                .settle(|state| state.confirm(&running, Time::now(), None))?;
        }
        let state = self.store.read()?;
        self.store
            .in_room(|| crate::runner::refresh_roots(&system, &state))
    }
}

/// The activation that is going on, or the last one.
pub(super) fn activation(state: &State) -> Option<crate::answer::Activation> {
    let current = state.current.as_ref().map(|current| &current.activation);
    current.or(state.last.as_ref()).cloned()
}

/// Verbs that answer with a document, after the output.
fn with_document(command: &Command) -> bool {
    matches!(command, Command::Rollback { .. } | Command::Keep)
}

fn only_operators(asker: &Asker) -> Result<(), Refusal> {
    if asker.operator {
        Ok(())
    } else {
        Err(Refusal::because(Code::NotOperator, &asker.name))
    }
}

fn document_answer(stream: &UnixStream, document: &impl Serialize) -> Result<i32> {
    let text = serde_json::to_string(document).context("cannot write an answer")?;
    wire::write(stream, &Answer::Document(text))?;
    Ok(0)
}

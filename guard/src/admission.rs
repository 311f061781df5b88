//! Whether what somebody asks for may be done at all, and what exactly that is: pure, from the state and the release.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::{Outcome, Purpose, ReleaseId};
use crate::command::Mode;
use crate::refusal::{Code, Refusal};
use crate::release::{ActionKind, Release};
use crate::state::{AcceptedBuild, State};
use crate::store_path::StorePath;
use crate::time::Time;

/// What changes a host, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum Wish {
    Deploy {
        profile: StorePath,
        mode: Mode,
        /// Whether a new connection is to confirm it.
        confirmed: bool,
        confirm_timeout: Duration,
    },
    Revoke {
        profile: StorePath,
    },
    Rollback {
        to: Option<u64>,
    },
    Keep,
    /// A test's lease has ended.
    LeaseEnd,
    /// The process of an activation is gone.
    Recover,
}

/// As whom the host itself asks when it looks for something newer; no key has the name.
pub const UPGRADE: &str = "upgrade";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asker {
    pub name: String,
    /// Root on the host itself, or a key that the configuration names.
    pub operator: bool,
}

/// What the host is, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Facts {
    pub host: String,
    pub now: Time,
    pub running: Option<StorePath>,
    pub boot_default: Option<StorePath>,
    /// Of the generation that a rollback names.
    pub generation: Option<StorePath>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    Activation(Admission),
    /// A boot that waits for its trial is taken back.
    EndTrial,
    /// What an activation left is taken back.
    Recovery,
    /// There is nothing to do, and that is no failure.
    Nothing(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub purpose: Purpose,
    pub toplevel: StorePath,
    pub profile: Option<StorePath>,
    pub release: Option<ReleaseId>,
    pub lease_seconds: Option<u64>,
    pub removes_guard: bool,
    pub confirm_timeout: Duration,
}

/// # Errors
/// Why not.
pub fn admit(
    state: &State,
    wish: &Wish,
    asker: &Asker,
    facts: &Facts,
) -> Result<Admitted, Refusal> {
    let dry = matches!(
        wish,
        Wish::Deploy {
            mode: Mode::Dry,
            ..
        }
    );
    let own = matches!(wish, Wish::LeaseEnd | Wish::Recover);
    if let Some(hold) = state
        .hold
        .as_ref()
        .filter(|hold| !dry && !own && hold.by != asker.name)
    {
        let reason = hold.reason.as_deref().unwrap_or("no reason given");
        let text = format!("by {} since {}, {reason}", hold.by, hold.since);
        return Err(Refusal::because(Code::Held, text));
    }
    let ends_trial = matches!(wish, Wish::Revoke { .. } | Wish::Rollback { to: None });
    if let Some(trial) = state
        .trial
        .as_ref()
        .filter(|_| !dry && *wish != Wish::Recover)
    {
        let booted = trial.booted || facts.running == Some(trial.activation.toplevel.clone());
        return if ends_trial && !booted {
            Ok(Admitted::EndTrial)
        } else {
            Err(Refusal::because(Code::OnTrial, &trial.activation.toplevel))
        };
    }
    match wish {
        Wish::Deploy {
            profile,
            mode,
            confirmed,
            confirm_timeout,
        } => {
            let mut admission = match accepted_build(state, asker, profile) {
                Some(build) => deploy_build(build, *mode, *confirmed)?,
                None => deploy(state, facts, profile, *mode, *confirmed)?,
            };
            admission.confirm_timeout = *confirm_timeout;
            Ok(Admitted::Activation(admission))
        }
        Wish::Revoke { profile } => revoke(state, facts, profile, asker),
        Wish::Rollback { to } => rollback(state, facts, *to),
        Wish::Keep => keep(state, facts, asker),
        Wish::LeaseEnd => match &facts.boot_default {
            Some(toplevel) => Ok(plain(Purpose::LeaseEnd, toplevel.clone(), None)),
            None => Err(Refusal::new(Code::NothingToRollBack)),
        },
        Wish::Recover => Ok(Admitted::Recovery),
    }
}

fn plain(purpose: Purpose, toplevel: StorePath, release: Option<ReleaseId>) -> Admitted {
    Admitted::Activation(Admission {
        purpose,
        toplevel,
        profile: None,
        release,
        lease_seconds: None,
        removes_guard: true,
        confirm_timeout: Duration::ZERO,
    })
}

fn deploy(
    state: &State,
    facts: &Facts,
    profile: &StorePath,
    mode: Mode,
    confirmed: bool,
) -> Result<Admission, Refusal> {
    let accepted = state
        .release
        .as_ref()
        .ok_or(Refusal::new(Code::NoRelease))?;
    let release = Release::parse(&accepted.signed.release)?;
    release.in_time(facts.now)?;
    let named = release.for_host(&facts.host)?;
    if named.profile != *profile {
        return Err(Refusal::because(Code::NotInRelease, profile));
    }
    let action = named.action;
    if !mode.fits(action.kind) {
        return Err(Refusal::because(Code::WrongAction, action.kind.as_str()));
    }
    let purpose = match mode {
        Mode::Dry => Purpose::DryActivate,
        _ => action.kind.into(),
    };
    // deploy-rs does not confirm what only the next boot will bring.
    let to_confirm = matches!(purpose, Purpose::Switch | Purpose::Test);
    if to_confirm && !confirmed {
        return Err(Refusal::new(Code::NoConfirmation));
    }
    Ok(Admission {
        purpose,
        toplevel: named.toplevel.clone(),
        profile: Some(profile.clone()),
        release: Some(accepted.id.clone()),
        lease_seconds: (action.kind == ActionKind::Test)
            .then_some(action.lease_seconds)
            .flatten(),
        removes_guard: named.removes_guard,
        confirm_timeout: Duration::ZERO,
    })
}

/// What the host itself asks for by the system's own name was accepted as a build, and no release names it.
fn accepted_build<'s>(
    state: &'s State,
    asker: &Asker,
    profile: &StorePath,
) -> Option<&'s AcceptedBuild> {
    (state.build.as_ref()).filter(|build| asker.name == UPGRADE && build.toplevel == *profile)
}

/// As a release with the action `switch` would have it.
fn deploy_build(build: &AcceptedBuild, mode: Mode, confirmed: bool) -> Result<Admission, Refusal> {
    if !mode.fits(ActionKind::Switch) {
        return Err(Refusal::because(
            Code::WrongAction,
            ActionKind::Switch.as_str(),
        ));
    }
    let purpose = match mode {
        Mode::Dry => Purpose::DryActivate,
        _ => Purpose::Switch,
    };
    if purpose == Purpose::Switch && !confirmed {
        return Err(Refusal::new(Code::NoConfirmation));
    }
    Ok(Admission {
        purpose,
        toplevel: build.toplevel.clone(),
        profile: Some(build.toplevel.clone()),
        release: None,
        lease_seconds: None,
        removes_guard: false,
        confirm_timeout: Duration::ZERO,
    })
}

/// Only the last activation is revoked, only if it changed something, and only by whose it was.
fn revoke(
    state: &State,
    facts: &Facts,
    profile: &StorePath,
    asker: &Asker,
) -> Result<Admitted, Refusal> {
    let accepted = state
        .release
        .as_ref()
        .ok_or(Refusal::new(Code::NoRelease))?;
    let release = Release::parse(&accepted.signed.release)?;
    let named = release.for_host(&facts.host)?;
    if named.profile != *profile {
        return Err(Refusal::because(Code::NotInRelease, profile));
    }
    const NOTHING: Admitted = Admitted::Nothing("this deployment changed nothing here");
    let Some(last) = state
        .last
        .as_ref()
        .filter(|last| last.toplevel == named.toplevel)
    else {
        return Ok(NOTHING);
    };
    if last.by != asker.name && !asker.operator {
        return Err(Refusal::because(Code::NotYours, &last.by));
    }
    let outcome = last.ended.as_ref().map(|ended| &ended.outcome);
    let changed = last
        .previous
        .as_ref()
        .filter(|previous| **previous != last.toplevel);
    match (outcome, changed) {
        (Some(Outcome::Confirmed), Some(previous)) if last.purpose == Purpose::Switch => {
            if state.is_confirmed(previous) {
                Ok(plain(Purpose::Rollback, previous.clone(), None))
            } else {
                Err(Refusal::because(Code::NeverConfirmed, previous))
            }
        }
        (Some(Outcome::Testing { .. }), Some(previous)) => {
            Ok(plain(Purpose::LeaseEnd, previous.clone(), None))
        }
        _ => Ok(NOTHING),
    }
}

fn rollback(state: &State, facts: &Facts, to: Option<u64>) -> Result<Admitted, Refusal> {
    let target = match to {
        None => state.rollback_target(facts.running.as_ref()),
        Some(_) => facts.generation.as_ref(),
    };
    let target = target.ok_or(Refusal::new(Code::NothingToRollBack))?;
    if !state.is_confirmed(target) {
        return Err(Refusal::because(Code::NeverConfirmed, target));
    }
    let known = state
        .confirmed
        .iter()
        .find(|known| known.toplevel == *target);
    let release = known.and_then(|known| known.release.clone());
    Ok(plain(Purpose::Rollback, target.clone(), release))
}

fn keep(state: &State, facts: &Facts, asker: &Asker) -> Result<Admitted, Refusal> {
    if !asker.operator {
        return Err(Refusal::because(Code::NotOperator, &asker.name));
    }
    let test = state.test.as_ref().ok_or(Refusal::new(Code::NoTest))?;
    if facts.running.as_ref() != Some(&test.toplevel) {
        return Err(Refusal::because(Code::NoTest, "something else runs"));
    }
    let toplevel = test.toplevel.clone();
    let mut admitted = plain(Purpose::Keep, toplevel, test.release.clone());
    if let Admitted::Activation(admission) = &mut admitted {
        admission.removes_guard = false;
    }
    Ok(admitted)
}

/// Whether a release takes the place of the one that the host has. `true`: it is the same one.
///
/// # Errors
/// `downgrade`, `counter-reused`, and what the release itself is refused for.
pub fn accept(
    state: &State,
    release: &Release,
    text: &str,
    facts: &Facts,
) -> Result<bool, Refusal> {
    release.in_time(facts.now)?;
    release.for_host(&facts.host)?;
    let Some(known) = &state.release else {
        return Ok(false);
    };
    if release.counter < known.id.counter {
        let text = format!("{} after {}", release.counter, known.id.counter);
        return Err(Refusal::because(Code::Downgrade, text));
    }
    if release.counter == known.id.counter {
        return if known.signed.release == text {
            Ok(true)
        } else {
            Err(Refusal::because(Code::CounterReused, release.counter))
        };
    }
    Ok(false)
}

/// Whether a build takes the place of the one that the host has. `true`: it is the same one. Nothing but Hydra's answer
/// says which is newer: what the host had once for good does not come back this way.
///
/// # Errors
/// `downgrade`, `counter-reused`.
pub fn accept_build(state: &State, toplevel: &StorePath, build: u64) -> Result<bool, Refusal> {
    if let Some(known) = &state.build {
        if build < known.build {
            let text = format!("build {build} after {}", known.build);
            return Err(Refusal::because(Code::Downgrade, text));
        }
        if build == known.build {
            return if known.toplevel == *toplevel {
                Ok(true)
            } else {
                Err(Refusal::because(Code::CounterReused, build))
            };
        }
    }
    if state.is_confirmed(toplevel) {
        let text = format!("{toplevel}, which it had before");
        return Err(Refusal::because(Code::Downgrade, text));
    }
    Ok(false)
}

#[cfg(test)]
mod tests;

//! What the guard knows across reboots: one file, replaced as a whole, changed by one process at a time.

mod store;

use serde::{Deserialize, Serialize};

use crate::answer::{Activation, HostState, ReleaseId, Upgrade};
use crate::machine::Step;
use crate::release::SignedRelease;
use crate::store_path::StorePath;
use crate::time::Time;

pub use store::{lock, Store};

const VERSION: u32 = 1;
/// Closures that a rollback may go to. Beyond that the oldest are forgotten.
const CONFIRMED: usize = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub version: u32,
    /// The boot in which this was written last.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// The newest release that was accepted.
    #[serde(default)]
    pub release: Option<AcceptedRelease>,
    /// The newest build that was accepted in place of a release.
    #[serde(default)]
    pub build: Option<AcceptedBuild>,
    /// What the host's last look for something newer came to.
    #[serde(default)]
    pub upgrade: Option<Upgrade>,
    /// The activation that is going on, or that was cut short.
    #[serde(default)]
    pub current: Option<Current>,
    #[serde(default)]
    pub last: Option<Activation>,
    #[serde(default)]
    pub test: Option<Test>,
    #[serde(default)]
    pub trial: Option<Trial>,
    #[serde(default)]
    pub hold: Option<Hold>,
    /// Oldest first.
    #[serde(default)]
    pub confirmed: Vec<Confirmed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRelease {
    pub id: ReleaseId,
    pub signer: String,
    pub accepted: Time,
    pub signed: SignedRelease,
}

/// A build of Hydra's, which nobody signed as what this host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedBuild {
    pub toplevel: StorePath,
    /// Hydra's number of it, which grows.
    pub build: u64,
    pub accepted: Time,
}

/// An activation with all that is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    pub activation: Activation,
    /// What deploy-rs calls the closure.
    pub profile: Option<StorePath>,
    pub step: Step,
    pub on_trial: bool,
    /// What the boot loader's default was.
    pub boot_default: Option<StorePath>,
    /// The system profile's generation and what it led to, as the profile had it.
    pub profile_before: Option<Generation>,
    /// Until when a confirmation is waited for.
    pub confirm_until: Option<Time>,
    /// For a test.
    pub lease_seconds: Option<u64>,
}

/// A generation of the system profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    pub number: u64,
    pub target: StorePath,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    pub toplevel: StorePath,
    pub by: String,
    pub until: Time,
    pub release: Option<ReleaseId>,
}

/// A boot deployment that nobody has seen come up healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    pub activation: Activation,
    pub previous: Option<StorePath>,
    pub profile_before: Option<Generation>,
    /// Whether the entry boots once, and the firmware's variables hold the old default.
    pub one_shot: bool,
    /// The candidate has been booted; its health is what is missing.
    pub booted: bool,
}

impl Trial {
    /// The activation as it stands when the trial is over: the old profile and the old default are to be restored.
    pub fn taken_back(&self) -> Current {
        Current {
            activation: self.activation.clone(),
            profile: None,
            step: Step::RestoreProfile,
            on_trial: self.one_shot,
            boot_default: self.previous.clone(),
            profile_before: self.profile_before.clone(),
            confirm_until: None,
            lease_seconds: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub by: String,
    pub since: Time,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmed {
    pub toplevel: StorePath,
    pub at: Time,
    pub release: Option<ReleaseId>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            boot_id: None,
            release: None,
            build: None,
            upgrade: None,
            current: None,
            last: None,
            test: None,
            trial: None,
            hold: None,
            confirmed: Vec::new(),
        }
    }
}

impl State {
    /// What `status` says, given whether an activation's process is there.
    pub fn host_state(&self) -> HostState {
        if let Some(current) = &self.current {
            return match current.confirm_until {
                Some(until) => HostState::AwaitingConfirmation { until },
                None => HostState::Activating,
            };
        }
        if let Some(trial) = &self.trial {
            return HostState::OnTrial {
                booted: trial.booted,
            };
        }
        if let Some(test) = &self.test {
            return HostState::TestUntil { until: test.until };
        }
        match &self.hold {
            Some(hold) => HostState::Held {
                by: hold.by.clone(),
                since: hold.since,
                reason: hold.reason.clone(),
            },
            None => HostState::Idle,
        }
    }

    pub fn confirm(&mut self, toplevel: &StorePath, at: Time, release: Option<ReleaseId>) {
        self.confirmed.retain(|known| known.toplevel != *toplevel);
        self.confirmed.push(Confirmed {
            toplevel: toplevel.clone(),
            at,
            release,
        });
        let beyond = self.confirmed.len().saturating_sub(CONFIRMED);
        self.confirmed.drain(..beyond);
    }

    pub fn is_confirmed(&self, toplevel: &StorePath) -> bool {
        self.confirmed
            .iter()
            .any(|known| known.toplevel == *toplevel)
    }

    /// The newest confirmed closure besides the one that runs.
    pub fn rollback_target(&self, running: Option<&StorePath>) -> Option<&StorePath> {
        let other = |known: &&Confirmed| Some(&known.toplevel) != running;
        self.confirmed
            .iter()
            .rev()
            .find(other)
            .map(|known| &known.toplevel)
    }

    /// The release that brought a toplevel, for good or as the test that goes on.
    pub fn release_of(&self, toplevel: &StorePath) -> Option<&ReleaseId> {
        let tested = self
            .test
            .as_ref()
            .map(|test| (&test.toplevel, &test.release));
        self.confirmed
            .iter()
            .map(|known| (&known.toplevel, &known.release))
            .chain(tested)
            .find(|(known, _)| *known == toplevel)
            .and_then(|(_, release)| release.as_ref())
    }
}

#[cfg(test)]
mod tests;

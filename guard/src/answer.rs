//! What the guard's verbs answer: one JSON document on stdout each.

mod activation;

use serde::{Deserialize, Serialize};

use crate::store_path::StorePath;
use crate::time::Time;

pub use activation::{Activation, Cause, Ended, Outcome, Purpose};

/// The answer to `status`. Null where the host does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub host: String,
    /// Of this boot of the machine; null from a guard that is too old to say it.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// Toplevels: of `/run/current-system`, of `/run/booted-system`, of what boots next if nothing happens, and of the
    /// system profile.
    pub running: Option<StorePath>,
    pub booted: Option<StorePath>,
    pub boot_default: Option<StorePath>,
    pub profile: Option<StorePath>,
    pub state: HostState,
    /// The newest release that the host accepted.
    pub last_release: Option<ReleaseId>,
    /// The commit of the release that brought what is running; null if no release did.
    pub running_commit: Option<String>,
    /// Why a reboot is due: `kernel`, `initrd`, `modules`, `kernel-parameters`. Empty: none is.
    pub reboot_due: Vec<String>,
    pub failed_units: Vec<String>,
    pub guard_version: String,
    pub free_bytes: FreeBytes,
    /// What a `rollback` without a number goes to.
    pub rollback_target: Option<StorePath>,
    /// Whether the host may reboot without anybody being there.
    pub unattended_reboot: bool,
    /// Whether the boot loader can boot an entry once.
    pub boot_on_trial: bool,
    /// The last activation, or the one that is going on.
    pub last_activation: Option<Activation>,
    /// What the host's last look for something newer came to; null where it does not look, or has not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_upgrade: Option<Upgrade>,
}

/// One thing at a time; the first that holds of: activating, awaiting confirmation, on trial, test, held, idle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum HostState {
    Idle,
    Activating,
    AwaitingConfirmation {
        until: Time,
    },
    /// `booted` is whether the trial's boot has begun: until then the entry waits for the next boot.
    OnTrial {
        booted: bool,
    },
    TestUntil {
        until: Time,
    },
    Held {
        by: String,
        since: Time,
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseId {
    pub commit: String,
    pub counter: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreeBytes {
    pub store: u64,
    /// Null where the host has no EFI system partition.
    pub esp: Option<u64>,
}

/// An entry of the host's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub at: Time,
    /// Name of the key, or `root`.
    pub by: String,
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum Event {
    ReleaseAccepted {
        release: ReleaseId,
        signer: String,
    },
    Activation {
        activation: Activation,
    },
    Held {
        reason: Option<String>,
    },
    Unheld,
    Reboot {
        reasons: Vec<String>,
    },
    Booted {
        toplevel: Option<StorePath>,
        note: String,
    },
}

/// The answer to `health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub host: String,
    /// The boot of which this is said.
    pub boot_id: String,
    /// Whether systemd has started all that it was to start.
    pub is_up: bool,
    /// Checks that do not pass, each with why.
    pub failed_checks: Vec<String>,
    pub failed_units: Vec<String>,
}

/// The answer to `history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    pub host: String,
    pub entries: Vec<Entry>,
}

/// The answer to `accept-release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    pub host: String,
    pub release: ReleaseId,
    pub signer: String,
    /// The host had it already.
    pub known: bool,
}

/// The answer to `poll`. `upgrade` is what the look that it brought about came to; null if that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    pub host: String,
    pub state: HostState,
    pub activation: Option<Activation>,
    pub upgrade: Option<Upgrade>,
}

/// What a host's own look for something newer came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// Grows with each.
    pub number: u64,
    pub at: Time,
    pub result: UpgradeResult,
    /// In a line; begins with `refused CODE` where something was.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeResult {
    /// There was nothing to do.
    UpToDate,
    /// It was activated, and confirmed.
    Upgraded,
    /// Not now: the cache does not answer, a canary is not healthy, somebody holds the host.
    Waiting,
    /// What is offered is not to be had.
    Refused,
    /// It was tried, and the host is back on what ran before; or the guard cannot be asked.
    Failed,
}

impl UpgradeResult {
    const ALL: [Self; 5] = [
        Self::UpToDate,
        Self::Upgraded,
        Self::Waiting,
        Self::Refused,
        Self::Failed,
    ];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Upgraded => "upgraded",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.as_str() == word)
    }
}

/// The answer to `accept-build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildAccepted {
    pub host: String,
    pub build: u64,
    /// The host had it already.
    pub known: bool,
}

/// The answer to `hold`, `unhold` and `reboot`, and to `rollback` and `keep` after their output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    pub host: String,
    pub state: HostState,
    pub activation: Option<Activation>,
}

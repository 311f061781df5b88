//! One activation: what for, by whom, and how it ended.

use serde::{Deserialize, Serialize};

use super::ReleaseId;
use crate::refusal::Refusal;
use crate::release::ActionKind;
use crate::store_path::StorePath;
use crate::time::Time;

/// What an activation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Switch,
    Boot,
    Test,
    DryActivate,
    /// A test becomes the boot default.
    Keep,
    /// Back to a confirmed closure.
    Rollback,
    /// A test's lease ended.
    LeaseEnd,
    /// What an interrupted activation left.
    Recovery,
}

impl Purpose {
    /// Whether somebody asked for it so that the host runs something else.
    pub fn is_deployment(self) -> bool {
        match self {
            Self::Switch | Self::Boot | Self::Test | Self::Keep | Self::Rollback => true,
            Self::DryActivate | Self::LeaseEnd | Self::Recovery => false,
        }
    }

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Boot => "boot",
            Self::Test => "test",
            Self::DryActivate => "dry-activate",
            Self::Keep => "keep",
            Self::Rollback => "rollback",
            Self::LeaseEnd => "lease-end",
            Self::Recovery => "recovery",
        }
    }
}

impl From<ActionKind> for Purpose {
    fn from(kind: ActionKind) -> Self {
        match kind {
            ActionKind::Switch => Self::Switch,
            ActionKind::Boot => Self::Boot,
            ActionKind::Test => Self::Test,
        }
    }
}

/// One activation, in `status`, in `poll` and as an entry of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    pub id: String,
    pub purpose: Purpose,
    /// Name of the key that asked for it; `root` for the host itself.
    pub by: String,
    pub began: Time,
    /// What was to run afterwards, and what ran before.
    pub toplevel: StorePath,
    pub previous: Option<StorePath>,
    pub release: Option<ReleaseId>,
    /// Null while it is going on.
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    pub at: Time,
    pub outcome: Outcome,
}

/// How an activation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum Outcome {
    /// Runs, is the boot default and the profile.
    Confirmed,
    /// Runs until the lease ends.
    Testing { until: Time },
    /// Boots the next time, on trial where the loader can.
    BootPending,
    /// Only looked at.
    Dry,
    /// Nothing was begun.
    Refused { refusal: Refusal },
    /// The host runs, boots and has as profile what it had before.
    RolledBack { cause: Cause, text: String },
    /// Neither the new nor the old closure could be activated; a reboot brings the old one.
    Stranded { text: String },
    /// The host was rebooted or lost power before the confirmation; it booted the old closure.
    Interrupted,
    /// A trial's boot did not come up healthy; the host boots the old closure.
    TrialFailed { text: String },
}

impl Outcome {
    /// As `is` in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Testing { .. } => "testing",
            Self::BootPending => "boot-pending",
            Self::Dry => "dry",
            Self::Refused { .. } => "refused",
            Self::RolledBack { .. } => "rolled-back",
            Self::Stranded { .. } => "stranded",
            Self::Interrupted => "interrupted",
            Self::TrialFailed { .. } => "trial-failed",
        }
    }

    /// Whether it is what was asked for.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Confirmed | Self::Testing { .. } | Self::BootPending | Self::Dry => true,
            // Somebody called a trial off.
            Self::RolledBack { cause, .. } => *cause == Cause::Revoked,
            Self::Refused { .. }
            | Self::Stranded { .. }
            | Self::Interrupted
            | Self::TrialFailed { .. } => false,
        }
    }
}

/// Why the host went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    ActivationFailed,
    ActivationTimedOut,
    Unhealthy,
    NotConfirmed,
    BootLoaderFailed,
    Revoked,
    GuardKilled,
}

//! What a host says of itself, in whichever way it was asked. Types only.

use serde::{Deserialize, Serialize};

use crate::fleet::store_path::StorePath;

/// A host's own word on what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// `/run/current-system`.
    pub running: StorePath,
    /// `/run/booted-system`; none on a host that has not booted since it was installed.
    pub booted: Option<StorePath>,
    /// What the next power cycle boots.
    pub boot_default: StorePath,
    /// The system profile.
    pub profile: StorePath,
    pub state: State,
    /// Units in the state `failed`.
    pub failed_units: Vec<String>,
    /// Bytes free on the file system of the store; none if the host did not say.
    pub free_store: Option<u64>,
    /// Bytes free on the ESP; none on a host without one.
    pub free_esp: Option<u64>,
    /// The guard's version; none on a host without a guard.
    pub guard: Option<String>,
}

/// What a host is in the middle of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum State {
    Idle,
    Activating,
    AwaitingConfirmation,
    /// A new entry is booted this once.
    OnTrial,
    /// What runs is not what boots; until then, in RFC 3339.
    Test { until: Option<String> },
    /// An operator works on it.
    Held { by: Option<String> },
}

impl State {
    /// As in tables.
    pub fn words(&self) -> String {
        match self {
            Self::Idle => "idle".to_owned(),
            Self::Activating => "activating".to_owned(),
            Self::AwaitingConfirmation => "awaiting confirmation".to_owned(),
            Self::OnTrial => "on trial".to_owned(),
            Self::Test { until: Some(until) } => format!("test until {until}"),
            Self::Test { until: None } => "test".to_owned(),
            Self::Held { by: Some(by) } => format!("held by {by}"),
            Self::Held { by: None } => "held".to_owned(),
        }
    }
}

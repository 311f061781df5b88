//! What a plan is made from: what is known of a host before anything is done with it.

use super::super::live::Live;
use super::super::units::UnitPlan;
use crate::diff::closure::{BootPart, ClosureDiff};
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;

/// What is known of one host before it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub host: HostName,
    pub wave: u32,
    pub new: StorePath,
    pub before: Before,
    /// From what runs to the new closure, if both are here.
    pub change: Option<Change>,
    /// What differs for the kernel between what is booted and the new closure, if both are here.
    pub boot_parts: Option<Vec<BootPart>>,
    /// Bytes of the new kernel and initrd that the host's EFI partition has not got; none if that is not known.
    pub esp_files_bytes: Option<u64>,
    /// Bytes of the whole new closure.
    pub size: Option<u64>,
    /// Health checks that only a guard of the host could make.
    pub checks_left_out: Vec<String>,
    /// Whether the new configuration has a guard.
    pub guard: bool,
}

/// Why a host that has no guard cannot be switched to its first one: deploy-rs confirms by a new connection, whose command
/// the guard that was just started does not await.
pub const NEW_GUARD: &str = "a guard comes with it, which refuses who confirms a switch";

impl Known {
    /// Why the host cannot switch to what is new; empty if it can.
    pub fn inhibitors(&self) -> Vec<String> {
        let of_change = self.change.iter().flat_map(|change| &change.inhibitors);
        let guard = self.guard_is_new().then(|| NEW_GUARD.to_owned());
        of_change.cloned().chain(guard).collect()
    }

    pub fn guard_is_new(&self) -> bool {
        let had_one = match &self.before {
            Before::Live(live) => live.guard.is_some(),
            Before::Assumed { guard, .. } => *guard,
            Before::New | Before::Unreachable(_) => return false,
        };
        self.guard && !had_one
    }
}

/// Where a host stands.
#[derive(Debug, Clone, PartialEq, Eq)]
// One a host.
#[allow(clippy::large_enum_variant)]
pub enum Before {
    /// As it said.
    Live(Live),
    /// Another revision's closure stands for it.
    Assumed {
        toplevel: StorePath,
        /// Whether it has a guard.
        guard: bool,
    },
    /// Another revision has no such host.
    New,
    Unreachable(String),
}

/// The difference between two closures, as far as a plan tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub summary: String,
    pub units: UnitPlan,
    /// Why the new closure can only be booted into.
    pub inhibitors: Vec<String>,
    /// Bytes of the paths that only the new closure has.
    pub added_bytes: u64,
}

impl Change {
    pub fn new(diff: &ClosureDiff, units: UnitPlan, inhibitors: Vec<String>, added: u64) -> Self {
        Self {
            summary: diff.summary(),
            units,
            inhibitors,
            added_bytes: added,
        }
    }
}

impl Before {
    pub fn running(&self) -> Option<&StorePath> {
        match self {
            Self::Live(live) => live.running.as_ref(),
            Self::Assumed { toplevel, .. } => Some(toplevel),
            Self::New | Self::Unreachable(_) => None,
        }
    }
}

//! What became of each host, as the host itself says: the report's types, which are also its JSON
//! (docs/json/reboot.schema.json).

use serde::Serialize;

use super::plan::HostPlan;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

/// The whole report, hosts by wave, then by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    pub seconds: f64,
    /// Whether nothing is left to be looked at: hosts that were asked for by name have booted again and are healthy, and
    /// so are, or were left alone as their configuration wants it, the others.
    pub good: bool,
    pub hosts: Vec<HostReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    pub host: HostName,
    pub wave: u32,
    pub outcome: Outcome,
    /// The boot that it is in now; null if it was not rebooted, or does not answer.
    pub boot_id: Option<String>,
    /// What that boot booted.
    pub booted: Option<StorePath>,
    /// From the request until it was known to be healthy, or given up.
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Outcome {
    /// It booted again, what it should, and is healthy.
    Rebooted,
    /// It booted again, and something is wrong.
    Unhealthy { why: String },
    /// It was asked to reboot, and within the time it did not answer out of another boot.
    NotBack { why: String },
    /// Its guard said no: nothing happened.
    Refused { why: String },
    /// Nothing waits for a reboot.
    NotDue,
    /// It may not be rebooted, or not now, or not from here.
    Left { why: String },
    /// It did not answer, and was not touched.
    Unreachable { why: String },
    /// An earlier wave failed.
    NotTried { why: String },
}

impl Outcome {
    pub fn words(&self) -> &'static str {
        match self {
            Self::Rebooted => "rebooted",
            Self::Unhealthy { .. } => "rebooted, and is not healthy",
            Self::NotBack { .. } => "not back",
            Self::Refused { .. } => "refused",
            Self::NotDue => "no reboot is due",
            Self::Left { .. } => "left",
            Self::Unreachable { .. } => "unreachable",
            Self::NotTried { .. } => "not tried",
        }
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Rebooted | Self::NotDue => None,
            Self::Unhealthy { why }
            | Self::NotBack { why }
            | Self::Refused { why }
            | Self::Left { why }
            | Self::Unreachable { why }
            | Self::NotTried { why } => Some(why),
        }
    }

    /// Whether the next wave must not begin.
    pub fn stops(&self) -> bool {
        matches!(self, Self::Unhealthy { .. } | Self::NotBack { .. })
    }

    /// Whether it is what was asked for. A host that was left as its own configuration wants it is, unless it was named.
    pub fn is_good(&self, named: bool) -> bool {
        match self {
            Self::Rebooted | Self::NotDue => true,
            Self::Left { .. } => !named,
            Self::Unhealthy { .. }
            | Self::NotBack { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::NotTried { .. } => false,
        }
    }
}

impl HostReport {
    /// Of a host that was not touched.
    pub fn untouched(plan: &HostPlan, outcome: Outcome) -> Self {
        Self {
            host: plan.host.name.clone(),
            wave: plan.host.wave,
            outcome,
            boot_id: None,
            booted: None,
            seconds: 0.0,
        }
    }
}

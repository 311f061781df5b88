//! What a deployment would do, host by host. Pure: from the ref's meaning, what is wanted and what is known of each host
//! to the plan, which is also its JSON (docs/json/plan.schema.json).

mod dry_activation;
mod known;

use guard::answer::{HostState, Status};
use serde::{Deserialize, Serialize};

use super::live::{self, Live};
use super::units::UnitPlan;
use crate::diff::closure::BootPart;
use crate::fleet::host::HostName;
use crate::fleet::refs::Meaning;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
pub use dry_activation::DryActivation;
pub use known::{Before, Change, Known, NEW_GUARD};

/// The whole plan, hosts in the order of their waves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub version: u32,
    pub stage: Stage,
    /// As it was asked for.
    pub reference: String,
    /// None for a working tree without a commit.
    pub commit: Option<String>,
    /// The revision that stands for what the hosts run; none if they were asked.
    pub against: Option<String>,
    pub hosts: Vec<HostPlan>,
}

/// What one host is in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPlan {
    pub host: HostName,
    pub wave: u32,
    pub action: Action,
    /// What runs now; none if nobody knows.
    pub old: Option<StorePath>,
    pub new: StorePath,
    /// What changes, in a line; empty if nothing does, none if the old closure is not here to be compared.
    pub changes: Option<String>,
    /// What a switch does to units that run; none if that is not known, or nothing is activated live.
    pub units: Option<UnitPlan>,
    pub reboot: Reboot,
    /// Bytes that the host lacks of the new closure, if it fetches nothing by itself; none if that is not known.
    pub send_bytes: Option<u64>,
    /// Bytes free on the host's store.
    pub free_bytes: Option<u64>,
    /// Bytes of the kernel and initrd that the EFI partition gets; 0 if it has them, none if that is not known, or if no
    /// boot loader is written.
    #[serde(default)]
    pub esp_files_bytes: Option<u64>,
    /// Bytes free on the EFI partition; none on a host without one.
    #[serde(default)]
    pub free_esp_bytes: Option<u64>,
    /// What the host's own dry activation said; none if there was none.
    #[serde(default)]
    pub dry_activation: Option<DryActivation>,
    /// Where the host returns to if the deployment fails.
    pub rollback: Option<StorePath>,
    /// Why the host was not asked, or did not answer.
    pub unreachable: Option<String>,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
}

impl HostPlan {
    /// Whether what is new does not fit on its store, as far as that is known.
    pub fn lacks_space(&self) -> bool {
        exceeds(self.send_bytes, self.free_bytes)
    }
}

/// What is done with a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Action {
    /// It has what it should have.
    Unchanged,
    Switch,
    /// In effect after the next reboot.
    Boot,
    /// Live only: a reboot, or the end of the lease, returns.
    #[serde(rename_all = "camelCase")]
    Test {
        /// None: as long as the host itself says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_seconds: Option<u64>,
    },
    /// The ref asks for no deployment.
    Build,
}

impl Action {
    /// Whether a host is touched.
    pub fn deploys(&self) -> bool {
        match self {
            Self::Switch | Self::Boot | Self::Test { .. } => true,
            Self::Unchanged | Self::Build => false,
        }
    }

    /// Whether what runs changes at once.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Switch | Self::Test { .. })
    }

    pub fn words(&self) -> String {
        match self {
            Self::Unchanged => "unchanged".to_owned(),
            Self::Switch => "switch".to_owned(),
            Self::Boot => "boot".to_owned(),
            Self::Test {
                lease_seconds: Some(seconds),
            } => format!("test for {}", duration(*seconds)),
            Self::Test {
                lease_seconds: None,
            } => "test".to_owned(),
            Self::Build => "build only".to_owned(),
        }
    }
}

/// Whether the host has to boot before all of the new closure is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Reboot {
    /// What is booted is not here to be compared.
    Unknown,
    NotDue,
    /// After the deployment, and why.
    Due {
        why: Vec<String>,
    },
}

/// When a host boots into its new closure instead of switching to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Where switching is inhibited.
    Auto,
    Always,
    Never,
}

/// What is wanted of all hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub meaning: Meaning,
    pub boot: Boot,
    /// How long a test lasts, in seconds; none leaves that to the host.
    pub lease: Option<u64>,
}

/// Hosts in the order in which they have their turn: by wave, then by name.
pub fn plan(wish: &Wish, known: Vec<Known>) -> Vec<HostPlan> {
    let mut hosts: Vec<HostPlan> = known
        .into_iter()
        .map(|known| host_plan(wish, known))
        .collect();
    hosts.sort_by(|a, b| (a.wave, &a.host).cmp(&(b.wave, &b.host)));
    hosts
}

fn host_plan(wish: &Wish, known: Known) -> HostPlan {
    let mut notes = Vec::new();
    let action = action(wish, &known, &mut notes);
    let running = known.before.running().cloned();
    let same = running.as_ref() == Some(&known.new);
    let (changes, units, added) = match &known.change {
        Some(change) => (
            Some(change.summary.clone()),
            Some(change.units.clone()),
            Some(change.added_bytes),
        ),
        None if same => (Some(String::new()), Some(UnitPlan::default()), Some(0)),
        None => (None, None, None),
    };
    // A host that runs nothing of ours yet lacks all of it.
    let send_bytes = match &known.before {
        Before::New => known.size,
        _ => added,
    };
    let writes_loader = matches!(action, Action::Switch | Action::Boot);
    let esp_files_bytes = known.esp_files_bytes.filter(|_| writes_loader);
    let (rollback, free, unreachable) = match &known.before {
        Before::Live(live) => {
            notes.extend(of_live(live, &action, send_bytes, esp_files_bytes));
            if live.guard.is_none() && action.is_live() && !known.checks_left_out.is_empty() {
                notes.push(format!(
                    "nobody makes its health check {}: who deploys it may not, and it has no guard",
                    known.checks_left_out.join(", ")
                ));
            }
            let back = match action {
                Action::Boot => &live.boot_default,
                _ => &live.running,
            };
            (back.clone(), live.free_bytes, None)
        }
        Before::Assumed { toplevel, .. } => (Some(toplevel.clone()), None, None),
        Before::New => (None, None, None),
        Before::Unreachable(why) => (None, None, Some(why.clone())),
    };
    HostPlan {
        reboot: reboot(&action, &known),
        units: if action.deploys() && !action.is_live() {
            None
        } else {
            units
        },
        rollback: rollback.filter(|_| action.deploys()),
        host: known.host,
        wave: known.wave,
        action,
        old: running,
        new: known.new,
        changes,
        send_bytes,
        free_bytes: free.map(|free| free.store),
        esp_files_bytes,
        free_esp_bytes: free.and_then(|free| free.esp),
        dry_activation: None,
        unreachable,
        notes,
    }
}

fn action(wish: &Wish, known: &Known, notes: &mut Vec<String>) -> Action {
    let settled = |what: fn(&Live) -> bool, otherwise: bool| match &known.before {
        Before::Live(live) => what(live),
        // What stands for the host is taken to run, to be booted and to be the default.
        Before::Assumed { .. } => otherwise,
        Before::New | Before::Unreachable(_) => false,
    };
    let runs = known.before.running() == Some(&known.new);
    let is_new = |path: &Option<StorePath>| path.as_ref() == Some(&known.new);
    let boots = match &known.before {
        Before::Live(live) => is_new(&live.boot_default) && is_new(&live.profile),
        _ => runs,
    };
    let idle = settled(|live| live.state == HostState::Idle, true);
    match &wish.meaning {
        Meaning::Build => Action::Build,
        Meaning::Test { .. } if runs => Action::Unchanged,
        Meaning::Test { .. } => {
            if known.guard_is_new() {
                notes.push(format!("is not tried: {NEW_GUARD}"));
            }
            Action::Test {
                lease_seconds: wish.lease,
            }
        }
        Meaning::Deploy { boot } => {
            let inhibitors = known.inhibitors();
            let boots_only = match wish.boot {
                Boot::Always => true,
                // Whatever was asked for: nobody could confirm a switch.
                Boot::Never => known.guard_is_new(),
                Boot::Auto => *boot || !inhibitors.is_empty(),
            };
            if !boots_only && !inhibitors.is_empty() {
                notes.push(format!("switching is inhibited: {}", inhibitors.join(", ")));
            }
            if boots && (runs || boots_only) && idle {
                Action::Unchanged
            } else if boots_only {
                if !inhibitors.is_empty() {
                    notes.push(format!("boots, since {}", inhibitors.join(", ")));
                }
                Action::Boot
            } else {
                Action::Switch
            }
        }
    }
}

fn exceeds(needed: Option<u64>, free: Option<u64>) -> bool {
    needed.is_some_and(|needed| free.is_some_and(|free| free < needed))
}

/// What the host's own state means for the action.
fn of_live(live: &Live, action: &Action, send: Option<u64>, esp_files: Option<u64>) -> Vec<String> {
    let mut notes = Vec::new();
    if live.state != HostState::Idle {
        notes.push(live::words(&live.state));
    }
    if !live.failed_units.is_empty() {
        notes.push(format!("failed already: {}", live.failed_units.join(", ")));
    }
    if live.running != live.boot_default && live.state == HostState::Idle {
        notes.push("boots something else than it runs".to_owned());
    }
    let untried = |guard: &Status| !guard.boot_on_trial;
    if *action == Action::Boot && live.guard.as_deref().is_some_and(untried) {
        notes.push(
            "its boot loader cannot try a boot: it boots this until something else is deployed"
                .to_owned(),
        );
    }
    let free = live.free_bytes.filter(|_| action.deploys());
    if exceeds(send, free.map(|free| free.store)) {
        notes.push("not enough space on its store".to_owned());
    }
    if exceeds(esp_files, free.and_then(|free| free.esp)) {
        notes.push("not enough space on its EFI partition".to_owned());
    }
    notes
}

/// Whether a reboot is due once the action is done.
fn reboot(action: &Action, known: &Known) -> Reboot {
    if matches!(action, Action::Boot) {
        let mut why = vec!["deployed for the next boot".to_owned()];
        why.extend(names(known.boot_parts.as_deref().unwrap_or_default()));
        return Reboot::Due { why };
    }
    // A test is gone after a reboot: none can bring it into effect.
    if matches!(action, Action::Test { .. }) {
        return Reboot::NotDue;
    }
    let waits = match &known.before {
        // Unchanged since it waits for its boot.
        Before::Live(live) => {
            live.boot_default.as_ref() == Some(&known.new)
                && live.running.as_ref() != Some(&known.new)
        }
        _ => false,
    };
    match known.boot_parts.as_deref() {
        _ if waits => Reboot::Due {
            why: vec!["deployed for the next boot".to_owned()],
        },
        None => Reboot::Unknown,
        Some([]) => Reboot::NotDue,
        Some(parts) => Reboot::Due { why: names(parts) },
    }
}

fn names(parts: &[BootPart]) -> Vec<String> {
    parts.iter().map(|part| part.name().to_owned()).collect()
}

/// `4 h`, `90 min`, `45 s`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        s if s > 0 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
pub mod tests;

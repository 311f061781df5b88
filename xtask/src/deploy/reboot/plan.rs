//! Which hosts are rebooted, and why the others are not. Pure.

use guard::answer::{HostState, Status};
use guard::time::Time;

use crate::deploy::live::{self, Live};
use crate::deploy::status::reboot_due;
use crate::fleet::inventory::Host;
use crate::fleet::stage::Stage;
use crate::fleet::window::{Opening, Window};

#[derive(Debug, Clone)]
pub struct Plan {
    pub stage: Stage,
    /// By wave, then by name.
    pub hosts: Vec<HostPlan>,
}

#[derive(Debug, Clone)]
pub struct HostPlan {
    pub host: Host,
    /// Asked for by its name.
    pub named: bool,
    pub turn: Turn,
}

/// What a host is in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Why it is due; empty if it is not, and was asked for.
    Reboot {
        why: Vec<String>,
    },
    NotDue,
    /// It may not be rebooted, or not now, or not from here.
    Left {
        why: String,
    },
    Unreachable {
        why: String,
    },
}

/// What is known of one host.
#[derive(Debug, Clone)]
pub struct Known {
    pub host: Host,
    pub named: bool,
    /// What it says of itself, or why it does not.
    pub answer: Result<Live, String>,
}

/// What holds for all of them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whatever the windows say.
    pub whenever: bool,
    pub at: Time,
    /// The boot of the machine that this runs on.
    pub here: String,
}

pub fn plan(stage: Stage, rules: &Rules, known: Vec<Known>) -> Plan {
    let host_plan = |known: Known| HostPlan {
        turn: turn(rules, &known),
        host: known.host,
        named: known.named,
    };
    let mut hosts: Vec<HostPlan> = known.into_iter().map(host_plan).collect();
    hosts.sort_by(|a, b| (a.host.wave, &a.host.name).cmp(&(b.host.wave, &b.host.name)));
    Plan { stage, hosts }
}

fn turn(rules: &Rules, known: &Known) -> Turn {
    let live = match &known.answer {
        Ok(live) => live,
        Err(why) => return Turn::Unreachable { why: why.clone() },
    };
    let due = match &live.guard {
        Some(status) => Some(reasons(status)),
        None => reboot_due(live),
    };
    // What is not known is not taken for nothing.
    if !known.named && due.as_ref().is_some_and(Vec::is_empty) {
        return Turn::NotDue;
    }
    let why = match &live.guard {
        None => Some(by_hand(&known.host)),
        Some(status) => forbidden(known, status)
            .or_else(|| in_the_way(rules, known, status))
            .or_else(|| outside(rules, &known.host)),
    };
    match why {
        Some(why) => Turn::Left { why },
        None => Turn::Reboot {
            why: due.unwrap_or_default(),
        },
    }
}

/// Why a guard says that a reboot is due.
fn reasons(status: &Status) -> Vec<String> {
    let mut reasons = status.reboot_due.clone();
    if status.state == (HostState::OnTrial { booted: false }) {
        reasons.push("boot-pending".to_owned());
    }
    reasons
}

fn address(host: &Host) -> &str {
    host.target_host.as_deref().unwrap_or(host.name.as_str())
}

fn by_hand(host: &Host) -> String {
    format!(
        "it has no guard, and nobody else may reboot it from here: ssh {} sudo systemctl reboot, as its operator",
        address(host)
    )
}

/// Both what the fleet says counts, and what the host that runs says: the stricter.
fn forbidden(known: &Known, status: &Status) -> Option<String> {
    let unattended = known.host.reboot.unattended && status.unattended_reboot;
    (!unattended).then(|| {
        format!(
            "homelab.reboot.unattended is false, somebody has to be there: ssh deploy@{} reboot, with an operator's key",
            address(&known.host)
        )
    })
}

fn in_the_way(rules: &Rules, known: &Known, status: &Status) -> Option<String> {
    if status.boot_id.as_ref() == Some(&rules.here) {
        return Some("this runs on it, and would end with it: systemctl reboot, there".to_owned());
    }
    match &status.state {
        HostState::TestUntil { .. } if known.named => None,
        HostState::TestUntil { until } => {
            let name = &known.host.name;
            Some(format!(
                "it tests until {until}, and a reboot ends that: cargo xtask reboot {name}"
            ))
        }
        state @ (HostState::Activating
        | HostState::AwaitingConfirmation { .. }
        | HostState::OnTrial { booted: true }) => Some(format!(
            "it is {}: the same once that is over",
            live::words(state)
        )),
        // Whose hold it is, the guard knows.
        HostState::Idle | HostState::OnTrial { booted: false } | HostState::Held { .. } => {
            let too_old = status.boot_id.is_none();
            too_old.then(|| {
                "its guard is too old to tell one boot from another: deploy it first".to_owned()
            })
        }
    }
}

fn outside(rules: &Rules, host: &Host) -> Option<String> {
    let window = host.reboot.window.as_ref().filter(|_| !rules.whenever)?;
    closed(window, rules.at)
}

/// Why it may not begin at this moment; none if it may.
pub fn closed(window: &Window, at: Time) -> Option<String> {
    match window.at(at.unix()) {
        Opening::Open => None,
        Opening::At(opens) => Some(format!(
            "its window ({window}) opens at {}: then, or --now",
            Time::from_unix(opens)
        )),
    }
}

#[cfg(test)]
pub mod tests;

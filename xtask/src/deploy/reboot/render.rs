//! What a person reads of a plan of reboots, and of what came of it.

use super::outcome::Report;
use super::plan::{HostPlan, Plan, Turn};
use crate::report::table::Table;
use crate::report::words::{counted, seconds};

/// A row a host, then why hosts are left.
pub fn plan(plan: &Plan) -> String {
    let mut table = Table::new(["host", "wave", "reboot", "why"]).numbers([1]);
    for HostPlan { host, turn, .. } in &plan.hosts {
        let (what, why) = match turn {
            Turn::Reboot { why } if why.is_empty() => ("yes", "asked for".to_owned()),
            Turn::Reboot { why } => ("yes", why.join(", ")),
            Turn::NotDue => ("not due", String::new()),
            Turn::Left { .. } => ("left", String::new()),
            Turn::Unreachable { why } => ("unreachable", why.clone()),
        };
        let row = [&host.name.to_string(), &host.wave.to_string(), what, &why];
        table.row(row.map(str::to_owned));
    }
    let mut text = table.text();
    for HostPlan { host, turn, .. } in &plan.hosts {
        if let Turn::Left { why } = turn {
            text.push_str(&format!("{}: {why}\n", host.name));
        }
    }
    text
}

/// A row a host, then why, then a line for all.
pub fn outcomes(report: &Report) -> String {
    let mut table = Table::new(["host", "wave", "outcome", "s"]).numbers([1, 3]);
    for host in &report.hosts {
        let time = match host.seconds > 0.0 {
            true => seconds(host.seconds),
            false => String::new(),
        };
        table.row([
            host.host.to_string(),
            host.wave.to_string(),
            host.outcome.words().to_owned(),
            time,
        ]);
    }
    let mut text = table.text();
    for host in &report.hosts {
        if let Some(why) = host.outcome.why() {
            text.push_str(&format!("{}: {why}\n", host.host));
        }
    }
    let rebooted = report
        .hosts
        .iter()
        .filter(|host| host.outcome == super::outcome::Outcome::Rebooted)
        .count();
    text.push_str(&format!(
        "{rebooted} of {} rebooted, in {} s\n",
        counted(report.hosts.len(), "host"),
        seconds(report.seconds)
    ));
    text
}

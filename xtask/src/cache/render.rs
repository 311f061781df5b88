//! What the cache has, got and keeps, as a person reads it.

use super::gc::{HostPlan, Plan, Why};
use super::{push, Report, Role};
use crate::report::table::Table;
use crate::report::words::{self, counted};

pub fn text(report: &Report) -> String {
    let mut table = Table::new(["host", "closure", "in the cache", "elsewhere", "result"]);
    table = table.numbers([2, 3]);
    for closure in &report.closures {
        let role = match closure.role {
            Role::Configured => "is to run",
            Role::Running => "runs",
            Role::Boots => "boots",
            Role::RollbackTarget => "goes back to",
        };
        let result = match closure.findings.len() {
            0 => "as it should be".to_owned(),
            count => counted(count, "fault"),
        };
        table.row([
            closure.host.to_string(),
            role.to_owned(),
            closure.in_fleet_cache.to_string(),
            closure.elsewhere.to_string(),
            result,
        ]);
    }
    let mut text = table.text();
    for closure in &report.closures {
        for finding in &closure.findings {
            let host = closure.host.as_str();
            text.push_str(&words::finding(host, &finding.message, &finding.next_step));
        }
    }
    text
}

pub fn pushed(report: &push::Report) -> String {
    let mut table = Table::new(["host", "generation", "paths", "sent"]);
    table = table.numbers([1, 2, 3]);
    for host in &report.hosts {
        table.row([
            host.host.to_string(),
            host.generation.to_string(),
            host.paths.to_string(),
            host.sent.to_string(),
        ]);
    }
    table.text()
}

pub fn collected(plan: &Plan) -> String {
    let mut table = Table::new(["host", "keeps", "lets go", "because"]);
    for host in &plan.hosts {
        let dropped: Vec<String> = host.dropped.iter().map(ToString::to_string).collect();
        let kept: Vec<String> = host
            .kept
            .iter()
            .map(|kept| kept.generation.to_string())
            .collect();
        table.row([
            host.host.clone(),
            kept.join(" "),
            dropped.join(" "),
            because(host),
        ]);
    }
    let mut text = table.text();
    if let Some(collected) = &plan.collected {
        text.push_str(&format!("{}: {collected}\n", plan.cache));
    }
    text
}

/// What else is kept than the newest.
fn because(host: &HostPlan) -> String {
    let mut words = Vec::new();
    for (why, word) in [
        (Why::Needed, "needed"),
        (Why::Incomplete, "not all of it is there"),
    ] {
        let of: Vec<String> = host
            .kept
            .iter()
            .filter(|kept| kept.why == why)
            .map(|kept| kept.generation.to_string())
            .collect();
        if !of.is_empty() {
            words.push(format!("{}: {word}", of.join(" ")));
        }
    }
    words.extend(host.held.iter().map(|path| format!("needed: {path}")));
    words.extend(host.unknown.clone());
    words.join("; ")
}

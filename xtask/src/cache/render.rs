//! What the cache has, as a person reads it.

use super::{Report, Role};
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

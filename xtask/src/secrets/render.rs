//! Who can read what, as a person reads it.

use std::collections::BTreeMap;

use super::Report;
use crate::report::table::Table;
use crate::report::words::{self, counted};

pub fn text(report: &Report) -> String {
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &report.findings {
        *faults.entry(finding.subject.as_str()).or_default() += 1;
    }
    let mut text = String::new();
    if !report.files.is_empty() {
        let mut table = Table::new(["file", "used by", "to be read by", "result"]);
        for file in &report.files {
            let hosts: Vec<&str> = file.hosts.iter().map(|host| host.as_str()).collect();
            let result = match faults.get(file.path.as_str()) {
                Some(count) => counted(*count, "fault"),
                None if file.exists => "as it should be".to_owned(),
                None => "not there yet".to_owned(),
            };
            table.row([
                file.path.clone(),
                hosts.join(", "),
                file.readers.join(", "),
                result,
            ]);
        }
        text.push_str(&table.text());
    }
    for finding in &report.findings {
        let (subject, message) = (&finding.subject, &finding.message);
        text.push_str(&words::finding(subject, message, &finding.next_step));
    }
    text.push_str(&format!(
        "{}, {}; {} searched for private keys\n",
        counted(report.files.len(), "file"),
        counted(report.findings.len(), "fault"),
        counted(report.searched, "tracked file"),
    ));
    text
}

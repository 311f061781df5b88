//! What changes between two revisions, as a person reads it: one table, and the details of each host.

use super::changes::{Changes, LineChanges};
use super::closure::{ClosureDiff, PackageStatus};
use super::fleets::{FleetDiff, HostDiff, Side};
use crate::fleet::refs;
use crate::report::table::Table;
use crate::report::words::{bytes, signed_bytes};

pub fn text(diff: &FleetDiff) -> String {
    let mut text = table(diff).text();
    for (host, details) in details(diff) {
        text.push_str(&format!("\n{host}\n"));
        for line in details {
            text.push_str(format!("  {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

pub fn markdown(diff: &FleetDiff) -> String {
    let mut text = format!(
        "## What changes from {} to {} (stage: {})\n\n{}",
        side(&diff.from),
        side(&diff.to),
        diff.stage,
        table(diff).markdown()
    );
    for (host, details) in details(diff) {
        text.push_str(&format!(
            "\n<details><summary>{host}</summary>\n\n```\n{}\n```\n\n</details>\n",
            details.join("\n")
        ));
    }
    text
}

fn side(side: &Side) -> String {
    match side.commit.as_deref().map(refs::short) {
        Some(commit) if side.name != commit => format!("{} ({commit})", side.name),
        _ => side.name.clone(),
    }
}

fn table(diff: &FleetDiff) -> Table {
    let mut table = Table::new(["host", "result", "changes", "size", "reboot"]).numbers([3]);
    for (name, host) in &diff.hosts {
        let (result, changes, size, reboot) = match host {
            HostDiff::Added { .. } => ("added", String::new(), String::new(), ""),
            HostDiff::Removed { .. } => ("removed", String::new(), String::new(), ""),
            HostDiff::Unchanged { .. } => ("unchanged", String::new(), String::new(), ""),
            HostDiff::Failed { error } => {
                // `does not evaluate at HEAD: why`; why is told below the table.
                let what = error.split(": ").next().unwrap_or_default();
                ("failed", what.to_owned(), String::new(), "")
            }
            HostDiff::Changed { diff } => (
                "changed",
                diff.summary(),
                bytes(diff.new_size),
                if diff.reboot_needed() { "needed" } else { "" },
            ),
        };
        let name = name.to_string();
        table.row([name, result.to_owned(), changes, size, reboot.to_owned()]);
    }
    table
}

/// The hosts that there is more to say of.
fn details(diff: &FleetDiff) -> Vec<(String, Vec<String>)> {
    let lines = |host: &HostDiff| match host {
        HostDiff::Changed { diff } => Some(closure(diff)),
        HostDiff::Failed { error } => Some(error.lines().map(str::to_owned).collect()),
        HostDiff::Added { .. } | HostDiff::Removed { .. } | HostDiff::Unchanged { .. } => None,
    };
    diff.hosts
        .iter()
        .filter_map(|(name, host)| Some((name.to_string(), lines(host)?)))
        .collect()
}

/// All that changes from one closure to the other, a line each.
pub fn closure(diff: &ClosureDiff) -> Vec<String> {
    let packages = diff.packages.iter().map(|package| {
        let sign = match package.status {
            PackageStatus::Added => '+',
            PackageStatus::Removed => '-',
            PackageStatus::Upgraded | PackageStatus::Downgraded | PackageStatus::Changed => '~',
        };
        let text = package.short();
        let text = text.trim_start_matches(['+', '-']);
        let size = match package.size_delta {
            0 => String::new(),
            // Said already where nothing but the size changes.
            _ if package.old.is_empty() && package.new.is_empty() && sign == '~' => String::new(),
            delta => format!(" ({})", signed_bytes(delta)),
        };
        format!("{sign} {text}{size}")
    });
    let mut lines = Vec::new();
    section(&mut lines, "packages", packages);
    section(&mut lines, "units", changes(&diff.units));
    section(&mut lines, "users", changes(&diff.users));
    section(&mut lines, "groups", changes(&diff.groups));
    section(&mut lines, "sudo", line_changes(&diff.sudo));
    let boot = diff.boot.iter().map(|part| format!("~ {}", part.name()));
    section(&mut lines, "reboot", boot);
    if lines.is_empty() {
        lines.push("other files".to_owned());
    }
    let (old, new) = (bytes(diff.old_size), bytes(diff.new_size));
    lines.push(format!(
        "{:<9} {old} → {new} ({})",
        "size",
        signed_bytes(diff.size_delta())
    ));
    lines
}

fn section(lines: &mut Vec<String>, title: &str, entries: impl IntoIterator<Item = String>) {
    for (at, entry) in entries.into_iter().enumerate() {
        let title = if at == 0 { title } else { "" };
        lines.push(format!("{title:<9} {entry}"));
    }
}

fn changes(changes: &Changes) -> Vec<String> {
    let added = changes.added.iter().map(|name| format!("+ {name}"));
    let removed = changes.removed.iter().map(|name| format!("- {name}"));
    let changed = changes.changed.iter().map(|(name, fields)| {
        // A unit's own file has the unit's name.
        let fields: Vec<&str> = fields
            .iter()
            .map(String::as_str)
            .filter(|field| field != name)
            .collect();
        if fields.is_empty() {
            format!("~ {name}")
        } else {
            format!("~ {name} ({})", fields.join(", "))
        }
    });
    added.chain(removed).chain(changed).collect()
}

fn line_changes(changes: &LineChanges) -> Vec<String> {
    let added = changes.added.iter().map(|line| format!("+ {line}"));
    let removed = changes.removed.iter().map(|line| format!("- {line}"));
    added.chain(removed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::closure::tests::example;
    use crate::fleet::host::HostName;
    use crate::fleet::stage::Stage;

    fn fleet() -> FleetDiff {
        let side = |name: &str, dirty| Side {
            name: name.to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            dirty,
        };
        let path = example().old;
        let hosts = [
            ("Web", HostDiff::Changed { diff: Box::new(example()) }),
            ("Same", HostDiff::Unchanged { system: path.clone() }),
            ("New", HostDiff::Added { new: path.clone() }),
            ("Gone", HostDiff::Removed { old: path }),
            (
                "Bad",
                HostDiff::Failed {
                    error: "does not evaluate at HEAD~: hosts/Bad/default.nix:3: Failed assertions:\n- no disk".to_owned(),
                },
            ),
        ];
        FleetDiff {
            version: 1,
            stage: Stage::Rehearsal,
            from: side("HEAD~", false),
            to: side("the working tree", true),
            hosts: hosts
                .into_iter()
                .map(|(name, host)| (HostName::known(name), host))
                .collect(),
        }
    }

    #[test]
    fn a_person_reads_a_table_and_the_details() {
        insta::assert_snapshot!(text(&fleet()));
    }

    #[test]
    fn a_forge_shows_the_details_folded() {
        insta::assert_snapshot!(markdown(&fleet()));
    }

    #[test]
    fn the_document_is_stable() {
        insta::assert_snapshot!(crate::report::json(&fleet()).unwrap());
    }
}

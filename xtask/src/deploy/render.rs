//! A plan as a person reads it: one table, and what there is to say of each host.

use super::outcome::{Outcome, Report};
use super::plan::{Action, HostPlan, Plan, Reboot};
use super::units::UnitPlan;
use crate::fleet::host::HostName;
use crate::fleet::refs;
use crate::report::table::Table;
use crate::report::words::{self, bytes, counted};

pub fn text(plan: &Plan) -> String {
    let mut text = format!("{}\n{}", title(plan), table(plan).text());
    for host in &plan.hosts {
        let details = details(host);
        if !details.is_empty() {
            text.push_str(&format!("\n{}\n  {}\n", host.host, details.join("\n  ")));
        }
    }
    text
}

/// What became of one host, in a line.
pub fn ended(host: &HostName, words: &str, why: Option<&str>, seconds: f64) -> String {
    let why = match why {
        Some(why) => format!(": {why}"),
        None => String::new(),
    };
    format!("{host}: {words}{why} ({} s)", words::seconds(seconds))
}

pub fn markdown(plan: &Plan) -> String {
    let mut text = format!("## {}\n\n{}", title(plan), table(plan).markdown());
    for host in &plan.hosts {
        let details = details(host);
        if !details.is_empty() {
            text.push_str(&format!(
                "\n<details><summary>{}</summary>\n\n```\n{}\n```\n\n</details>\n",
                host.host,
                details.join("\n")
            ));
        }
    }
    text
}

fn title(plan: &Plan) -> String {
    let commit = refs::short(plan.commit.as_deref().unwrap_or("no commit"));
    let against = match &plan.against {
        Some(revision) => format!(", as if the hosts ran {revision}"),
        None => String::new(),
    };
    format!(
        "Plan for {} ({commit}){against}, stage {}",
        plan.reference, plan.stage
    )
}

fn table(plan: &Plan) -> Table {
    let header = [
        "host", "wave", "action", "changes", "units", "reboot", "send",
    ];
    let mut table = Table::new(header).numbers([1, 6]);
    for host in &plan.hosts {
        let changes = match (&host.changes, &host.unreachable) {
            (_, Some(_)) => "unreachable".to_owned(),
            (Some(changes), _) => changes.clone(),
            (None, _) if host.old.is_none() => "all of it".to_owned(),
            (None, _) => "unknown".to_owned(),
        };
        let send = host.send_bytes.map_or("?".to_owned(), bytes);
        table.row([
            host.host.to_string(),
            host.wave.to_string(),
            host.action.words(),
            changes,
            host.units.as_ref().map(units).unwrap_or_default(),
            match &host.reboot {
                Reboot::Unknown => "?".to_owned(),
                Reboot::NotDue => String::new(),
                Reboot::Due { .. } => "due".to_owned(),
            },
            send,
        ]);
    }
    table
}

/// `2 restart, 1 stop`.
fn units(plan: &UnitPlan) -> String {
    let parts: Vec<String> = plan
        .lists()
        .iter()
        .filter(|(_, units)| !units.is_empty())
        .map(|(verb, units)| format!("{} {verb}", units.len()))
        .collect();
    parts.join(", ")
}

/// What the table has no room for; nothing of an unchanged host that nobody need look at.
fn details(host: &HostPlan) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |name: &str, what: &str| lines.push(format!("{name:<14} {what}"));
    let same = host.action == Action::Build && host.old.as_ref() == Some(&host.new);
    if host.action != Action::Unchanged && !same {
        if let Some(old) = &host.old {
            say("from", old.as_str());
        }
        say("to", host.new.as_str());
        if let Some(back) = host
            .rollback
            .as_ref()
            .filter(|it| Some(*it) != host.old.as_ref())
        {
            say("back to", back.as_str());
        }
        for (verb, units) in host.units.iter().flat_map(UnitPlan::lists) {
            if !units.is_empty() {
                say(verb, &units.join(", "));
            }
        }
        if let Some(said) = &host.dry_activation {
            say("dry activation", &said.words());
            for line in &said.log {
                say("", &format!("| {line}"));
            }
        }
        if let (Some(send), Some(free)) = (host.send_bytes, host.free_bytes) {
            say("space", &format!("{} of {} free", bytes(send), bytes(free)));
        }
        let files = host.esp_files_bytes.filter(|it| *it > 0);
        if let (Some(files), Some(free)) = (files, host.free_esp_bytes) {
            say(
                "EFI partition",
                &format!("{} of {} free", bytes(files), bytes(free)),
            );
        }
    }
    if let Reboot::Due { why } = &host.reboot {
        say("reboot", &format!("due: {}", why.join(", ")));
    }
    if let Some(why) = &host.unreachable {
        say("host", why);
    }
    for note in &host.notes {
        say("note", note);
    }
    lines
}

/// What became of the hosts: a table, and why where that is to be told.
pub fn outcomes(report: &Report) -> String {
    let mut table = Table::new(["host", "wave", "outcome", "seconds"]).numbers([1, 3]);
    for host in &report.hosts {
        table.row([
            host.host.to_string(),
            host.wave.to_string(),
            host.outcome.words(),
            if host.seconds > 0.0 {
                words::seconds(host.seconds)
            } else {
                String::new()
            },
        ]);
    }
    let mut text = table.text();
    for host in &report.hosts {
        if let Some(why) = host.outcome.why() {
            text.push_str(&format!("\n{}\n  {why}\n", host.host));
            for line in &host.log {
                text.push_str(format!("  | {line}").trim_end());
                text.push('\n');
            }
        }
    }
    for host in &report.hosts {
        for surprise in &host.surprises {
            text.push_str(&format!("{}: not foretold: {surprise}\n", host.host));
        }
    }
    let count =
        |what: fn(&Outcome) -> bool| report.hosts.iter().filter(|it| what(&it.outcome)).count();
    let hosts = counted(report.hosts.len(), "host");
    let said = match count(|it| *it == Outcome::Built) {
        built if built > 0 && built == report.hosts.len() => {
            format!("{hosts} only built, and none touched")
        }
        _ => format!("{} of {hosts} as they should be", count(Outcome::is_good)),
    };
    text.push_str(&format!(
        "{said}, in {} s\n",
        words::seconds(report.seconds)
    ));
    text
}

/// `3 hosts: 1 unchanged, 2 to switch`.
pub fn summary(plan: &Plan) -> String {
    let count =
        |what: fn(&Action) -> bool| plan.hosts.iter().filter(|host| what(&host.action)).count();
    let parts: Vec<String> = [
        (count(|it| *it == Action::Unchanged), "unchanged"),
        (count(|it| *it == Action::Switch), "to switch"),
        (count(|it| *it == Action::Boot), "to boot"),
        (count(|it| matches!(it, Action::Test { .. })), "to test"),
        (count(|it| *it == Action::Build), "only built"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    format!(
        "{}: {}",
        counted(plan.hosts.len(), "host"),
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use guard::answer::FreeBytes;

    use super::*;
    use crate::deploy::plan::tests::{change, known, live, path, wish};
    use crate::deploy::plan::{plan, Before, DryActivation, Known};
    use crate::diff::closure::BootPart;
    use crate::fleet::refs::Meaning;
    use crate::fleet::stage::Stage;

    pub fn example() -> Plan {
        let named = |name: &str, before| Known {
            host: HostName::known(name),
            ..known(before)
        };
        let mut busy = live('o', 'p');
        busy.failed_units = vec!["backup.service".to_owned()];
        busy.free_bytes = Some(FreeBytes {
            store: 10_000,
            esp: Some(1 << 20),
        });
        let hosts = vec![
            Known {
                change: Some(change()),
                boot_parts: Some(vec![BootPart::Kernel]),
                wave: 0,
                ..named("Canary", Before::Live(busy))
            },
            named("Same", Before::Live(live('n', 'n'))),
            named(
                "Dead",
                Before::Unreachable("connection timed out".to_owned()),
            ),
            named("Fresh", Before::New),
            Known {
                boot_parts: None,
                ..named("Other", Before::Live(live('f', 'f')))
            },
        ];
        let mut hosts = plan(&wish(Meaning::Deploy { boot: false }), hosts);
        hosts[0].dry_activation = Some(DryActivation {
            surprises: vec!["would restart getty@tty1.service".to_owned()],
            ..DryActivation::default()
        });
        hosts[3].dry_activation = Some(DryActivation {
            log: vec!["no space left".to_owned()],
            ..DryActivation::failed("deploy-rs exited 1")
        });
        Plan {
            version: 1,
            stage: Stage::Rehearsal,
            reference: "main".to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            against: None,
            hosts,
        }
    }

    #[test]
    fn a_person_reads_a_table_and_the_details() {
        insta::assert_snapshot!(text(&example()));
        assert_eq!(summary(&example()), "5 hosts: 1 unchanged, 4 to switch");
    }

    #[test]
    fn a_forge_shows_the_details_folded() {
        insta::assert_snapshot!(markdown(&example()));
    }

    #[test]
    fn the_document_is_stable() {
        let document = crate::report::json(&example()).unwrap();
        let n = path('n').to_string();
        insta::assert_snapshot!(document.replace(&n, "NEW"));
    }
}

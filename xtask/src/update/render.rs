//! An update as a person reads it, as the message of its commit, and as the text of its pull request.

use super::outcome::{HostUpdate, Proposed, Report};
use crate::build::outcome::Outcome;
use crate::deploy::plan::Reboot;
use crate::diff;
use crate::fleet::refs;
use crate::report::table::Table;
use crate::report::words::{self, counted};

/// `Update nixpkgs and deploy-rs`. Inputs of inputs are named only if nothing else is.
pub fn title(report: &Report) -> String {
    const SHOWN: usize = 3;
    let own = |name: &&str| !name.contains('/');
    let all = report.inputs.iter().map(|it| it.input.as_str());
    let mut names: Vec<&str> = all.clone().filter(own).collect();
    if names.is_empty() {
        names = all.collect();
    }
    match names.as_slice() {
        [one] => format!("Update {one}"),
        [most @ .., last] if names.len() <= SHOWN => {
            format!("Update {} and {last}", most.join(", "))
        }
        many => {
            let more = counted(many.len() - SHOWN, "more input");
            format!("Update {} and {more}", many[..SHOWN].join(", "))
        }
    }
}

/// For the commit: what changes, and no more than that.
pub fn message(report: &Report) -> String {
    let tables = [inputs(report).text(), hosts(report).text()];
    format!(
        "{}\n\n{}\n{}\n",
        title(report),
        tables.join("\n"),
        remarks(report).join("\n")
    )
}

pub fn text(report: &Report) -> String {
    if report.inputs.is_empty() {
        return format!("{}\n", nothing(report));
    }
    let mut text = format!("{}\n{}", inputs(report).text(), hosts(report).text());
    for (host, lines) in details(report) {
        text.push_str(&format!("\n{host}\n  {}\n", lines.join("\n  ")));
    }
    format!("{text}\n{}\n", remarks(report).join("\n"))
}

/// For the pull request.
pub fn markdown(report: &Report, waits: &[String]) -> String {
    let mut text = if waits.is_empty() {
        "It merges itself once the required checks pass.\n".to_owned()
    } else {
        let waits: Vec<String> = waits.iter().map(|why| format!("- {why}\n")).collect();
        format!("It waits for a person:\n\n{}", waits.concat())
    };
    for table in [inputs(report), hosts(report)] {
        text.push_str(&format!("\n{}", table.markdown()));
    }
    text.push_str(&format!("\n{}\n", remarks(report).join("\n")));
    for (host, lines) in details(report) {
        text.push_str(&format!(
            "\n<details><summary>{host}</summary>\n\n```\n{}\n```\n\n</details>\n",
            lines.join("\n")
        ));
    }
    text
}

/// What became of it, and what is next.
pub fn summary(report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(commit) = &report.commit {
        let signed = if commit.signed {
            "signed"
        } else {
            "not signed: git has no key set for it"
        };
        let id = refs::short(&commit.id);
        lines.push(format!(
            "committed as {id} on branch {} ({signed})",
            commit.branch
        ));
        if report.pull_request.is_none() {
            lines.push(format!("next: git push origin {}", commit.branch));
        }
    }
    let failed = report.failed();
    if !failed.is_empty() {
        let names: Vec<&str> = failed.into_iter().map(|host| host.as_str()).collect();
        lines.push(format!(
            "nothing is committed: no closure of {}",
            names.join(", ")
        ));
    }
    lines.extend(report.pull_request.as_ref().map(proposed));
    lines.join("\n")
}

fn proposed(pull: &Proposed) -> String {
    let what = if pull.waits.is_empty() {
        "it merges itself once the required checks pass".to_owned()
    } else {
        format!("it waits for a person: {}", pull.waits.join("; "))
    };
    format!("pull request {}: {what}", pull.url)
}

fn nothing(report: &Report) -> String {
    let base = refs::short(&report.base);
    let replaced = match report.replaced.as_slice() {
        [] => String::new(),
        all => format!(
            " (stage {} builds stand-ins in place of {})",
            report.stage,
            all.join(", ")
        ),
    };
    match report.asked.as_slice() {
        [] => format!("nothing to update at {base}: no input that could be{replaced}"),
        asked => {
            let asked = asked.join(", ");
            format!("nothing to update at {base}: no newer revision of {asked}{replaced}")
        }
    }
}

/// What the tables do not say.
fn remarks(report: &Report) -> Vec<String> {
    let built = report.hosts.iter().filter(|host| host.outcome.is_built());
    let mut lines = vec![format!(
        "{} of {} built in stage {}, compared with {}.",
        built.count(),
        counted(report.hosts.len(), "host"),
        report.stage,
        refs::short(&report.base)
    )];
    if !report.replaced.is_empty() {
        lines.push(format!(
            "Stand-ins were built in place of {}: of their revisions this says nothing.",
            report.replaced.join(", ")
        ));
    }
    lines
}

fn inputs(report: &Report) -> Table {
    let mut table = Table::new(["input", "from", "to"]);
    for change in &report.inputs {
        let words = |version: &Option<_>| match version {
            Some(version) => format!("{version}"),
            None => "none".to_owned(),
        };
        let (old, new) = (words(&change.old), words(&change.new));
        table.row([change.input.clone(), old, new]);
    }
    table
}

fn hosts(report: &Report) -> Table {
    let mut table = Table::new(["host", "result", "changes", "size", "reboot"]).numbers([3]);
    for host in &report.hosts {
        let size = match &host.diff {
            Some(diff) => words::signed_bytes(diff.size_delta()),
            None => String::new(),
        };
        let reboot = match &host.reboot {
            Reboot::Unknown => "?",
            Reboot::NotDue => "",
            Reboot::Due { .. } => "due",
        };
        table.row([
            host.host.to_string(),
            result(host).to_owned(),
            host.diff
                .as_ref()
                .map_or_else(String::new, |it| it.summary()),
            size,
            reboot.to_owned(),
        ]);
    }
    table
}

fn result(host: &HostUpdate) -> &'static str {
    match host.outcome {
        Outcome::Built | Outcome::AlreadyBuilt => match (&host.old, &host.diff) {
            (None, _) => "not built before",
            (Some(_), None) => "unchanged",
            (Some(_), Some(_)) => "changed",
        },
        other => other.words(),
    }
}

/// The hosts that there is more to say of.
fn details(report: &Report) -> Vec<(String, Vec<String>)> {
    let lines = |host: &HostUpdate| {
        let mut lines = Vec::new();
        if let Some(error) = &host.error {
            lines.extend(error.lines().map(str::to_owned));
        }
        if let Some(diff) = &host.diff {
            lines.extend(diff::render::closure(diff));
        }
        if let Reboot::Due { why } = &host.reboot {
            // The parts that only a boot brings are among what changes.
            let told = |it: &&String| !lines.iter().any(|line| line.ends_with(it.as_str()));
            let untold: Vec<String> = why.iter().filter(told).cloned().collect();
            lines.extend(untold.iter().map(|why| format!("{:<9} {why}", "reboot")));
        }
        lines
    };
    report
        .hosts
        .iter()
        .map(|host| (host.host.to_string(), lines(host)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::samples::{harmless, report};

    #[test]
    fn a_commit_says_what_changes() {
        insta::assert_snapshot!(message(&report()));
    }

    #[test]
    fn a_person_reads_tables_and_details() {
        insta::assert_snapshot!(format!("{}{}", text(&report()), summary(&report())));
    }

    #[test]
    fn a_pull_request_says_why_it_waits() {
        insta::assert_snapshot!(markdown(&report(), &report().doubts()));
        let merges = markdown(&harmless(), &harmless().doubts());
        assert!(merges.starts_with("It merges itself"), "{merges}");
    }

    #[test]
    fn a_host_that_fails_is_named_and_a_stand_in_too() {
        let mut report = report();
        report.commit = None;
        report.replaced = vec!["slipway/nixpkgs".to_owned()];
        report.new_sources = vec!["github:else/where".to_owned()];
        report.hosts[0].outcome = Outcome::EvaluatedOnly;
        report.hosts[0].reboot = Reboot::Unknown;
        report.hosts[1].outcome = Outcome::BuildFailed;
        report.hosts[1].error = Some("cannot build host Web: builder failed".to_owned());
        report.hosts[1].diff = None;
        report.hosts[1].reboot = Reboot::Unknown;
        let doubts = report.doubts().join("\n");
        insta::assert_snapshot!(format!("{}{}\n{doubts}", text(&report), summary(&report)));
    }

    #[test]
    fn a_title_is_short() {
        let mut report = report();
        let titled = |report: &mut Report, names: &[&str]| {
            let input = report.inputs[0].clone();
            let named = |name: &&str| crate::fleet::lock::InputChange {
                input: (*name).to_owned(),
                ..input.clone()
            };
            report.inputs = names.iter().map(named).collect();
            title(report)
        };
        assert_eq!(titled(&mut report, &["a", "a/x"]), "Update a");
        assert_eq!(titled(&mut report, &["a/x"]), "Update a/x");
        assert_eq!(titled(&mut report, &["a", "b", "c"]), "Update a, b and c");
        let many = ["a", "b", "c", "d", "e"];
        assert_eq!(
            titled(&mut report, &many),
            "Update a, b, c and 2 more inputs"
        );
    }
}

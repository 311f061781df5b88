//! The report of `build-all`: a table for a person, the same as Markdown, and each failure with its log.

use super::outcome::{Host, Outcome, Report};
use crate::report::table::Table;
use crate::report::words::{bytes, counted, seconds};

/// What became of every host, a row each.
pub fn table(report: &Report) -> Table {
    let compared = report.changed_since.is_some();
    let mut header = vec![
        "host", "result", "eval s", "build s", "built", "fetched", "closure",
    ];
    if compared {
        header.extend(["changed", "difference", "reboot"]);
    }
    let mut table = Table::new(header).numbers(2..7);
    for host in &report.hosts {
        let mut cells = vec![
            host.host.to_string(),
            host.outcome.words().to_owned(),
            host.evaluation_seconds.map_or_else(none, seconds),
            host.build_seconds.map_or_else(none, seconds),
            count(host.paths_built),
            count(host.paths_fetched),
            host.closure_size.map_or_else(none, bytes),
        ];
        if compared {
            cells.extend(change(host));
        }
        table.row(cells);
    }
    table
}

fn none() -> String {
    "-".to_owned()
}

fn count(paths: usize) -> String {
    if paths == 0 {
        none()
    } else {
        paths.to_string()
    }
}

fn change(host: &Host) -> [String; 3] {
    let Some(change) = &host.change else {
        return [none(), none(), none()];
    };
    let words = match (&change.before, change.changed) {
        (_, None) => "unknown",
        (None, Some(_)) => "new",
        (Some(_), Some(true)) => "yes",
        (Some(_), Some(false)) => "no",
    };
    let reboot = match (change.reboot_needed, change.changed) {
        (true, _) => "needed",
        (false, Some(_)) => "no",
        (false, None) => "unknown",
    };
    [words.to_owned(), change.summary.clone(), reboot.to_owned()]
}

/// One line on all of it.
pub fn summary(report: &Report) -> String {
    let hosts = counted(report.hosts.len(), "host");
    let mut parts = vec![format!("{} of {hosts} built", report.built())];
    for (outcome, words) in [
        (Outcome::EvaluatedOnly, "evaluated only"),
        (Outcome::EvaluationFailed, "failed to evaluate"),
        (Outcome::BuildFailed, "failed to build"),
    ] {
        let count = report.count(|other| other == outcome);
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let mut evaluated = format!("{} evaluated", report.evaluation.evaluated);
    if let Some(revision) = &report.changed_since {
        let before = report.evaluation.evaluated_before;
        evaluated.push_str(&format!(", {before} at {revision:.10}"));
    }
    format!(
        "{} in {} s (stage {}, {evaluated})",
        parts.join(", "),
        seconds(report.seconds),
        report.stage,
    )
}

/// Every failure: what, why, the last lines of the log, and what to try.
pub fn errors(report: &Report) -> String {
    let mut text = String::new();
    for host in &report.hosts {
        let Some(error) = &host.error else {
            continue;
        };
        let kind = if host.outcome == Outcome::EvaluatedOnly {
            "note"
        } else {
            "error"
        };
        text.push_str(&format!("{kind}: {}\n", error.message));
        for line in &error.log {
            text.push_str(&format!("  > {line}\n"));
        }
        if let Some(next_step) = &error.next_step {
            text.push_str(&format!("try: {next_step}\n"));
        }
    }
    text
}

/// For a forge's job summary.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "## build-all\n\n{}\n\n{}",
        summary(report),
        table(report).markdown()
    );
    let errors = errors(report);
    if !errors.is_empty() {
        text.push_str(&format!("\n```\n{errors}```\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::outcome::{Change, Error, Evaluation};
    use crate::fleet::host::HostName;
    use crate::fleet::stage::Stage;
    use crate::fleet::store_path::StorePath;

    fn report() -> Report {
        let host = |name: &str, outcome| Host::new(HostName::known(name), outcome);
        Report {
            version: 1,
            stage: Stage::Rehearsal,
            flake: "git+file:///fleet".to_owned(),
            revision: None,
            dirty: true,
            changed_since: None,
            seconds: 3.21,
            evaluation: Evaluation {
                evaluated: 3,
                evaluated_before: 0,
                workers: 2,
                budget_bytes: 1 << 30,
                peak_bytes: 1 << 20,
            },
            hosts: vec![
                Host {
                    evaluation_seconds: Some(0.314),
                    build_seconds: Some(1.27),
                    paths_built: 12,
                    closure_size: Some(15_000_000),
                    ..host("Niko", Outcome::Built)
                },
                Host {
                    closure_size: Some(1_400_000_000),
                    ..host("Production", Outcome::AlreadyBuilt)
                },
                Host {
                    evaluation_seconds: Some(0.2),
                    build_seconds: Some(2.0),
                    paths_built: 1,
                    error: Some(Error {
                        message: "cannot build host Testing: bad-unit.drv: builder failed with exit code 7".to_owned(),
                        log: vec!["one".to_owned(), "two".to_owned()],
                        next_step: Some("nix log /nix/store/x-bad-unit.drv".to_owned()),
                        ..Error::new("")
                    }),
                    ..host("Testing", Outcome::BuildFailed)
                },
                Host {
                    error: Some(Error::new("host Arm is not built here: no builder for aarch64-linux")),
                    ..host("Arm", Outcome::EvaluatedOnly)
                },
            ],
        }
    }

    #[test]
    fn a_row_a_host() {
        insta::assert_snapshot!(table(&report()).text());
        insta::assert_snapshot!(summary(&report()));
    }

    #[test]
    fn failures_have_cause_log_and_next_step() {
        insta::assert_snapshot!(errors(&report()));
    }

    #[test]
    fn changes_have_columns_of_their_own() {
        let mut report = report();
        report.changed_since = Some("0".repeat(40));
        let before = StorePath::parse(&format!("{}-x", "0".repeat(32))).unwrap();
        report.hosts[0].change = Some(Change {
            before: Some(before.clone()),
            changed: Some(true),
            summary: "nginx 1.26 -> 1.28, +1.2 MiB".to_owned(),
            reboot_needed: true,
        });
        report.hosts[1].change = Some(Change {
            before: Some(before),
            changed: Some(false),
            summary: String::new(),
            reboot_needed: false,
        });
        insta::assert_snapshot!(markdown(&report));
    }
}

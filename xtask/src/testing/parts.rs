//! One function a part: what it runs, and how its end is read.

use std::path::Path;

use anyhow::Result;

use super::counts::{of_cargo, of_script, skips, Counts};
use super::{Bench, Outcome};
use crate::check::{self, Verdict};
use crate::cli::{Global, StageChoice};
use crate::evaluate;
use crate::evaluate::locate::locate;
use crate::format::{self, examine, Formatting};
use crate::process::{Command, Output, Status};
use crate::report;
use crate::setup;
use crate::tools::cargo::{self, Lint};

impl Bench<'_> {
    pub(super) async fn nixfmt(&self) -> Result<Outcome> {
        let location = locate(self.root.to_str())?;
        let mut outcome = Outcome::default();
        let mut bad = Vec::new();
        for file in format::of_the_flake(&location).await? {
            let text = std::fs::read_to_string(&file)?;
            if examine(&text) == Formatting::Unchanged {
                outcome.counts += Counts::PASSED;
            } else {
                outcome.counts += Counts::FAILED;
                bad.push(format!("{}: not formatted", file.display()));
            }
        }
        if !bad.is_empty() {
            bad.push("try: cargo xtask fmt".to_owned());
            outcome.failure = Some(bad.join("\n"));
        }
        Ok(outcome)
    }

    pub(super) async fn lint(&self, lint: Lint) -> Result<Outcome> {
        let row = check::lint(lint, self.root).await?;
        Ok(match row.verdict {
            Verdict::Passed => counted(Counts::PASSED),
            Verdict::Failed(detail) => Outcome {
                failure: Some(detail),
                ..counted(Counts::FAILED)
            },
            Verdict::NotBuilt(why) => skipped(why),
        })
    }

    pub(super) async fn crates(&self) -> Result<Outcome> {
        let mut sum = Outcome::default();
        let here = [
            (
                Path::new("/usr/sbin/sshd").exists(),
                "openssh-server",
                "no sshd here, and deployments are tested with a real one",
            ),
            (
                which::which("chromium").is_ok(),
                "chromium",
                "no Chromium here, and the fleet's page is opened in it",
            ),
            (
                which::which("mmdebstrap").is_ok(),
                "mmdebstrap",
                "no mmdebstrap here, and downloads that break off are tested with it",
            ),
        ];
        for (_, package, why) in here.iter().filter(|(there, ..)| !there) {
            if let Err(error) = setup::debian_packages(self.global, &[package], why).await {
                // The tests that need it report that they are skipped.
                report::error(&error);
            }
        }
        let mut failures = Vec::new();
        for tests in cargo::WITHOUT_MACHINES {
            let command = self
                .with_nix(tests.run_without_machines())
                .current_dir(self.root);
            let outcome = of_cargo_run(&command.capture().await?);
            sum.counts += outcome.counts;
            sum.skips.extend(outcome.skips);
            failures.extend(outcome.failure);
        }
        sum.failure = (!failures.is_empty()).then(|| failures.join("\n"));
        Ok(sum)
    }

    pub(super) async fn checks(&self) -> Result<Outcome> {
        let global = Global {
            flake: Some(self.root.display().to_string()),
            stage: StageChoice::Auto,
            ..self.global.clone()
        };
        let report = check::flake_only(evaluate::open(&global).await?).await?;
        let mut outcome = Outcome::default();
        let mut failures = Vec::new();
        for row in report.checks {
            match row.verdict {
                Verdict::Passed => outcome.counts += Counts::PASSED,
                Verdict::Failed(detail) => {
                    outcome.counts += Counts::FAILED;
                    failures.push(format!("{}: {detail}", row.name));
                }
                // Nothing that this machine lacks and could have: another machine is its place.
                Verdict::NotBuilt(why) => outcome
                    .notes
                    .push(format!("not built here: {}: {why}", row.name)),
            }
        }
        outcome.failure = (!failures.is_empty()).then(|| failures.join("\n"));
        Ok(outcome)
    }

    pub(super) async fn activation(&self) -> Result<Outcome> {
        const PACKAGES: [(&str, &str); 2] = [
            ("mmdebstrap", "mmdebstrap"),
            ("systemd-nspawn", "systemd-container"),
        ];
        let script = self.root.join("tests/rehearsal/run");
        let missing: Vec<&str> = PACKAGES
            .iter()
            .filter(|(program, _)| which::which(program).is_err())
            .map(|&(_, package)| package)
            .collect();
        if !missing.is_empty() {
            let why = format!(
                "no {} here, and the activation is tested in a container",
                missing.join(" and no ")
            );
            if let Err(error) = setup::debian_packages(self.global, &missing, &why).await {
                return Ok(skipped(format!("{error:#}")));
            }
        }
        let output = self
            .with_nix(Command::new(&script))
            .current_dir(self.root)
            .capture()
            .await?;
        Ok(of_script_run(&output))
    }
}

pub(super) fn of_cargo_run(output: &Output) -> Outcome {
    let printed = output.text();
    let mut outcome = Outcome {
        skips: skips(&printed).into_iter().map(str::to_owned).collect(),
        ..counted(of_cargo(&printed))
    };
    if !output.status.success() {
        // A test program that crashed, or crates that do not compile, leave no count of their own.
        outcome.counts.failed = outcome.counts.failed.max(1);
        outcome.failure = Some(cargo::failures(&printed, &output.last_lines(40)));
    }
    outcome
}

fn of_script_run(output: &Output) -> Outcome {
    const SKIPPED: Status = Status::Code(77);
    let said = output.last_lines(30);
    match (output.status, of_script(&output.text())) {
        (SKIPPED, _) => skipped(said.trim_start_matches("skipped: ").to_owned()),
        (status, Some(counts)) if status.success() => counted(counts),
        (status, counts) => {
            let mut counts = counts.unwrap_or_default();
            counts.failed = counts.failed.max(1);
            Outcome {
                failure: Some(format!("it {status}:\n{said}")),
                ..counted(counts)
            }
        }
    }
}

pub(super) fn counted(counts: Counts) -> Outcome {
    Outcome {
        counts,
        ..Outcome::default()
    }
}

pub(super) fn skipped(why: String) -> Outcome {
    Outcome {
        skips: vec![why],
        ..counted(Counts::SKIPPED)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(status: Status, stdout: &str, stderr: &str) -> Outcome {
        of_script_run(&Output {
            status,
            stdout: stdout.into(),
            stderr: stderr.to_owned(),
            wall: Duration::ZERO,
        })
    }

    #[test]
    fn a_script_that_dies_never_passes() {
        let count = "activation: 3 checks passed, 0 failed\n";
        assert_eq!(run(Status::Code(0), count, "").counts.passed, 3);
        for status in [Status::Signal(9), Status::Code(1)] {
            let outcome = run(status, count, "boom");
            assert_eq!(outcome.counts.failed, 1);
            assert!(outcome.failure.unwrap().contains("boom"));
        }
        assert_eq!(run(Status::Code(0), "", "").counts.failed, 1);
    }

    #[test]
    fn a_script_that_lacks_something_is_skipped() {
        let outcome = run(Status::Code(77), "", "skipped: it needs root\n");
        assert_eq!(outcome.counts, Counts::SKIPPED);
        assert_eq!(outcome.skips, ["it needs root"]);
    }
}

//! The parts about scenarios: all of them played in the rehearsal stage, and the tests of their interpreter in stage
//! nixos.

use anyhow::Result;

use super::counts::{of_pytest, Counts};
use super::parts::{counted, skipped};
use super::{Bench, Outcome};
use crate::cli::{Accel, Global, StageChoice};
use crate::failure::{exit_of, Exit};
use crate::process::Command;
use crate::report;
use crate::scenarios::outcome::Verdict;
use crate::scenarios::{self, render};
use crate::setup;

/// Where the interpreter's tests are, if the project has them.
const INTERPRETER: &str = "tests/nixos";

impl Bench<'_> {
    pub(super) async fn scenarios(&self) -> Result<Outcome> {
        // The stand-ins are what this machine can play anywhere; real NixOS tests are the flake's own checks.
        let global = Global {
            flake: Some(self.root.display().to_string()),
            stage: StageChoice::Rehearsal,
            ..self.global.clone()
        };
        let options = scenarios::Options {
            names: Vec::new(),
            jobs: None,
            keep_failed: false,
            repeat: 1,
            cold: false,
            accel: Accel::Auto,
            timeout_scale: 1.0,
            live: report::live(global.plain),
        };
        let report = match scenarios::play(&global, &options).await {
            Ok(report) => report,
            Err(error) if exit_of(&error) == Exit::Missing => {
                return Ok(skipped(format!("{error:#}")))
            }
            Err(error) => {
                return Ok(Outcome {
                    failure: Some(format!("{error:#}")),
                    ..counted(Counts::FAILED)
                })
            }
        };
        let counts = Counts {
            passed: report.count(Verdict::Passed),
            failed: report.count(Verdict::Failed) + report.count(Verdict::Broken),
            skipped: 0,
        };
        let failures = render::failures(&report);
        let not_playable = render::not_playable(&report);
        let mut notes: Vec<String> = not_playable.lines().map(str::to_owned).collect();
        notes.extend(render::table(&report).text().lines().map(str::to_owned));
        Ok(Outcome {
            failure: (!failures.is_empty()).then_some(failures),
            notes,
            ..counted(counts)
        })
    }

    pub(super) async fn interpreter(&self) -> Result<Outcome> {
        let packages = match setup::pytest(self.global).await {
            Ok(packages) => packages,
            Err(error) => return Ok(skipped(format!("{error:#}"))),
        };
        let output = Command::new("python3")
            .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(INTERPRETER)
            .env("PYTHONPATH", packages)
            .current_dir(self.root)
            .capture()
            .await?;
        let printed = output.text();
        let mut counts = of_pytest(&printed).unwrap_or_default();
        if output.status.success() && counts.passed > 0 {
            return Ok(counted(counts));
        }
        // Tests that cannot be collected leave no count of failures.
        counts.failed = counts.failed.max(1);
        Ok(Outcome {
            failure: Some(format!(
                "pytest {}:\n{}\n{}",
                output.status,
                crate::process::last_lines(&printed, 40),
                output.last_lines(10)
            )),
            ..counted(counts)
        })
    }
}

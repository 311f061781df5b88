//! The parts about scenarios: all of them played in the rehearsal stage, and the tests of their interpreter in stage
//! nixos.

use std::time::Duration;

use anyhow::Result;
use harness::scenario::Play;

use super::counts::{of_pytest, Counts};
use super::parts::{counted, skipped};
use super::{Bench, Outcome};
use crate::cli::{Accel, Global, StageChoice};
use crate::failure::{exit_of, Exit};
use crate::process::Command;
use crate::report;
use crate::scenarios::outcome::{Report, Verdict};
use crate::scenarios::select::Choice;
use crate::scenarios::{self, render, Wanted};
use crate::setup;
use crate::tools::git::Git;

/// What is played where time is short. A scenario comes in once it was green three times in a row on a machine with
/// nothing else to do; until then it would hold up changes for reasons of its own.
const STEADY: [&str; 2] = ["test-branch", "deploy-rollback"];

/// Of a scenario of many cells these stand for all of it, touched or not: every phase and every fault of `guard-faults`.
/// They come last, and as many of them as time is left for.
const CELLS: [&str; 15] = [
    "guard-faults-accept-ssh-killed",
    "guard-faults-accept-power-cut",
    "guard-faults-copy-disk-full",
    "guard-faults-copy-controller-killed",
    "guard-faults-activate-ssh-killed",
    "guard-faults-activate-fails",
    "guard-faults-activate-power-cut",
    "guard-faults-health-network-cut",
    "guard-faults-health-hangs",
    "guard-faults-confirm-sshd-broken",
    "guard-faults-confirm-network-broken",
    "guard-faults-confirm-power-cut",
    "guard-faults-boot-power-cut",
    "guard-faults-boot-esp-full",
    "guard-faults-boot-controller-killed",
];

/// Cells that are played together, and how long after the tests began no more are: CI has an hour, and a slow machine
/// takes five minutes for so many.
const AT_A_TIME: usize = 3;
const NO_MORE_AFTER: Duration = Duration::from_secs(38 * 60);

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
        let (reports, left_out) = match self.play(&global).await {
            Ok(played) => played,
            Err(error) if exit_of(&error) == Exit::Missing => {
                return Ok(skipped(format!("{error:#}")))
            }
            Err(error) => return Ok(failed(&error)),
        };
        let mut counts = Counts::default();
        let (mut failures, mut notes) = (String::new(), Vec::new());
        for report in &reports {
            counts.passed += report.count(Verdict::Passed);
            counts.failed += report.count(Verdict::Failed) + report.count(Verdict::Broken);
            failures.push_str(&render::failures(report));
            let lines = render::not_playable(report) + &render::table(report).text();
            notes.extend(lines.lines().map(str::to_owned));
        }
        if !left_out.is_empty() {
            let names = left_out.join(", ");
            notes.push(format!("left out, played without CI and --core: {names}"));
        }
        Ok(Outcome {
            failure: (!failures.is_empty()).then_some(failures),
            notes,
            ..counted(counts)
        })
    }

    /// What was played, and the plays that were left out.
    async fn play(&self, global: &Global) -> Result<(Vec<Report>, Vec<String>)> {
        if !self.core {
            let all = Wanted::Named(Vec::new());
            return Ok((
                vec![scenarios::play(global, &options(global, all)).await?],
                Vec::new(),
            ));
        }
        let core = self.core_of_scenarios(global).await?;
        let wanted = Wanted::Exactly(core.plays);
        let mut reports = vec![scenarios::play(global, &options(global, wanted)).await?];
        let mut cells = core.cells.as_slice();
        while !cells.is_empty() && self.began.elapsed() < NO_MORE_AFTER {
            let (now, later) = cells.split_at(cells.len().min(AT_A_TIME));
            let wanted = Wanted::Exactly(now.to_vec());
            reports.push(scenarios::play(global, &options(global, wanted)).await?);
            cells = later;
        }
        Ok((reports, [&core.left_out, cells].concat()))
    }

    async fn core_of_scenarios(&self, global: &Global) -> Result<Core> {
        let all = scenarios::read(global).await?.files.select(&[])?;
        let changed = match Git::above(self.root) {
            Some(git) => git.changed().await?,
            None => None,
        };
        Ok(core(&all, (&STEADY, &CELLS), &changed.unwrap_or_default()))
    }

    pub(super) async fn interpreter(&self) -> Result<Outcome> {
        let packages = match setup::pytest(self.global).await {
            Ok(packages) => packages,
            Err(error) => return Ok(skipped(format!("{error:#}"))),
        };
        let output = Command::new("python3")
            .args(["-B", "-m", "pytest", "-p", "no:cacheprovider"])
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

fn failed(error: &anyhow::Error) -> Outcome {
    Outcome {
        failure: Some(format!("{error:#}")),
        ..counted(Counts::FAILED)
    }
}

fn options(global: &Global, wanted: Wanted) -> scenarios::Options {
    scenarios::Options {
        wanted,
        jobs: None,
        keep_failed: false,
        repeat: 1,
        cold: false,
        accel: Accel::Auto,
        timeout_scale: 1.0,
        harmonia: None,
        live: report::live(global.plain),
    }
}

/// The names of plays, where time is short.
#[derive(Debug, Default, PartialEq, Eq)]
struct Core {
    plays: Vec<String>,
    /// Played after those, while there is time.
    cells: Vec<String>,
    left_out: Vec<String>,
}

/// All plays of a scenario that the change touches; of each other steady one the first play, the first control, and those
/// of a host that the change touches; of one that has steady cells no others.
fn core(all: &[Choice], (steady, cells): (&[&str], &[&str]), changed: &[String]) -> Core {
    let mut core = Core::default();
    let is_cell = |play: &Play| cells.contains(&play.name.as_str());
    for choice in all {
        if choice.plays.iter().any(is_cell) {
            for play in &choice.plays {
                let list = match is_cell(play) {
                    true => &mut core.cells,
                    false => &mut core.left_out,
                };
                list.push(play.name.clone());
            }
            continue;
        }
        let touched = changed.iter().any(|file| is_of(file, &choice.name));
        let is_steady = steady.contains(&choice.name.as_str());
        let first = choice.plays.first();
        let control = choice.plays.iter().find(|play| play.control.is_some());
        for play in &choice.plays {
            let host = changed.iter().any(|file| is_of_host(file, play));
            let stands_for_it = host || Some(play) == first || Some(play) == control;
            let list = match touched || (is_steady && stands_for_it) {
                true => &mut core.plays,
                false => &mut core.left_out,
            };
            list.push(play.name.clone());
        }
    }
    core
}

/// A scenario's file, or its own generations.
fn is_of(file: &str, scenario: &str) -> bool {
    file.strip_prefix("tests/scenarios/")
        .and_then(|rest| rest.strip_prefix(scenario))
        .is_some_and(|rest| rest == ".toml" || rest.starts_with('/'))
}

/// Something of a host that is the play's cell: what all scenarios have of it is in the core anyway.
fn is_of_host(file: &str, play: &Play) -> bool {
    let host = file
        .strip_prefix("hosts/")
        .and_then(|rest| rest.split_once('/'));
    host.is_some_and(|(host, _)| play.cell.as_deref() == Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::samples::{cell, choice, control, play};

    #[test]
    fn the_core_has_something_of_everything_and_all_of_what_is_touched() {
        let all = [
            choice(
                "boot",
                vec![
                    cell("boot", "Ingress"),
                    cell("boot", "Niko"),
                    cell("boot", "Web"),
                ],
            ),
            choice(
                "rollback",
                vec![
                    play("rollback"),
                    control("rollback", 1),
                    control("rollback", 2),
                ],
            ),
            choice("matrix", vec![cell("matrix", "a"), cell("matrix", "b")]),
        ];
        let left_out = |changed: &[&str]| {
            let changed: Vec<String> = changed.iter().map(|file| (*file).to_owned()).collect();
            let core = core(&all, (&["boot", "rollback", "matrix"], &[]), &changed);
            assert_eq!(core.plays.len() + core.left_out.len(), 8);
            core.left_out
        };
        let none = ["boot-Niko", "boot-Web", "rollback-control-2", "matrix-b"];
        assert_eq!(left_out(&[]), none);
        assert_eq!(
            left_out(&["tests/scenarios/matrix-other.toml", "hosts/site.nix"]),
            none
        );
        assert_eq!(
            left_out(&["tests/scenarios/matrix.toml", "hosts/Niko/default.nix"]),
            ["boot-Web", "rollback-control-2"]
        );
        let own = "tests/scenarios/rollback/good.nix";
        assert_eq!(left_out(&[own]), ["boot-Niko", "boot-Web", "matrix-b"]);
    }

    #[test]
    fn what_is_not_steady_is_left_out_and_named_unless_the_change_touches_it() {
        let all = [choice("a", vec![play("a")]), choice("b", vec![play("b")])];
        let named = |changed: &[String]| {
            let core = core(&all, (&["b"], &[]), changed);
            (core.plays, core.left_out)
        };
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(named(&[]), (vec![b.clone()], vec![a.clone()]));
        let touched = ["tests/scenarios/a.toml".to_owned()];
        assert_eq!(named(&touched), (vec![a, b], Vec::new()));
    }

    #[test]
    fn steady_cells_stand_for_all_of_their_scenario() {
        let cells = ["a", "b", "c"].map(|name| cell("matrix", name));
        let all = [choice("matrix", cells.into())];
        let touched = ["tests/scenarios/matrix.toml".to_owned()];
        for changed in [&[], &touched[..]] {
            let core = core(&all, (&[], &["matrix-b"]), changed);
            assert_eq!(core.plays, [""; 0]);
            assert_eq!(core.cells, ["matrix-b"]);
            assert_eq!(core.left_out, ["matrix-a", "matrix-c"]);
        }
    }

    /// A cell that is renamed would leave the core unnoticed.
    #[test]
    fn the_steady_cells_are_cells_of_every_phase_and_fault() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/scenarios/guard-faults.toml"
        );
        let scenario: toml::Value =
            toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let of = |key: &str, chosen: bool| -> std::collections::BTreeSet<String> {
            let rows = scenario["each"].as_array().unwrap().iter();
            let is_chosen = |row: &&toml::Value| {
                let name = format!("guard-faults-{}", row["name"].as_str().unwrap());
                !chosen || CELLS.contains(&name.as_str())
            };
            let value = |row: &toml::Value| row[key].as_str().unwrap().to_owned();
            rows.filter(is_chosen).map(value).collect()
        };
        assert_eq!(of("name", true).len(), CELLS.len());
        for key in ["phase", "fault"] {
            assert_eq!(of(key, true), of(key, false));
        }
    }
}

//! What `ci-local` adds to commands that a person could type: a workflow of this repository, against the same commands.

use anyhow::{Context, Result};
use serde::Serialize;

use super::figures::median;
use super::measure;
use crate::evaluate::Fleet;
use crate::process::{own, Command};
use crate::report;
use crate::report::table::Table;

/// What every job runs: as good as nothing, so that what is left is ci-local's, act's and the checkout's.
const COMMAND: [&str; 2] = ["completions", "bash"];
const BRANCH: &str = "bench";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub jobs: u16,
    pub runs: u16,
    /// Medians, in seconds.
    pub ci_local: f64,
    pub by_hand: f64,
    /// What a job costs on top, in seconds, all that is done once a run included.
    pub overhead_per_job: f64,
}

/// Jobs that wait for each other, in a clone of the repository that the fleet is in; the contenders take turns. The first
/// run is not counted: it compiles the xtask that the jobs run.
///
/// # Errors
/// If the fleet is in no repository, or a run fails.
pub async fn measure(fleet: &Fleet, jobs: u16, runs: u16) -> Result<Figures> {
    let dir = tempfile::tempdir().context("cannot create a temporary folder")?;
    let clone = dir.path().join("clone");
    let git = fleet.git()?;
    let commit = git.commit("HEAD").await?;
    let copy = git
        .checkout(&commit, BRANCH, "https://forge.invalid/bench/bench", &clone)
        .await?;
    let file = clone.join(".forgejo/workflows/bench.yml");
    crate::whole_file::write(&file, workflow(jobs))
        .with_context(|| format!("cannot write {}", file.display()))?;
    copy.add_all().await?;
    copy.commit_all("A workflow to measure with").await?;

    let xtask = own::program();
    let ci_local = || {
        Command::new(&xtask)
            .args(["ci-local", "--workflow", "bench.yml", "--plain", "--stage"])
            .arg(fleet.stage.to_string())
            .arg("--flake")
            .arg(&clone)
    };
    let by_hand = || (0..jobs).map(|_| Command::new(&xtask).args(COMMAND));
    report::say("bench: the first run, which is not counted");
    measure::all([ci_local()]).await?;
    let mut walls: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        walls[0].push(measure::all([ci_local()]).await?.wall);
        walls[1].push(measure::all(by_hand()).await?.wall);
    }
    let [ci_local, by_hand] = walls.map(|walls| median(walls.into_iter()));
    Ok(Figures {
        jobs,
        runs,
        ci_local,
        by_hand,
        overhead_per_job: (ci_local - by_hand) / f64::from(jobs),
    })
}

fn workflow(jobs: u16) -> String {
    let mut text = "name: bench
on: push
env:
  SLIPWAY_STAGE: ${{ vars.SLIPWAY_STAGE || 'nixos' }}
  SLIPWAY_XTASK: ${{ vars.SLIPWAY_XTASK || '.#xtask' }}
jobs:
"
    .to_owned();
    for job in 0..jobs {
        let needs = match job.checked_sub(1) {
            Some(before) => format!("    needs: job{before}\n"),
            None => String::new(),
        };
        text.push_str(&format!(
            "  job{job}:\n{needs}    runs-on: nix\n    timeout-minutes: 5\n    steps:\n      - uses: actions/checkout@v4\n      \
             - run: nix run \"$SLIPWAY_XTASK\" -- {}\n",
            COMMAND.join(" ")
        ));
    }
    text
}

pub fn table(figures: &Figures) -> Table {
    let mut table =
        Table::new(["jobs", "ci-local s", "by hand s", "on top, a job s"]).numbers(0..4);
    table.row([
        figures.jobs.to_string(),
        format!("{:.2}", figures.ci_local),
        format!("{:.2}", figures.by_hand),
        format!("{:.2}", figures.overhead_per_job),
    ]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::{rules, workflow::parse, File};

    #[test]
    fn the_measured_workflow_is_one_of_ours() {
        let text = workflow(3);
        let workflow = parse(&text).unwrap();
        assert_eq!(workflow.jobs.get("job2").unwrap().needs.0, ["job1"]);
        let file = File {
            name: "bench.yml".to_owned(),
            text,
            workflow,
        };
        assert_eq!(rules::errors(&file), []);
    }
}

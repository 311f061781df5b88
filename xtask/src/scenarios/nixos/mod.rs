//! The stage nixos: plays as NixOS tests (tests/nixos), which Nix builds and the test driver plays.

mod driver;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use tokio::sync::OwnedMutexGuard;

use super::budget::{self, Budget};
use super::outcome::Played;
use super::pool::{self, Job, Player, Teller};
use super::select::Choice;
use super::{logs, rehearsal, Options, Plays};
use crate::cli::Accel;
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::process::Command;
use crate::report::{self, live::Live};
use driver::Playing;

/// What a builder must have to play a NixOS test.
const FEATURES: [&str; 2] = ["kvm", "nixos-test"];

pub(super) async fn play(
    fleet: &Fleet,
    root: &Path,
    choices: &[Choice],
    options: &Options,
) -> Result<Plays> {
    for ignored in ignored(options) {
        report::say(&format!(
            "note: {ignored} is nothing that NixOS's test driver can be told"
        ));
    }
    let system = system(fleet).await?;
    let jobs = rehearsal::jobs(choices, options.repeat);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let budget = Budget::new(options.jobs, cpus, budget::available_memory());
    let width = jobs.iter().map(|job| job.play.name.len()).max();
    let live = Live::new(options.live, "plays", jobs.len(), width.unwrap_or(0));
    let player = player(fleet.clone(), system, logs::base(root, &fleet.cache));
    let played = pool::play_all(jobs, budget, player, live, pool::channel()).await?;
    Ok(Plays {
        accelerator: None,
        jobs: budget.jobs,
        played,
    })
}

/// Builds the driver of one play, and becomes it: what a person types from then on is the driver's.
///
/// # Errors
/// Usage, if it is not one play; missing, if this machine cannot run it.
pub(super) async fn interact(
    fleet: &Fleet,
    choices: &[Choice],
) -> Result<std::convert::Infallible> {
    let plays: Vec<&str> = choices
        .iter()
        .flat_map(|choice| &choice.plays)
        .map(|play| play.name.as_str())
        .collect();
    let [play] = plays[..] else {
        return Err(Failure::usage("--interactive takes one play")
            .try_next(format!("one of {}", plays.join(", ")))
            .into());
    };
    let system = system(fleet).await?;
    let output = fleet
        .nix
        .build_attribute(
            &fleet.flake,
            fleet.stage,
            &interactive_attribute(&system, play),
        )
        .success()
        .await?;
    let program = PathBuf::from(output.text()).join("bin/nixos-test-driver");
    let error = Command::new(&program).become_it();
    Err(error.context(format!("cannot open the driver of {play}")))
}

/// What this stage's player cannot be told, among what it was told.
fn ignored(options: &Options) -> Vec<&'static str> {
    let told = [
        (options.keep_failed, "--keep-failed"),
        (options.cold, "--cold"),
        (options.accel != Accel::Auto, "--accel"),
        (
            (options.timeout_scale - 1.0).abs() > f64::EPSILON,
            "--timeout-scale",
        ),
    ];
    let told = told.into_iter().filter(|(told, _)| *told);
    told.map(|(_, word)| word).collect()
}

/// Where the tests are played.
async fn system(fleet: &Fleet) -> Result<String> {
    let machine = fleet.nix.capabilities().await?;
    let features: BTreeSet<String> = FEATURES.map(str::to_owned).into();
    match machine.lack(&machine.system, &features) {
        None => Ok(machine.system),
        Some(why) => Err(Failure::missing(format!(
            "no machine that plays scenarios in stage nixos: a test {why}"
        ))
        .try_next("--stage rehearsal, which needs neither")
        .into()),
    }
}

fn attribute(system: &str, play: &str) -> String {
    format!("vmTests.{system}.\"{play}\"")
}

fn interactive_attribute(system: &str, play: &str) -> String {
    format!("{}.driverInteractive", attribute(system, play))
}

fn player(fleet: Fleet, system: String, base: PathBuf) -> Player {
    let runtime = tokio::runtime::Handle::current();
    let rounds = Rounds::default();
    Arc::new(move |job: &Job, teller: &Teller| {
        let played = runtime.block_on(play_one(&fleet, &system, &base, job, teller, &rounds));
        played.unwrap_or_else(|error| {
            Played::broken(&job.play, job.round, &base, format!("{error:#}"))
        })
    })
}

async fn play_one(
    fleet: &Fleet,
    system: &str,
    base: &Path,
    job: &Job,
    teller: &Teller,
    rounds: &Rounds,
) -> Result<Played> {
    let claim = logs::claim(base, &job.folder())?;
    teller.begins("waits for its last round");
    let mut is_built = rounds.turn(&job.play.name).await;
    let started = Instant::now();
    let mut playing = Playing::new(&job.play);
    let mut log = String::new();
    teller.begins("the driver is built");
    let attribute = attribute(system, &job.play.name);
    let mut command = fleet.nix.test(&fleet.flake, fleet.stage, &attribute);
    if *is_built {
        // What is in the store is played again all the same.
        command = command.arg("--rebuild");
    }
    let output = command
        .stream(|line| {
            log.push_str(line);
            log.push('\n');
            if let Some(step) = playing.take(line, started.elapsed().as_secs_f64()) {
                teller.step(step, &job.play.steps[step]);
            }
        })
        .await?;
    *is_built |= output.status.success();
    drop(is_built);
    std::fs::write(claim.folder.join("driver.log"), log)?;
    let folder = logs::shown(&claim.folder);
    let seconds = started.elapsed().as_secs_f64();
    let outcome = playing.end(output.status.success(), seconds, folder);
    Ok(Played::of(&job.play, job.round, outcome))
}

/// The rounds of each play, which are played one after the other: the first one's output must be there for the next
/// to be built once more.
#[derive(Debug, Default)]
struct Rounds(Mutex<BTreeMap<String, Arc<Turn>>>);

/// Whether the play's test has been built.
type Turn = tokio::sync::Mutex<bool>;

impl Rounds {
    /// Waits until no other round of the play is being built.
    async fn turn(&self, play: &str) -> OwnedMutexGuard<bool> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(play.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_round_is_built_again_only_behind_one_that_was_built() {
        let rounds = Rounds::default();
        let mut first = rounds.turn("boot").await;
        let brief = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(brief, rounds.turn("boot"))
            .await
            .is_err());
        // Another play has nothing to do with it.
        assert!(!*rounds.turn("boot-Niko").await);
        *first = true;
        drop(first);
        assert!(*rounds.turn("boot").await);
    }

    #[test]
    fn a_play_is_an_attribute_by_its_name() {
        assert_eq!(
            attribute("x86_64-linux", "boot-Niko"),
            "vmTests.x86_64-linux.\"boot-Niko\""
        );
        assert_eq!(
            interactive_attribute("x86_64-linux", "boot"),
            "vmTests.x86_64-linux.\"boot\".driverInteractive"
        );
    }
}

//! Scenarios (tests/scenarios/*.toml) of a fleet: which there are, how they are played in each stage, what came of it.
//! What a step means is the harness's business (rehearsal) or that of tests/nixos (nixos).

pub mod addresses;
pub mod budget;
mod capabilities;
mod controller;
mod files;
pub mod generations;
pub mod ground;
mod harmonia;
pub mod image;
pub mod junit;
pub mod list;
mod logs;
pub mod matrix;
mod nixos;
pub mod outcome;
mod pool;
mod rehearsal;
pub mod render;
pub mod repeat;
#[cfg(test)]
pub mod samples;
pub mod select;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use harness::scenario::Play;

use crate::cli::{Accel, Global};
use crate::evaluate::locate::{locate, Location};
use crate::evaluate::{self, Fleet};
use crate::failure::{exit_of, Exit, Failure};
use crate::fleet::inventory::Inventory;
use crate::fleet::stage::Stage;

use capabilities::Capabilities;
use files::{Files, Hosts};
use outcome::{Played, Report, Scenario};
use select::Choice;

/// What is played, and how.
#[derive(Debug, Clone)]
pub struct Options {
    pub wanted: Wanted,
    pub jobs: Option<u16>,
    pub keep_failed: bool,
    pub repeat: u16,
    pub cold: bool,
    pub accel: Accel,
    pub timeout_scale: f64,
    /// Harmonia's program, for the machine that serves the cache; else the one on PATH.
    pub harmonia: Option<std::path::PathBuf>,
    /// Live lines instead of plain ones.
    pub live: bool,
}

/// Which plays.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Scenarios, cells, beginnings of names, as a person types them; all if there is none.
    Named(Vec<String>),
    /// Plays by their own names: a scenario's name is that of the play as written, without its controls.
    Exactly(Vec<String>),
}

impl Wanted {
    fn of(&self, files: &Files) -> Result<Vec<Choice>, Failure> {
        match self {
            Self::Named(names) => files.select(names),
            Self::Exactly(names) => {
                let is_wanted = |play: &Play| names.contains(&play.name);
                Ok(select::only(&files.select(&[])?, is_wanted))
            }
        }
    }
}

/// The scenarios of a fleet, read.
#[derive(Debug)]
pub struct Found {
    pub files: Files,
    capabilities: Capabilities,
    /// Why the hosts are those of the folders, if they are.
    pub without_nix: Option<String>,
}

impl Found {
    /// Where a scenario can be played, a line a stage: `nixos: not playable, because …`.
    pub fn stages(&self, choice: &Choice) -> Vec<String> {
        let of_stage = |stage: Stage| {
            let lacking: Vec<(&str, String)> = choice
                .plays
                .iter()
                .filter_map(|play| Some((play.name.as_str(), self.capabilities.lack(stage, play)?)))
                .collect();
            let Some((_, why)) = lacking.first() else {
                return stage.to_string();
            };
            if lacking.len() == choice.plays.len() {
                return format!("{stage}: not playable, {why}");
            }
            let names: Vec<&str> = lacking.iter().map(|(name, _)| *name).collect();
            format!("{stage}: without {}, {why}", names.join(", "))
        };
        [Stage::Rehearsal, Stage::Nixos].map(of_stage).into()
    }
}

/// Where the fleet's files are.
///
/// # Errors
/// Usage, if it is not on this machine.
fn root(global: &Global) -> Result<PathBuf> {
    let location = locate(global.flake.as_deref())?;
    match (location.root(), &location) {
        (Some(root), _) => Ok(root.to_owned()),
        (None, Location::Remote(reference)) => Err(Failure::usage(format!(
            "no scenarios: {reference} is not on this machine"
        ))
        .try_next("--flake with a clone of it")
        .into()),
        (None, _) => Err(Failure::usage("no scenarios: the flake is in no folder").into()),
    }
}

/// Reads every scenario and starts no machine; installs nothing. With a Nix at hand the hosts are those of the flake.
///
/// # Errors
/// Usage, if there are none.
pub async fn read(global: &Global) -> Result<Found> {
    let root = root(global)?;
    // That there are none is told before Nix is asked; and for when no Nix can be asked.
    let quick = files::read(&root, &Hosts::in_folders(&root))?;
    let capabilities = Capabilities::read(&root)?;
    let global = Global {
        no_setup: true,
        ..global.clone()
    };
    let fleet = match evaluate::open(&global).await {
        Ok(fleet) => fleet,
        Err(error) if exit_of(&error) == Exit::Missing => {
            return Ok(Found {
                files: quick,
                capabilities,
                without_nix: Some(format!("{error:#}")),
            })
        }
        Err(error) => return Err(error),
    };
    let (files, _) = read_with(&fleet, &root).await?;
    Ok(Found {
        files,
        capabilities,
        without_nix: None,
    })
}

async fn read_with(fleet: &Fleet, root: &std::path::Path) -> Result<(Files, Inventory)> {
    let survey = fleet.survey().await?;
    let files = files::read(root, &Hosts::of(&survey))?;
    Ok((files, survey.inventory))
}

/// Plays what was asked for. A play that fails is part of the report.
///
/// # Errors
/// Usage, if a name is nobody's or a file is not right; missing, if something that is needed cannot be had; failed, if a
/// configuration cannot be built.
pub async fn play(global: &Global, options: &Options) -> Result<Report> {
    let started = Instant::now();
    let root = root(global)?;
    // A slip in a name is told before anything is installed. Hosts that are in no folder are Nix's to know.
    let of_folders = Hosts::in_folders(&root);
    let quick = files::read(&root, &of_folders)?;
    if !of_folders.names.is_empty() {
        options.wanted.of(&quick)?;
    }
    let fleet = evaluate::open(global).await?;
    let (files, inventory) = read_with(&fleet, &root).await?;
    let choices = options.wanted.of(&files)?;
    known_to_git(&fleet, &choices)?;
    addresses::an_address_each(choices.iter().flat_map(|choice| &choice.plays), &inventory)?;
    let capabilities = Capabilities::read(&root)?;
    let lack = |play: &Play| capabilities.lack(fleet.stage, play);
    let playable = select::only(&choices, |play| lack(play).is_none());
    let plays = match fleet.stage {
        _ if playable.is_empty() => Plays::default(),
        Stage::Rehearsal => {
            rehearsal::play(global, &fleet, &root, inventory, &playable, options).await?
        }
        Stage::Nixos => nixos::play(&fleet, &root, &playable, options).await?,
    };
    let scenarios = group(&choices, &lack, &plays.played);
    let good = |scenario: &Scenario| scenario.verdict.is_good();
    Ok(Report {
        version: 1,
        stage: fleet.stage,
        why_stage: fleet.why.clone(),
        flake: fleet.flake.reference.clone(),
        revision: fleet.source.revision.clone(),
        dirty: fleet.source.dirty,
        accelerator: plays.accelerator,
        jobs: plays.jobs.max(1),
        repeat: options.repeat,
        seconds: started.elapsed().as_secs_f64(),
        passed: scenarios.iter().all(good),
        scenarios,
    })
}

/// Opens the driver's shell of one play, in stage nixos.
///
/// # Errors
/// Usage, in another stage or with more than one play; as `play` else. It does not return otherwise.
pub async fn interact(global: &Global, names: &[String]) -> Result<std::convert::Infallible> {
    let root = root(global)?;
    let fleet = evaluate::open(global).await?;
    if fleet.stage != Stage::Nixos {
        return Err(Failure::usage(format!(
            "--interactive opens NixOS's test driver, and stage {} has none",
            fleet.stage
        ))
        .try_next("--stage nixos, or without it: cargo xtask vm start HOST")
        .into());
    }
    let (files, _) = read_with(&fleet, &root).await?;
    nixos::interact(&fleet, &files.select(names)?).await
}

/// What a stage's player made of plays.
#[derive(Debug, Default)]
struct Plays {
    accelerator: Option<String>,
    jobs: usize,
    played: Vec<Played>,
}

/// Why a play cannot be played in this stage.
type Lack<'a> = &'a dyn Fn(&Play) -> Option<String>;

/// The plays of each scenario in all their rounds, and those that cannot be played.
fn group(choices: &[Choice], lack: Lack<'_>, played: &[Played]) -> Vec<Scenario> {
    let of_play = |play: &Play| -> Vec<Played> {
        match lack(play) {
            Some(why) => vec![Played::not_playable(play, why)],
            None => {
                let rounds = played.iter().filter(|it| it.name == play.name);
                rounds.cloned().collect()
            }
        }
    };
    let scenario = |choice: &Choice| {
        let plays = choice.plays.iter().flat_map(of_play).collect();
        Scenario::of(&choice.name, &choice.title, plays)
    };
    choices.iter().map(scenario).collect()
}

/// Nix sees what git tracks.
fn known_to_git(fleet: &Fleet, choices: &[Choice]) -> Result<()> {
    let known: Vec<&str> = fleet.source.paths().collect();
    for play in choices.iter().filter_map(|choice| choice.plays.first()) {
        // A fleet in no repository, or one that is known as a whole only, has no paths to look at.
        let listed = known.contains(&"flake.nix");
        if listed && !known.contains(&play.file.as_str()) {
            let file = &play.file;
            return Err(Failure::usage(format!(
                "{file} is not known to git, so Nix does not see it"
            ))
            .try_next(format!("git add {file}"))
            .into());
        }
    }
    Ok(())
}

/// How the command ends.
pub fn exit(report: &Report) -> Exit {
    if report.passed {
        return Exit::Passed;
    }
    let mut bad = report.plays().filter(|play| !play.verdict.is_good());
    let missing = |play: &Played| {
        let kind = play.failure.as_ref().and_then(|failure| failure.error);
        kind.is_some_and(|kind| ground::exit_of(kind) == Exit::Missing)
    };
    if bad.all(missing) {
        Exit::Missing
    } else {
        Exit::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(names: &[&str], passed: bool) -> Exit {
        let mut report = samples::report();
        let scenarios = report.scenarios.into_iter();
        report.scenarios = scenarios
            .filter(|scenario| names.contains(&scenario.name.as_str()))
            .collect();
        report.passed = passed;
        exit(&report)
    }

    #[test]
    fn what_is_missing_here_is_told_from_what_failed() {
        assert_eq!(exit_of(&["boot"], true), Exit::Passed);
        assert_eq!(exit_of(&["boot", "substitute"], false), Exit::Missing);
        let both = ["deploy-rollback", "substitute"];
        assert_eq!(exit_of(&both, false), Exit::Failed);
    }

    #[test]
    fn a_machine_that_was_lost_is_nothing_that_is_missing_here_and_says_where_to_look() {
        use harness::ErrorKind::{Busy, MachineDied};
        // QEMU died; no place for a boot got free; the guest panicked, or never came up.
        for (error, verdict) in [
            (Some(MachineDied), outcome::Verdict::Broken),
            (Some(Busy), outcome::Verdict::Broken),
            (None, outcome::Verdict::Failed),
        ] {
            let mut report = samples::report();
            report.scenarios.retain(|one| one.name == "substitute");
            let play = &mut report.scenarios[0].plays[0];
            play.verdict = verdict;
            let failure = play.failure.as_mut().unwrap();
            failure.error = error;
            failure.next_step = Some("read /logs/client.console".to_owned());
            assert_eq!(exit(&report), Exit::Failed);
            let told = render::failures(&report);
            assert!(told.contains("try: read /logs/client.console\n"), "{told}");
        }
    }
}

//! The stage rehearsal: plays on Debian guests in QEMU, by the harness.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use harness::scenario::{self, PlayOptions};
use harness::{Harness, Image, Progress, Speed};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedReceiver;

use super::budget::{self, Budget};
use super::generations::{self, Generations};
use super::ground::{self, accelerator_word, HarnessOptions, Provisions, Shared};
use super::harmonia;
use super::logs;
use super::outcome::Played;
use super::pool::{self, Job, News, Player, Teller};
use super::select::Choice;
use super::{Options, Plays};
use crate::cli::Global;
use crate::evaluate::Fleet;
use crate::fleet::inventory::Inventory;
use crate::report::{self, live::Live};

/// Bytes of images, snapshots and packages that stay; `vm gc` takes the same unless told otherwise.
const BOUND: u64 = 20 << 30;

pub(super) async fn play(
    global: &Global,
    fleet: &Fleet,
    root: &Path,
    inventory: Inventory,
    choices: &[Choice],
    options: &Options,
) -> Result<Plays> {
    // A program that does not fit is told before anything is installed.
    let harmonia = harmonia::provide(options.harmonia.as_deref(), choices, &inventory)?;
    let mut provisions = Provisions::provide(global).await?;
    provisions.of_image.harmonia = harmonia;
    let mut channel = pool::channel();
    let tell = channel.0.clone();
    let harness_options = HarnessOptions {
        accelerator: ground::accelerator(options.accel),
        timeout_scale: options.timeout_scale,
        progress: Progress::new(move |object, step| {
            if let Some(line) = worth_a_line(object, step) {
                // Nobody listens any more when the command is given up.
                let _ = tell.send(News::Said(line));
            }
        }),
    };
    let harness = provisions.harness(&fleet.cache.machines(), harness_options)?;
    let wanted = generations::wanted(choices);
    let (generations, (image, speed)) = tokio::try_join!(
        Generations::provide(fleet, &wanted, options.live),
        image(&harness, provisions.clone(), &mut channel.1)
    )?;
    let shared = Shared::new(fleet, &provisions, image, generations, inventory);

    let jobs = jobs(choices, options.repeat);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let budget = Budget::new(options.jobs, cpus, budget::available_memory());
    let width = jobs.iter().map(|job| job.play.name.len()).max();
    let live = Live::new(options.live, "plays", jobs.len(), width.unwrap_or(0));
    let base = logs::base(root, &fleet.cache);
    let cache_of = harness.clone();
    let player = player(harness, shared, base, options);
    let played = pool::play_all(jobs, budget, player, live, channel).await?;
    let collected = tokio::task::spawn_blocking(move || cache_of.collect_garbage(BOUND));
    if let Err(error) = collected.await.context("the collection's thread ended")? {
        // The plays are played; a disk that fills is told by the next ones.
        report::say(&format!(
            "warning: cannot bound the cache of machines: {error}"
        ));
    }
    Ok(Plays {
        accelerator: Some(accelerator_word(speed.accelerator)),
        jobs: budget.jobs,
        played,
    })
}

/// The image and its speed; what is told meanwhile is said.
async fn image(
    harness: &Harness,
    provisions: Provisions,
    heard: &mut UnboundedReceiver<News>,
) -> Result<(Image, Speed)> {
    let harness = harness.clone();
    let mut making = tokio::task::spawn_blocking(move || provisions.image(&harness));
    loop {
        tokio::select! {
            made = &mut making => return made.context("the image's thread ended")?,
            Some(news) = heard.recv() => {
                if let News::Said(line) = news {
                    report::say(&line);
                }
            }
        }
    }
}

/// Every play in each round, round by round: a fault that comes now and then is seen early.
pub(super) fn jobs(choices: &[Choice], rounds: u16) -> Vec<Job> {
    let one = |round: u16| {
        let plays = choices.iter().flat_map(|choice| choice.plays.clone());
        plays.map(move |play| Job { play, round })
    };
    (1..=rounds).flat_map(one).collect()
}

fn player(harness: Harness, shared: Shared, base: PathBuf, options: &Options) -> Player {
    let (cold, keep, rounds) = (options.cold, options.keep_failed, options.repeat);
    let kept = harness.clone();
    Arc::new(move |job: &Job, teller: &Teller| {
        let claim = match logs::claim(&base, &job.folder()) {
            Ok(claim) => claim,
            Err(error) => return Played::broken(&job.play, job.round, &base, format!("{error:#}")),
        };
        let play_options = PlayOptions {
            logs: claim.folder.clone(),
            cold,
            keep_failed: keep.then(|| kept_group(&job.play.name)),
        };
        let ground = shared.ground(&job.play);
        let outcome = scenario::play(&kept, &ground, &job.play, &play_options, teller);
        let mut played = Played::of(&job.play, job.round, outcome);
        if rounds > 1 && played.verdict.is_good() {
            // A thousand rounds that passed have nothing to look at.
            let _ = std::fs::remove_dir_all(&claim.folder);
        }
        played.logs = logs_of(&claim.folder);
        played
    })
}

/// Of all that the harness tells, what is not said by a play's own line.
fn worth_a_line(object: &str, step: &str) -> Option<String> {
    let of_all = matches!(object, "image" | "accelerator");
    (of_all || step.contains("broken")).then(|| format!("{object}: {step}"))
}

/// The folder as people are told of it; none if it is gone.
fn logs_of(folder: &Path) -> PathBuf {
    match folder.exists() {
        true => logs::shown(folder),
        false => PathBuf::new(),
    }
}

/// The longest name of a group of kept machines, which is no longer than that of a machine.
const LONGEST_GROUP: usize = 48;

/// The group that is called like a play. A group has no `_`, and a long name ends in a hash of what it lacks.
fn kept_group(play: &str) -> String {
    let name = play.replace('_', "-");
    if name.len() <= LONGEST_GROUP {
        return name;
    }
    let hash = format!("{:x}", Sha256::digest(play));
    let end = &hash[..8];
    let kept: String = name.chars().take(LONGEST_GROUP - 1 - end.len()).collect();
    format!("{kept}-{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_are_gone_are_told_to_nobody() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(logs_of(dir.path()), logs::shown(dir.path()));
        assert_eq!(logs_of(&dir.path().join("gone")), PathBuf::new());
    }

    #[test]
    fn a_group_of_kept_machines_is_called_like_its_play_as_far_as_it_may() {
        assert_eq!(kept_group("boot-Niko"), "boot-Niko");
        assert_eq!(kept_group("guard_faults-a_b"), "guard-faults-a-b");
        let long = |end: &str| kept_group(&format!("guard-faults-{}{end}", "power-cut-".repeat(5)));
        assert_eq!(long("1").len(), 48);
        assert!(long("1").starts_with("guard-faults-power-cut-"));
        assert_ne!(long("1"), long("2"));
    }
}

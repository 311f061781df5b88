//! Plays at the same time, each in a thread of its own, and what they tell meanwhile.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use harness::scenario::{Observer, Play, Step};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

use super::budget::Budget;
use super::outcome::Played;
use super::render;
use crate::report::live::Live;

/// A long step tells nothing by itself.
const TICK: Duration = Duration::from_secs(1);

/// A play that waits, by its place in the whole.
#[derive(Debug, Clone)]
pub struct Job {
    pub play: Play,
    /// Counted from 1.
    pub round: u16,
}

impl Job {
    /// The name of its folder of logs: a round after the first has one of its own.
    pub fn folder(&self) -> String {
        match self.round {
            1 => self.play.name.clone(),
            round => format!("{}.{round}", self.play.name),
        }
    }
}

/// What comes in while plays go on.
#[derive(Debug)]
pub enum News {
    /// The number of the job, and what it is at.
    Doing(usize, String),
    Ended(usize, Box<Played>),
    /// Something that a person should know, of no play.
    Said(String),
}

/// Tells of one job.
pub struct Teller {
    job: usize,
    steps: usize,
    tell: UnboundedSender<News>,
}

impl Teller {
    /// Before the first step.
    pub fn begins(&self, words: &str) {
        self.doing(words.to_owned());
    }

    pub fn step(&self, index: usize, step: &Step) {
        self.doing(format!("{}/{} {}", index + 1, self.steps, step.name));
    }

    fn doing(&self, words: String) {
        // Nobody listens once the command is given up, and the process ends then.
        let _ = self.tell.send(News::Doing(self.job, words));
    }
}

impl Observer for Teller {
    fn setup(&self, machine: &str, step: &str) {
        self.doing(format!("{machine}: {step}"));
    }

    fn step_begins(&self, index: usize, step: &Step) {
        self.step(index, step);
    }
}

/// What plays a job to its end, in whatever thread; one that panics is broken.
pub type Player = Arc<dyn Fn(&Job, &Teller) -> Played + Send + Sync>;

/// A channel for news, for those who have some before the plays begin.
pub fn channel() -> (UnboundedSender<News>, UnboundedReceiver<News>) {
    unbounded_channel()
}

/// Plays all jobs, as many at a time as the budget has room for. The results are in the order of the jobs.
///
/// # Errors
/// If a thread cannot be started.
pub async fn play_all(
    jobs: Vec<Job>,
    budget: Budget,
    player: Player,
    mut live: Live,
    (tell, mut heard): (UnboundedSender<News>, UnboundedReceiver<News>),
) -> Result<Vec<Played>> {
    let machines = |job: &usize| jobs[*job].play.machines.len();
    let mut waiting: Vec<usize> = (0..jobs.len()).collect();
    let mut playing: BTreeMap<usize, String> = BTreeMap::new();
    let mut done: BTreeMap<usize, Played> = BTreeMap::new();
    while done.len() < jobs.len() {
        loop {
            let needs: Vec<usize> = waiting.iter().map(machines).collect();
            let taken: Vec<usize> = playing.keys().map(machines).collect();
            let Some(at) = budget.next(&needs, &taken) else {
                break;
            };
            let job = waiting.remove(at);
            playing.insert(job, "begins".to_owned());
            live.doing(&name(&jobs[job]), "begins", false);
            start(job, &jobs[job], &player, &tell)?;
        }
        match tokio::time::timeout(TICK, heard.recv()).await {
            Ok(Some(News::Doing(job, words))) => {
                live.doing(&name(&jobs[job]), &words, true);
                playing.insert(job, words);
            }
            Ok(Some(News::Ended(job, played))) => {
                playing.remove(&job);
                let good = played.verdict.is_good();
                let words = render::ended(&played);
                live.done(&name(&jobs[job]), Some(&words), good);
                done.insert(job, *played);
            }
            Ok(Some(News::Said(line))) => live.say(&line),
            // A sender is here: the channel is never closed.
            Ok(None) => anyhow::bail!("nobody plays any more"),
            Err(_) => {
                for (job, words) in &playing {
                    live.doing(&name(&jobs[*job]), words, true);
                }
            }
        }
    }
    live.finish();
    Ok(done.into_values().collect())
}

/// As lines call it.
fn name(job: &Job) -> String {
    match job.round {
        1 => job.play.name.clone(),
        round => format!("{} (round {round})", job.play.name),
    }
}

/// The thread lives as long as its play: what it starts ends with it.
fn start(number: usize, job: &Job, player: &Player, tell: &UnboundedSender<News>) -> Result<()> {
    let teller = Teller {
        job: number,
        steps: job.play.steps.len(),
        tell: tell.clone(),
    };
    let (job, player) = (job.clone(), player.clone());
    std::thread::Builder::new()
        .name(job.play.name.clone())
        .spawn(move || {
            // Nothing of it is looked at after a panic: its machines and its folder went with its stack.
            let playing = AssertUnwindSafe(|| player(&job, &teller));
            let played = catch_unwind(playing).unwrap_or_else(|panic| {
                let why = format!("the player panicked: {}", words(panic.as_ref()));
                Played::broken(&job.play, job.round, Path::new(""), why)
            });
            let _ = teller.tell.send(News::Ended(number, Box::new(played)));
        })?;
    Ok(())
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::outcome::Verdict;
    use super::super::samples;
    use super::*;

    #[tokio::test]
    async fn as_many_play_at_a_time_as_there_is_room_for_and_the_order_is_kept() {
        let jobs: Vec<Job> = (1..=6)
            .map(|round| Job {
                play: samples::play("one"),
                round,
            })
            .collect();
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (counted, seen) = (now.clone(), most.clone());
        let player: Player = Arc::new(move |job, teller| {
            seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            teller.setup("Niko", "restoring");
            // The later ones are the quicker ones.
            std::thread::sleep(Duration::from_millis(10 * u64::from(7 - job.round)));
            counted.fetch_sub(1, Ordering::SeqCst);
            Played {
                round: job.round,
                ..samples::report().scenarios[3].plays[0].clone()
            }
        });
        let budget = Budget {
            jobs: 5,
            machines: 4,
        };
        let live = Live::new(false, "plays", jobs.len(), 3);
        let done = play_all(jobs, budget, player, live, channel())
            .await
            .unwrap();
        let rounds: Vec<u16> = done.iter().map(|played| played.round).collect();
        assert_eq!(rounds, [1, 2, 3, 4, 5, 6]);
        // Two machines each.
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_play_that_panics_is_broken_and_the_others_are_played() {
        let jobs: Vec<Job> = (1..=2)
            .map(|round| Job {
                play: samples::play("one"),
                round,
            })
            .collect();
        let player: Player = Arc::new(|job, _| match job.round {
            1 => panic!("no such time as {}", job.round),
            round => Played {
                round,
                ..samples::report().scenarios[3].plays[0].clone()
            },
        });
        let budget = Budget {
            jobs: 1,
            machines: 4,
        };
        let live = Live::new(false, "plays", jobs.len(), 3);
        let playing = play_all(jobs, budget, player, live, channel());
        let done = tokio::time::timeout(Duration::from_secs(60), playing)
            .await
            .expect("it is waited for a play whose thread is gone")
            .unwrap();
        assert_eq!(done[0].verdict, Verdict::Broken);
        assert_eq!(
            done[0].failure.as_ref().unwrap().found,
            "the player panicked: no such time as 1"
        );
        assert_eq!(done[1].verdict, Verdict::Passed);
    }
}

//! One activation, in a process of its own: what it does outlives the connection that asked for it, and the service.

mod effects;
mod finish;
pub mod meeting;
mod preparation;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::FlockArg;
use serde::{Deserialize, Serialize};

use crate::admission::{admit, Admitted, Asker, Wish};
use crate::answer::Outcome;
use crate::config::Config;
use crate::history::History;
use crate::machine::{self, Course};
use crate::refusal::{Code, Refusal};
use crate::state::{lock, Store};
use crate::time::Time;
use crate::whole_file;
pub(crate) use finish::refresh_roots;
use meeting::Meeting;

const REQUEST_LIMIT: u64 = 64 * 1024;

/// What the service hands over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub wish: Wish,
    pub asker: Asker,
}

/// What one activation works with.
pub(crate) struct Runner<'a> {
    pub config: &'a Config,
    pub store: Store,
    pub history: History,
    pub meeting: Meeting,
    pub order: Order,
    pub log: File,
}

/// Runs the order in a file, and takes the file away.
///
/// # Errors
/// If the guard's own folders cannot be used: nothing was done then.
pub fn run(config: &Config, order: &Path) -> Result<()> {
    let bytes = whole_file::read(order, REQUEST_LIMIT)?.context("there is no order")?;
    std::fs::remove_file(order).context("cannot take the order away")?;
    let order: Order = serde_json::from_slice(&bytes).context("cannot read the order")?;
    let meeting = Meeting::open(config)?;
    let mut runner = Runner {
        config,
        store: Store::open(&config.places.state)?,
        history: History::new(&config.places.state),
        log: meeting.create_log(&order.id)?,
        meeting,
        order,
    };
    runner.store.keep_room();
    let outcome = runner.outcome();
    runner.tell(outcome)
}

impl Runner<'_> {
    fn outcome(&mut self) -> Result<Option<Outcome>> {
        let path = self.meeting.lock_file();
        let Some(_lock) = lock(&path, FlockArg::LockExclusiveNonblock)? else {
            return Ok(Some(refused(Refusal::new(Code::Busy))));
        };
        let state = self.store.read()?;
        if state.current.is_some() && self.order.wish != Wish::Recover {
            // Its process is gone, and the service has not taken it back yet.
            return Ok(Some(refused(Refusal::new(Code::Busy))));
        }
        let facts = self.facts()?;
        let admitted = match admit(&state, &self.order.wish, &self.order.asker, &facts) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Some(refused(refusal))),
        };
        let prepared = match admitted {
            Admitted::Activation(admission) => self.prepare(&state, admission)?,
            Admitted::EndTrial => self.prepare_end_of_trial(&state)?,
            Admitted::Recovery => match self.prepare_recovery(&state) {
                Some(prepared) => prepared,
                None => return Ok(None),
            },
            Admitted::Nothing(why) => {
                self.say(why);
                return Ok(None);
            }
        };
        let course = Course {
            purpose: prepared.course_purpose,
            on_trial: prepared.current.on_trial,
            boot_touched: prepared.boot_touched,
        };
        let mut effects = effects::Real {
            runner: self,
            current: prepared.current,
            admission: prepared.admission,
            failed_before: Vec::new(),
        };
        let end = machine::play(course, &mut effects);
        let current = effects.current;
        self.finish(current, end).map(Some)
    }

    /// The outcome, for whoever waits for it.
    fn tell(mut self, outcome: Result<Option<Outcome>>) -> Result<()> {
        let said = match &outcome {
            Ok(Some(outcome)) => outcome_line(outcome),
            Ok(None) => "nothing was to be done".to_owned(),
            Err(error) => format!("the guard failed: {error:#}"),
        };
        if !matches!(outcome, Ok(Some(Outcome::Refused { .. }))) {
            self.say(&said);
        }
        // For the journal, with the name of who asked.
        let mut journal = std::io::stderr();
        let _ = writeln!(
            journal,
            "{} for {}: {said}",
            self.order.id, self.order.asker.name
        );
        self.meeting.tell(&self.order, &outcome)?;
        outcome.map(drop)
    }

    /// A line of the output that the client sees.
    pub(crate) fn say(&mut self, line: &str) {
        let line = crate::refusal::one_line(line);
        // A full disk is no reason to stop going back.
        let _ = writeln!(self.log, "guard: {line}");
    }
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused { refusal }
}

/// How an activation ended, in a line.
pub fn outcome_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Confirmed => "confirmed: it runs, and it is what boots".to_owned(),
        Outcome::Testing { until } => format!("it runs until {until}, or until the host reboots"),
        Outcome::BootPending => "it is what boots next".to_owned(),
        Outcome::Dry => "nothing was changed".to_owned(),
        Outcome::Refused { refusal } => refusal.to_string(),
        Outcome::RolledBack { text, .. } => format!("back to what ran before: {text}"),
        Outcome::Stranded { text } => format!("neither the new nor the old one runs: {text}"),
        Outcome::Interrupted => "interrupted: the old one booted".to_owned(),
        Outcome::TrialFailed { text } => format!("the boot on trial failed: {text}"),
    }
}

/// Where a test of this length, begun now, ends.
pub(crate) fn lease_end(config: &Config, lease: Option<u64>) -> Time {
    let seconds = lease.unwrap_or(config.test_lease_seconds);
    Time::now().plus(std::time::Duration::from_secs(seconds))
}

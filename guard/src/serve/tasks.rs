//! What the service does of itself: ends leases, takes back what a killed activation left, judges a trial's boot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::FlockArg;

use super::{eprintln_line, Service};
use crate::admission::{Asker, Wish};
use crate::state::lock;
use crate::time::Time;

const EVERY: Duration = Duration::from_secs(1);
/// A recovery that does not succeed is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);

pub(super) fn start(service: &Arc<Service>) -> Result<()> {
    let tasks = Arc::clone(service);
    std::thread::Builder::new()
        .spawn(move || run(&tasks))
        .context("cannot start the guard's own tasks")?;
    let trial = Arc::clone(service);
    std::thread::Builder::new()
        .spawn(move || {
            if let Err(error) = trial.judge_trial() {
                eprintln_line(&format!("cannot judge the trial: {error:#}"));
            }
        })
        .context("cannot start the judging of a trial")?;
    Ok(())
}

fn run(service: &Service) {
    let mut not_before = Instant::now();
    loop {
        std::thread::sleep(EVERY);
        if Instant::now() < not_before {
            continue;
        }
        match service.due() {
            Ok(None) => (),
            Ok(Some(wish)) => {
                not_before = Instant::now() + AGAIN;
                let asker = Asker {
                    name: super::ROOT.to_owned(),
                    operator: true,
                };
                if let Err(error) = service.launch(&asker, wish) {
                    eprintln_line(&format!("cannot begin: {error:#}"));
                }
            }
            Err(error) => {
                not_before = Instant::now() + AGAIN;
                eprintln_line(&format!("cannot look after the host: {error:#}"));
            }
        }
    }
}

impl Service {
    fn due(&self) -> Result<Option<Wish>> {
        let state = self.store.read()?;
        if state.current.is_some() {
            let path = self.meeting.lock_file();
            let free = lock(&path, FlockArg::LockExclusiveNonblock)?.is_some();
            // Nobody has the lock: its process is gone. Read again, since it may have ended in between.
            return Ok((free && self.store.read()?.current.is_some()).then_some(Wish::Recover));
        }
        let ended = state
            .test
            .as_ref()
            .is_some_and(|test| test.until <= Time::now());
        // Who holds the host gets it as it is; the lease ends with the hold.
        Ok((ended && state.hold.is_none()).then_some(Wish::LeaseEnd))
    }
}

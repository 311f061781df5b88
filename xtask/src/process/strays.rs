//! Processes that left their group: a step of act has a session of its own, and what it leaves behind belongs to nobody.
//! Whoever starts such a program adopts what it leaves, and ends it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;

use super::groups::GRACE;
use super::tree::{processes, tree};

static ADOPTS: AtomicBool = AtomicBool::new(false);
/// What ran before orphans were adopted is wanted, with all that it starts: machines, say, and what serves them.
static WANTED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// From now on orphans of processes that we started are children of ours. What runs already is nobody's stray.
///
/// # Errors
/// If the kernel refuses.
pub fn adopt() -> Result<()> {
    set_child_subreaper(true).context("cannot become the parent of what processes leave behind")?;
    *wanted() = descendants(&[]).into_iter().map(Pid::as_raw).collect();
    ADOPTS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Ends all that descends from us but what ran before `adopt`, and waits until it is gone. Only where nothing else that is
/// still wanted runs: after a program that was followed has ended. Without `adopt` nothing happens.
pub async fn end_strays() {
    let wanted = wanted().clone();
    end_all_but(&wanted).await;
}

/// The same, and nothing is wanted any more.
pub(super) async fn end_all() {
    end_all_but(&[]).await;
}

async fn end_all_but(wanted: &[i32]) {
    if !ADOPTS.load(Ordering::Relaxed) {
        return;
    }
    let started = Instant::now();
    let mut asked = Vec::new();
    loop {
        let strays = descendants(wanted);
        if strays.is_empty() || started.elapsed() > GRACE * 2 {
            return;
        }
        for pid in strays {
            if started.elapsed() > GRACE {
                // It may be gone by now.
                let _ = kill(pid, Signal::SIGKILL);
            } else if !asked.contains(&pid) {
                let _ = kill(pid, Signal::SIGTERM);
                asked.push(pid);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn wanted() -> MutexGuard<'static, Vec<i32>> {
    WANTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Living processes that descend from this one, without these and what descends from them. Those that ended and became
/// ours are waited for on the way.
fn descendants(without: &[i32]) -> Vec<Pid> {
    let us = Pid::this();
    let all = processes();
    let spared: BTreeSet<i32> = without.iter().flat_map(|pid| tree(*pid, &all)).collect();
    let mut living = Vec::new();
    for pid in tree(us.as_raw(), &all).into_iter().skip(1) {
        let Some(process) = all.get(&pid).filter(|_| !spared.contains(&pid)) else {
            continue;
        };
        if !process.ended {
            living.push(Pid::from_raw(pid));
        } else if process.parent == us.as_raw() {
            // Somebody else of ours may have waited for it.
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
    living
}

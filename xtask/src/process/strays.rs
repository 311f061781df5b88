//! Processes that left their group: a step of act has a session of its own, and what it leaves behind belongs to nobody.
//! Whoever starts such a program adopts what it leaves, and ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;

use super::groups::GRACE;
use super::tree::{processes, tree};

static ADOPTS: AtomicBool = AtomicBool::new(false);

/// From now on orphans of processes that we started are children of ours.
///
/// # Errors
/// If the kernel refuses.
pub fn adopt() -> Result<()> {
    set_child_subreaper(true).context("cannot become the parent of what processes leave behind")?;
    ADOPTS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Ends all that descends from us, and waits until it is gone. Only where nothing that is still wanted runs: after a
/// program that was followed has ended. Without `adopt` nothing happens.
pub async fn end_strays() {
    if !ADOPTS.load(Ordering::Relaxed) {
        return;
    }
    let started = Instant::now();
    let mut asked = Vec::new();
    loop {
        let strays = descendants();
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

/// Living processes that descend from this one. Those that ended and became ours are waited for on the way.
fn descendants() -> Vec<Pid> {
    let us = Pid::this();
    let all = processes();
    let mut living = Vec::new();
    for pid in tree(us.as_raw(), &all).into_iter().skip(1) {
        let Some(process) = all.get(&pid) else {
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

//! A program that runs under its guard, and all of them together: each ends when its handle goes, when this process does,
//! or when everything is ended. Which program it is, `command` says.

use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::code_of;
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

/// For `sh -c`: a shell that holds the other end of the leash.
pub(super) const GUARD: &str = include_str!("guard.sh");

/// Its other end is held by a guard.
type Leash = Mutex<Option<ChildStdin>>;

/// The guards of this process.
struct Running {
    leashes: Vec<(u32, Weak<Leash>)>,
    /// Nothing is started any more.
    closed: bool,
}

static RUNNING: Mutex<Running> = Mutex::new(Running {
    leashes: Vec::new(),
    closed: false,
});

/// Ends every program that the harness started in this process, whichever thread waits for it, and waits up to `within`
/// until they and the folders of their runs are gone. Nothing can be started afterwards: for a process that is about to
/// exit and shall leave nothing behind at that moment, instead of a moment later.
pub fn end_everything(within: Duration) {
    let leashes = {
        let mut running = lock(&RUNNING);
        running.closed = true;
        std::mem::take(&mut running.leashes)
    };
    let held: Vec<(u32, Arc<Leash>)> = leashes
        .into_iter()
        .filter_map(|(guard, leash)| Some((guard, leash.upgrade()?)))
        .collect();
    for (_, leash) in &held {
        drop(lock(leash).take());
    }
    let started = Instant::now();
    while held.iter().any(|(guard, _)| lives(*guard)) && started.elapsed() < within {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether `end_everything` was called: what fails from then on fails because of it.
pub(crate) fn is_closed() -> bool {
    lock(&RUNNING).closed
}

/// Whether a child of ours runs; one that nobody has waited for yet does not.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state stands behind the name, which may have anything in it.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// A program that runs; it ends when this is dropped, or when this process ends.
#[derive(Debug)]
pub(crate) struct Guarded {
    leash: Arc<Leash>,
    pub(super) child: Child,
}

impl Guarded {
    /// Starts a guard; `None` if all is being ended.
    pub(super) fn start(guard: &mut std::process::Command) -> std::io::Result<Option<Self>> {
        // Held from the start to the entry, so that `end_everything` misses nothing.
        let mut running = lock(&RUNNING);
        if running.closed {
            return Ok(None);
        }
        let mut child = guard.stdin(Stdio::piped()).spawn()?;
        let leash = Arc::new(Mutex::new(child.stdin.take()));
        running
            .leashes
            .retain(|(_, leash)| leash.strong_count() > 0);
        running.leashes.push((child.id(), Arc::downgrade(&leash)));
        Ok(Some(Self { leash, child }))
    }

    /// The exit code, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().map(code_of)
    }

    /// Ends it now and waits until it is gone.
    pub fn end(&mut self) {
        drop(lock(&self.leash).take());
        // It was started and not yet waited for: waiting cannot fail, and there is nothing left to do if it did.
        let _ = self.child.wait();
    }

    pub(super) fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot wait for a program: {e}")))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    #[test]
    fn a_program_whose_leash_is_cut_before_it_runs_ends_too() {
        let started = Instant::now();
        let guards: Vec<Child> = (0..20)
            .map(|_| {
                std::process::Command::new("/bin/sh")
                    .args(["-c", GUARD, "guard", "KILL", "/dev/null", "sleep", "60"])
                    // At its end from the beginning.
                    .stdin(Stdio::null())
                    .stderr(Stdio::null())
                    .process_group(0)
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut guard in guards {
            assert_eq!(code_of(guard.wait().unwrap()), 137);
        }
        assert!(started.elapsed() < Duration::from_secs(50));
    }
}

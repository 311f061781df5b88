//! The process groups that this program started: they are asked to end, killed, waited for. None outlives xtask.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{signal, SignalKind};

use super::{folders, orphans, strays};

/// How long a group may take to end after SIGTERM before it is killed, if its command says nothing else.
pub const GRACE: Duration = Duration::from_secs(5);

/// The groups that this process started.
struct Groups {
    /// By their leader's process id, with the time they are given to end.
    alive: BTreeMap<i32, Duration>,
    /// Set when xtask ends: a task that is not yet dropped must not start another process.
    closed: bool,
}

static GROUPS: Mutex<Groups> = Mutex::new(Groups {
    alive: BTreeMap::new(),
    closed: false,
});

/// A process group of ours; asked to end when dropped before its leader was waited for.
pub struct Group {
    leader: i32,
    grace: Duration,
    ended: bool,
}

impl Group {
    /// Starts a process that leads a group of its own, with the time that it is given to end, and the signal that it gets
    /// should xtask be killed.
    pub fn start(
        command: &mut Command,
        grace: Duration,
        orphaned: Signal,
    ) -> Result<(Child, Self)> {
        let program = Path::new(command.as_std().get_program())
            .display()
            .to_string();
        command.process_group(0);
        orphans::end_with_us(command, orphaned);
        // Held from the start to the entry, so that `terminate_all` misses no process.
        let mut groups = groups();
        if groups.closed {
            bail!("{program} is not started: xtask is ending");
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        // A child that was just started and not yet waited for has an id.
        let leader = child.id().map_or(0, u32::cast_signed);
        groups.alive.insert(leader, grace);
        let group = Self {
            leader,
            grace,
            ended: false,
        };
        Ok((child, group))
    }

    /// The process id of the leader.
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// Ends what still runs of it, and waits until that is gone.
    pub async fn end(&self) {
        end_groups(&[(self.leader, self.grace)]).await;
    }

    /// The leader was waited for: stragglers of its group are ended, and usually there are none.
    pub fn finish(mut self) {
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // No such group is the usual case after a normal end, and no failure.
        let _ = signal_group(self.leader, Signal::SIGTERM);
        // A group whose command was given up stays listed: `terminate_all` waits for it.
        if self.ended {
            groups().alive.remove(&self.leader);
        }
    }
}

/// Ends when the person presses Ctrl-C, closes the terminal, or a supervisor asks us to stop. The signals are ours from the
/// call on, before the future is polled: a command that comes far in its first poll can be interrupted in it.
pub fn interrupt_signal() -> impl Future<Output = ()> {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    async move {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
            // Without handlers the signals keep their default action, which ends xtask too.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}

/// Asks a process that `watch` started to end; whoever watches it sees how it ended.
pub fn ask_to_end(leader: i32) {
    // It may have ended by itself.
    let _ = signal_group(leader, Signal::SIGTERM);
}

/// Kills a process that `watch` started, because it must be gone at once.
pub fn kill(leader: i32) {
    let _ = signal_group(leader, Signal::SIGKILL);
}

/// Ends every process that this one started, and waits until they are gone; then the folders that they worked in go. None is
/// started after that.
pub async fn terminate_all() {
    let alive: Vec<(i32, Duration)> = {
        let mut groups = groups();
        groups.closed = true;
        groups
            .alive
            .iter()
            .map(|(&leader, &grace)| (leader, grace))
            .collect()
    };
    end_groups(&alive).await;
    strays::end_all().await;
    folders::remove_all();
}

async fn end_groups(groups: &[(i32, Duration)]) {
    for &(leader, _) in groups {
        let _ = signal_group(leader, Signal::SIGTERM);
    }
    let started = Instant::now();
    while groups.iter().any(|&(leader, _)| group_lives(leader)) {
        // A killed group is gone as soon as the kernel gets to it; one that cannot be killed is not waited for.
        let longest = groups.iter().map(|(_, grace)| *grace).max();
        if started.elapsed() > longest.unwrap_or_default() + GRACE {
            return;
        }
        for &(leader, grace) in groups {
            if started.elapsed() > grace {
                let _ = signal_group(leader, Signal::SIGKILL);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn signal_group(leader: i32, signal: Signal) -> nix::Result<()> {
    // Group 0 would be our own.
    if leader <= 0 {
        return Ok(());
    }
    killpg(Pid::from_raw(leader), signal)
}

fn group_lives(leader: i32) -> bool {
    leader > 0 && killpg(Pid::from_raw(leader), None).is_ok()
}

fn groups() -> std::sync::MutexGuard<'static, Groups> {
    GROUPS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

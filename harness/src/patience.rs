//! Time-outs in guest terms: a second is what an idle reference machine does in one. A slow host stretches it by its
//! measured speed, and time that a machine's CPUs spent waiting for a CPU of the host does not count.

use std::fs;
use std::time::{Duration, Instant};

/// No time-out is stretched by more than this beyond the measured speed: a hang shall end some day.
const MOST: f64 = 6.0;

/// The clock of one wait.
#[derive(Debug)]
pub(crate) struct Patience {
    started: Instant,
    budget: Duration,
    limit: Duration,
    /// The process group whose waiting does not count, and what it had waited when this began.
    starved: Option<(u32, Duration)>,
}

impl Patience {
    /// `guest` seconds at `scale` host seconds each; `qemu` is the process that runs the guest.
    pub fn new(guest: Duration, scale: f64, qemu: Option<u32>) -> Self {
        let budget = guest.mul_f64(scale);
        Self {
            started: Instant::now(),
            budget,
            limit: budget.mul_f64(MOST),
            starved: qemu.map(|pid| (pid, waited(pid))),
        }
    }

    /// What is left, in host time; zero when it is over.
    pub fn left(&self) -> Duration {
        let starved = self.starved.map_or(Duration::ZERO, |(pid, before)| {
            waited(pid).saturating_sub(before)
        });
        let budget = (self.budget + starved).min(self.limit);
        budget.saturating_sub(self.started.elapsed())
    }

    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// Sleeps a moment, longer the longer the wait has been, and never past the end.
    pub fn pause(&self) {
        let nap = (self.started.elapsed() / 20)
            .clamp(Duration::from_millis(20), Duration::from_millis(250));
        std::thread::sleep(nap.min(self.left().max(Duration::from_millis(1))));
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// How long the thread of the process that waited longest was ready to run and had no CPU.
fn waited(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        // It has ended; nothing waits any more.
        return Duration::ZERO;
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .max()
        .map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_gets_more_time() {
        let patience = Patience::new(Duration::from_secs(10), 2.5, None);
        assert!(patience.left() > Duration::from_secs(24));
        assert!(Patience::new(Duration::ZERO, 1.0, None).is_over());
    }

    #[test]
    fn waiting_for_a_cpu_is_read_from_the_kernel() {
        assert!(std::path::Path::new("/proc/self/schedstat").exists());
        assert_eq!(waited(u32::MAX), Duration::ZERO);
    }
}

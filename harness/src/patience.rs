//! Time-outs in guest terms: a second is what an idle reference machine does in one. A slow host stretches it by its
//! measured speed, and time that a machine's CPUs spent waiting for a CPU of the host does not count.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

/// No time-out is stretched by more than this beyond the measured speed: a hang shall end some day.
const MOST: f64 = 6.0;

/// The clock of one wait.
#[derive(Debug)]
pub(crate) struct Patience {
    started: Instant,
    /// Host seconds of a guest second.
    scale: f64,
    budget: Duration,
    limit: Duration,
    /// The process group whose waiting does not count, and what it had waited when this began.
    starved: Option<(u32, Duration)>,
    /// The longest waiting of that process so far: it may end, and what it waited stays.
    credit: Cell<Duration>,
}

impl Patience {
    /// `guest` seconds at `scale` host seconds each; `qemu` is the process that runs the guest.
    pub fn new(guest: Duration, scale: f64, qemu: Option<u32>) -> Self {
        let budget = guest.mul_f64(scale);
        Self {
            started: Instant::now(),
            scale,
            budget,
            limit: budget.mul_f64(MOST),
            starved: qemu.map(|pid| (pid, waited(pid))),
            credit: Cell::new(Duration::ZERO),
        }
    }

    /// What is left, in host time; zero when it is over.
    pub fn left(&self) -> Duration {
        self.allowed().saturating_sub(self.started.elapsed())
    }

    /// What is left, in guest time: for what has a clock of its own.
    pub fn left_to_guest(&self) -> Duration {
        self.left().div_f64(self.scale)
    }

    /// The whole time, with what does not count.
    fn allowed(&self) -> Duration {
        if let Some((pid, before)) = self.starved {
            let now = waited(pid).saturating_sub(before);
            self.credit.set(self.credit.get().max(now));
        }
        (self.budget + self.credit.get()).min(self.limit)
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
    let threads = threads(pid).into_iter();
    threads
        .map(|thread| thread.waited)
        .max()
        .unwrap_or_default()
}

/// How many times as long as with a CPU of its own the thread of the process took that ran most; 1 once it has ended.
pub(crate) fn starved(pid: u32) -> f64 {
    let threads = threads(pid).into_iter();
    let busiest = threads.max_by_key(|thread| thread.ran);
    busiest.filter(|it| !it.ran.is_zero()).map_or(1.0, |it| {
        (it.ran + it.waited).as_secs_f64() / it.ran.as_secs_f64()
    })
}

/// What the kernel knows of a thread since it began.
struct Thread {
    ran: Duration,
    /// It was ready to run, and had no CPU.
    waited: Duration,
}

/// None of a process that has ended.
fn threads(pid: u32) -> Vec<Thread> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let read = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
        let mut next = || numbers.next()?.map(Duration::from_nanos);
        Some(Thread {
            ran: next()?,
            waited: next()?,
        })
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|line| read(&line))
        .collect()
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

    /// Two that want the same CPU all the time, until this is dropped.
    struct Starving(Vec<std::process::Child>);

    impl Starving {
        fn start() -> Self {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let allowed = status
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
                .unwrap();
            let cpu: String = allowed
                .trim()
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            let one = || {
                std::process::Command::new("taskset")
                    .args(["-c", &cpu, "sh", "-c", "while :; do :; done"])
                    .spawn()
                    .unwrap()
            };
            Self(vec![one(), one()])
        }
    }

    impl Drop for Starving {
        fn drop(&mut self) {
            for child in &mut self.0 {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }

    #[test]
    fn time_without_a_cpu_does_not_count_even_when_its_process_has_ended() {
        let busy = Starving::start();
        let second = Duration::from_secs(1);
        let patience = Patience::new(second, 1.0, Some(busy.0[0].id()));
        let begun = Instant::now();
        while patience.allowed() < second + Duration::from_millis(20) {
            assert!(begun.elapsed() < 30 * second, "nobody waited for a CPU");
            std::thread::sleep(Duration::from_millis(10));
        }
        let allowed = patience.allowed();
        drop(busy);
        assert!(patience.allowed() >= allowed);
        assert!(patience.allowed() <= 6 * second);
    }

    #[test]
    fn who_shares_a_cpu_is_starved() {
        let busy = Starving::start();
        let pid = busy.0[0].id();
        let begun = Instant::now();
        while starved(pid) < 1.2 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "nobody waited for a CPU"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(busy);
        assert!((starved(pid) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn waiting_for_a_cpu_is_read_from_the_kernel() {
        assert!(std::path::Path::new("/proc/self/schedstat").exists());
        assert_eq!(waited(u32::MAX), Duration::ZERO);
    }
}

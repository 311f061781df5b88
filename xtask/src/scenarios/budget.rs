//! How many plays run at a time: as many as CPUs and memory bear. Pure.

/// A machine never takes more (docs/harness.md has what was measured).
const MACHINE: u64 = 700 << 20;

/// Left for everything else on this machine.
const RESERVE: u64 = 1 << 30;

/// What plays may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Plays at the same time.
    pub jobs: usize,
    /// Machines at the same time; a play that needs more is played alone.
    pub machines: usize,
}

impl Budget {
    /// `wanted` plays, else one a CPU; `available` bytes of memory.
    pub fn new(wanted: Option<u16>, cpus: usize, available: u64) -> Self {
        let machines = available.saturating_sub(RESERVE) / MACHINE;
        Self {
            jobs: wanted.map_or(cpus, usize::from).max(1),
            machines: usize::try_from(machines).unwrap_or(usize::MAX).max(1),
        }
    }

    /// The first of the waiting plays, by their numbers of machines, that can begin beside those that are being played.
    pub fn next(self, waiting: &[usize], playing: &[usize]) -> Option<usize> {
        if playing.len() >= self.jobs {
            return None;
        }
        let taken: usize = playing.iter().sum();
        let fits = |machines: &usize| playing.is_empty() || taken + machines <= self.machines;
        waiting.iter().position(fits)
    }
}

/// Bytes that can be had without swapping: `MemAvailable` of /proc/meminfo, and what the control group has left.
pub fn available_memory() -> u64 {
    // Where there is no such file, one play at a time is surely right.
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok();
    available(&meminfo, read("max").as_deref(), read("current").as_deref())
}

fn available(meminfo: &str, limit: Option<&str>, used: Option<&str>) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<u64> = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    let free = kib.unwrap_or(0) * 1024;
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    match number(limit) {
        Some(limit) => free.min(limit.saturating_sub(number(used).unwrap_or(0))),
        None => free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn two_plays_on_two_cpus_and_as_many_machines_as_memory_bears() {
        let budget = Budget::new(None, 2, 8 * GIB);
        assert_eq!(
            budget,
            Budget {
                jobs: 2,
                machines: 10
            }
        );
        assert_eq!(Budget::new(Some(5), 2, 8 * GIB).jobs, 5);
        assert_eq!(Budget::new(None, 2, GIB).machines, 1);
    }

    #[test]
    fn a_play_begins_when_there_is_room_and_one_that_is_too_large_alone() {
        let budget = Budget {
            jobs: 2,
            machines: 3,
        };
        assert_eq!(budget.next(&[4, 1], &[]), Some(0));
        assert_eq!(budget.next(&[3, 1], &[2]), Some(1));
        assert_eq!(budget.next(&[3], &[2]), None);
        assert_eq!(budget.next(&[1], &[1, 1]), None);
        assert_eq!(budget.next(&[], &[]), None);
    }

    #[test]
    fn a_control_groups_limit_counts() {
        let meminfo = "MemTotal: 9 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available(meminfo, None, None), 2048 * 1024);
        assert_eq!(available(meminfo, Some("max\n"), Some("5\n")), 2048 * 1024);
        assert_eq!(available(meminfo, Some("1000\n"), Some("400\n")), 600);
    }
}

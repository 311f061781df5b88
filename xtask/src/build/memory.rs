//! How the memory budget is shared between evaluation workers, and what is learnt of their needs. Pure.

pub const MIB: u64 = 1 << 20;

/// A worker with less than this only collects garbage: a real NixOS host needs some 300 to 500 MiB. A smaller budget
/// gets one worker.
const LEAST_SHARE: u64 = 512 * MIB;

/// What Nix takes besides the collected heap, before any was seen: code, parsed files, symbols, and what the collector
/// needs to keep books of the heap.
const fn first_base(share: u64) -> u64 {
    48 * MIB + share / 8
}

/// The heap never gets less than this part of the share, however much the rest takes.
const LEAST_HEAP: u64 = 16 * MIB;

/// Half of this machine's memory, or of what its control group allows if that is less.
pub fn default_budget(meminfo: &str, group_limit: Option<&str>) -> u64 {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(2048 * MIB, |kib| kib * 1024);
    // `max` means no limit, and is no number.
    let limit = group_limit.and_then(|text| text.trim().parse::<u64>().ok());
    limit.map_or(total, |limit| limit.min(total)) / 2
}

#[derive(Debug, Clone)]
pub struct Memory {
    /// Bytes that all workers together may take.
    budget: u64,
    workers: u64,
    /// Bytes that a worker takes besides its heap: the most that was seen.
    base: u64,
    /// Bytes by which a worker grows from host to host: the most that was seen, once two hosts were.
    growth: Option<u64>,
}

impl Memory {
    pub fn new(budget: u64, cores: usize) -> Self {
        let cores = u64::try_from(cores).unwrap_or(1).max(1);
        let workers = (budget / LEAST_SHARE).clamp(1, cores);
        Self {
            budget,
            workers,
            base: first_base(budget / workers),
            growth: None,
        }
    }

    pub fn budget(&self) -> u64 {
        self.budget
    }

    pub fn workers(&self) -> usize {
        usize::try_from(self.workers).unwrap_or(1)
    }

    /// Bytes that a worker may take: its share of the budget, or all of it if it runs alone.
    pub fn share(&self, alone: bool) -> u64 {
        if alone {
            self.budget
        } else {
            self.budget / self.workers
        }
    }

    /// Bytes for `GC_MAXIMUM_HEAP_SIZE`.
    pub fn heap(&self, alone: bool) -> u64 {
        let share = self.share(alone);
        share
            .saturating_sub(self.base)
            .max(LEAST_HEAP.min(share / 2))
    }

    /// A worker took more than its heap and the base that was assumed.
    pub fn saw_resident(&mut self, resident: u64, heap: u64) {
        self.base = self.base.max(resident.saturating_sub(heap));
    }

    /// A worker grew by this much from one finished host to the next.
    pub fn saw_growth(&mut self, bytes: u64) {
        self.growth = Some(self.growth.unwrap_or(0).max(bytes));
    }

    /// Whether workers that grew from `before` to `now` may be over the budget when they are looked at next, which a
    /// busy machine may do late.
    pub fn will_exceed(&self, before: u64, now: u64) -> bool {
        let limit = self.budget - self.budget / 32;
        now + 2 * now.saturating_sub(before) > limit
    }

    /// Whether workers with this much resident must be looked at more often.
    pub fn is_near(&self, resident: u64) -> bool {
        resident > self.budget / 2
    }

    /// Whether a worker with this much resident should end before it begins another host: all its hosts stay in its
    /// heap, and a heap near its limit does nothing but collect.
    pub fn is_full(&self, resident: u64, alone: bool) -> bool {
        let share = self.share(alone);
        let room = share.saturating_sub(resident);
        room < self.growth.unwrap_or(0).max(share / 8)
    }
}

/// The budget where nobody chose one, in bytes.
pub fn of_this_machine() -> u64 {
    // Where there is no such file, the assumption of `default_budget` holds.
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    default_budget(&meminfo, limit.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_half_of_what_there_is() {
        let meminfo = "MemTotal:        8388608 kB\nMemFree:  1 kB\n";
        assert_eq!(default_budget(meminfo, None), 4096 * MIB);
        assert_eq!(default_budget(meminfo, Some("max\n")), 4096 * MIB);
        assert_eq!(default_budget(meminfo, Some("1073741824\n")), 512 * MIB);
        assert_eq!(default_budget("", None), 1024 * MIB);
    }

    #[test]
    fn workers_are_bounded_by_cores_and_by_the_budget() {
        let workers = |mib: u64, cores| Memory::new(mib * MIB, cores).workers();
        assert_eq!(workers(64, 8), 1);
        assert_eq!(workers(1024, 8), 2);
        assert_eq!(workers(12_000, 2), 2);
        assert_eq!(workers(12_000, 0), 1);
    }

    #[test]
    fn heaps_and_bases_of_all_workers_stay_within_the_budget() {
        for mib in [64, 100, 512, 1024, 5000, 64_000] {
            let mut memory = Memory::new(mib * MIB, 8);
            for base in [0, 60, 200] {
                memory.saw_resident(memory.heap(false) + base * MIB, memory.heap(false));
                let all = memory.heap(false) * memory.workers;
                assert!(all < memory.budget(), "{mib} {base}");
                if memory.share(false) > 256 * MIB {
                    assert!(all + memory.base * memory.workers <= memory.budget());
                }
            }
        }
    }

    #[test]
    fn a_worker_alone_gets_it_all() {
        let memory = Memory::new(1024 * MIB, 2);
        assert_eq!(memory.share(false), 512 * MIB);
        assert_eq!(memory.heap(true), 1024 * MIB - first_base(512 * MIB));
    }

    #[test]
    fn the_guard_looks_ahead() {
        let memory = Memory::new(1024 * MIB, 2);
        assert!(!memory.will_exceed(900 * MIB, 900 * MIB));
        assert!(!memory.will_exceed(800 * MIB, 850 * MIB));
        assert!(memory.will_exceed(800 * MIB, 900 * MIB));
        assert!(memory.will_exceed(1010 * MIB, 1000 * MIB));
        assert!(!memory.is_near(500 * MIB) && memory.is_near(600 * MIB));
    }

    #[test]
    fn a_worker_ends_before_a_host_that_would_not_fit() {
        let mut memory = Memory::new(2048 * MIB, 2);
        assert!(!memory.is_full(600 * MIB, false));
        assert!(memory.is_full(1000 * MIB, false));
        memory.saw_growth(500 * MIB);
        memory.saw_growth(300 * MIB);
        assert!(memory.is_full(600 * MIB, false));
        assert!(!memory.is_full(600 * MIB, true));
    }
}

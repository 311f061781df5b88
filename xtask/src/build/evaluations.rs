//! Which hosts a worker evaluates next, and what follows when it ends. Pure: no processes, no clock.

use std::collections::VecDeque;

use super::memory::Memory;
use crate::fleet::host::HostName;

/// What one worker process is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Evaluated in this order.
    pub hosts: Vec<HostName>,
    /// Bytes of heap.
    pub heap: u64,
    /// It has the whole budget, and nothing else is evaluated beside it.
    pub alone: bool,
}

/// Why a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All its hosts are evaluated.
    Complete,
    /// An evaluation error: it belongs to the host that was begun.
    Error,
    /// Nix, the kernel or the budget's guard ended it for its memory.
    Memory,
    /// We ended it between two hosts, to start afresh.
    Recycled,
}

/// What becomes of the host that a worker had begun when it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is evaluated or waits again.
    Continue,
    /// This host's evaluation failed; the worker's error says how.
    Failed(HostName),
    /// This host needs more than the whole budget.
    TooLarge(HostName),
    /// The evaluation failed before any host was begun: every host would fail like that.
    Fleet,
}

#[derive(Debug)]
pub struct Evaluations {
    pub memory: Memory,
    waiting: VecDeque<HostName>,
    /// Died of memory among others: each gets a worker of its own.
    single: VecDeque<HostName>,
    /// Died of memory in a worker of its own: each gets the whole budget.
    whole: VecDeque<HostName>,
    running: usize,
    alone: bool,
    /// Seconds until a worker begins its first host, and seconds and number of all hosts that are done.
    start: f64,
    spent: f64,
    done: u32,
}

impl Evaluations {
    pub fn new(hosts: impl IntoIterator<Item = HostName>, memory: Memory) -> Self {
        Self {
            memory,
            waiting: hosts.into_iter().collect(),
            single: VecDeque::new(),
            whole: VecDeque::new(),
            running: 0,
            alone: false,
            start: 0.0,
            spent: 0.0,
            done: 0,
        }
    }

    /// A worker began its first host after this many seconds.
    pub fn saw_start(&mut self, seconds: f64) {
        self.start = self.start.max(seconds);
    }

    /// A host took this many seconds.
    pub fn saw_host(&mut self, seconds: f64) {
        self.spent += seconds;
        self.done += 1;
    }

    /// Hosts that take about as long as the start of a worker; one, as long as that is not known.
    fn least(&self) -> usize {
        if self.done == 0 || self.spent <= 0.0 {
            return 1;
        }
        let hosts = self.start / (self.spent / f64::from(self.done));
        // Between 1 and 64, whatever the clock says.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let hosts = hosts.clamp(1.0, 64.0) as usize;
        hosts
    }

    pub fn is_done(&self) -> bool {
        self.running == 0 && self.left() == 0
    }

    /// Hosts that no worker has.
    pub fn left(&self) -> usize {
        self.waiting.len() + self.single.len() + self.whole.len()
    }

    /// More hosts to evaluate, found out on the way.
    pub fn add(&mut self, hosts: impl IntoIterator<Item = HostName>) {
        self.waiting.extend(hosts);
    }

    /// The next worker's batch, if one may start now.
    pub fn next(&mut self) -> Option<Batch> {
        let workers = self.memory.workers();
        if self.alone || self.running >= workers {
            return None;
        }
        let (hosts, alone) = if !self.waiting.is_empty() {
            // Guided self-scheduling: large batches first, single hosts at the end, so that no worker ends long
            // before the others; but a batch of hosts that cost less than the start of its worker is no gain.
            let guided = self.waiting.len().div_ceil(2 * workers);
            let size = guided.max(self.least()).min(self.waiting.len());
            (self.waiting.drain(..size).collect(), false)
        } else if let Some(host) = self.single.pop_front() {
            (vec![host], false)
        } else if self.running == 0 {
            (vec![self.whole.pop_front()?], true)
        } else {
            return None;
        };
        self.running += 1;
        self.alone = alone;
        Some(Batch {
            hosts,
            heap: self.memory.heap(alone),
            alone,
        })
    }

    /// A worker ended. `done` of its hosts, from the first on, are evaluated; `begun` says whether it had begun the next.
    pub fn ended(&mut self, batch: Batch, done: usize, begun: bool, ending: Ending) -> Verdict {
        self.running -= 1;
        if batch.alone {
            self.alone = false;
        }
        let whole_share = batch.alone || self.memory.workers() == 1;
        let single = batch.hosts.len() == 1;
        let mut rest: VecDeque<HostName> = batch.hosts.into_iter().skip(done).collect();
        let verdict = match ending {
            Ending::Complete | Ending::Recycled => Verdict::Continue,
            Ending::Error if !begun => {
                return Verdict::Fleet;
            }
            Ending::Error => rest.pop_front().map_or(Verdict::Continue, Verdict::Failed),
            Ending::Memory => match rest.pop_front() {
                None => Verdict::Continue,
                Some(host) if single && whole_share => Verdict::TooLarge(host),
                Some(host) => {
                    if single {
                        self.whole.push_back(host);
                    } else {
                        self.single.push_back(host);
                    }
                    Verdict::Continue
                }
            },
        };
        for host in rest.into_iter().rev() {
            self.waiting.push_front(host);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MIB;
    use super::*;

    fn hosts(count: usize) -> Vec<HostName> {
        (0..count)
            .map(|index| HostName::known(format!("h{index}")))
            .collect()
    }

    fn evaluations(count: usize, mib: u64) -> Evaluations {
        Evaluations::new(hosts(count), Memory::new(mib * MIB, 2))
    }

    fn names(batch: &Batch) -> Vec<&str> {
        batch.hosts.iter().map(HostName::as_str).collect()
    }

    #[test]
    fn batches_shrink_and_end_in_single_hosts() {
        let mut all = evaluations(16, 4096);
        let mut sizes = Vec::new();
        while let Some(batch) = all.next() {
            sizes.push(batch.hosts.len());
            let done = batch.hosts.len();
            let verdict = all.ended(batch, done, true, Ending::Complete);
            assert_eq!(verdict, Verdict::Continue);
        }
        assert_eq!(sizes.iter().sum::<usize>(), 16);
        assert_eq!(sizes, [4, 3, 3, 2, 1, 1, 1, 1]);
        assert!(all.is_done());
    }

    #[test]
    fn batches_are_worth_the_start_of_a_worker() {
        let mut all = evaluations(12, 4096);
        all.saw_start(0.5);
        all.saw_host(0.1);
        all.saw_host(0.1);
        assert_eq!(all.next().unwrap().hosts.len(), 5);
        assert_eq!(all.next().unwrap().hosts.len(), 5);
        let mut heavy = evaluations(12, 4096);
        heavy.saw_start(0.5);
        heavy.saw_host(4.0);
        assert_eq!(heavy.next().unwrap().hosts.len(), 3);
    }

    #[test]
    fn no_more_workers_than_the_budget_has_room_for() {
        let mut all = evaluations(9, 4096);
        assert!(all.next().is_some() && all.next().is_some());
        assert_eq!(all.next(), None);
        let mut all = evaluations(9, 100);
        assert!(all.next().is_some());
        assert_eq!(all.next(), None);
    }

    #[test]
    fn an_error_fails_its_host_and_the_rest_waits_again_in_order() {
        let mut all = evaluations(16, 4096);
        let batch = all.next().unwrap();
        assert_eq!(names(&batch), ["h0", "h1", "h2", "h3"]);
        let verdict = all.ended(batch, 1, true, Ending::Error);
        assert_eq!(verdict, Verdict::Failed(HostName::known("h1")));
        assert_eq!(names(&all.next().unwrap()), ["h2", "h3", "h4", "h5"]);
    }

    #[test]
    fn an_error_before_any_host_is_the_fleets() {
        let mut all = evaluations(4, 4096);
        let batch = all.next().unwrap();
        assert_eq!(all.ended(batch, 0, false, Ending::Error), Verdict::Fleet);
    }

    #[test]
    fn a_recycled_worker_loses_nothing() {
        let mut all = evaluations(16, 4096);
        let batch = all.next().unwrap();
        assert_eq!(
            all.ended(batch, 2, true, Ending::Recycled),
            Verdict::Continue
        );
        assert_eq!(names(&all.next().unwrap()), ["h2", "h3", "h4", "h5"]);
    }

    #[test]
    fn a_host_that_dies_of_memory_gets_its_own_worker_then_the_whole_budget_then_up() {
        let mut all = evaluations(8, 4096);
        let batch = all.next().unwrap();
        let large = HostName::known("h1");
        assert_eq!(names(&batch), ["h0", "h1"]);
        assert_eq!(all.ended(batch, 1, true, Ending::Memory), Verdict::Continue);
        let mut last = None;
        while let Some(batch) = all.next() {
            if batch.hosts == [large.clone()] {
                assert!(!batch.alone);
                last = Some(batch);
                break;
            }
            let done = batch.hosts.len();
            all.ended(batch, done, true, Ending::Complete);
        }
        let verdict = all.ended(last.unwrap(), 0, true, Ending::Memory);
        assert_eq!(verdict, Verdict::Continue);
        let batch = all.next().unwrap();
        assert!(batch.alone && batch.heap > 3000 * MIB);
        assert_eq!(all.next(), None, "nothing runs beside it");
        let verdict = all.ended(batch, 0, true, Ending::Memory);
        assert_eq!(verdict, Verdict::TooLarge(large));
        assert!(all.is_done());
    }

    #[test]
    fn a_lone_worker_has_the_whole_budget_already() {
        let mut all = evaluations(1, 100);
        let batch = all.next().unwrap();
        let verdict = all.ended(batch, 0, true, Ending::Memory);
        assert_eq!(verdict, Verdict::TooLarge(HostName::known("h0")));
    }

    #[test]
    fn the_whole_budget_waits_until_the_others_are_done() {
        let mut all = evaluations(2, 4096);
        let first = all.next().unwrap();
        let second = all.next().unwrap();
        all.ended(first, 0, true, Ending::Memory);
        assert_eq!(all.next(), None);
        all.ended(second, 1, true, Ending::Complete);
        assert!(all.next().unwrap().alone);
    }
}

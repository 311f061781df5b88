//! When a build process starts, for which hosts, and how many builds it may run at once. Pure: no processes, no clock.

use std::time::Duration;

/// How long a build process has the store to itself. Two processes that need the same derivation wait for each other in
/// steps of a second, and most of what hosts share is built with the first of them.
pub const HEAD_START: Duration = Duration::from_secs(2);

/// Hosts of one build process while others are being evaluated. Each process costs a start and a few questions.
const AT_ONCE: usize = 8;

/// What is going on when a host is ready to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// `--jobs`.
    pub jobs: u32,
    /// The jobs of the build processes that run.
    pub taken: u32,
    /// How long ago the last of them was started; none if none runs.
    pub youngest: Option<Duration>,
    /// More hosts are still being evaluated.
    pub more_to_come: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Now, for this many of the ready hosts at most, with this many jobs.
    Now { hosts: usize, jobs: u32 },
    /// Ask again after this time.
    After(Duration),
    /// Ask again when a process has ended.
    WhenFree,
}

/// Whether the ready hosts are built now.
pub fn start(situation: Situation) -> Start {
    let free = situation.jobs.saturating_sub(situation.taken);
    if free == 0 {
        return Start::WhenFree;
    }
    match situation.youngest {
        Some(age) if age < HEAD_START => Start::After(HEAD_START - age),
        // The jobs of a process are fixed when it starts: half of them are kept for the hosts that come later, and what is
        // built with the other half must not last long when nothing comes any more.
        _ if situation.more_to_come => Start::Now {
            hosts: AT_ONCE,
            jobs: free.div_ceil(2),
        },
        _ => Start::Now {
            hosts: usize::MAX,
            jobs: free,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Situation = Situation {
        jobs: 8,
        taken: 0,
        youngest: None,
        more_to_come: true,
    };

    fn some(jobs: u32) -> Start {
        Start::Now {
            hosts: AT_ONCE,
            jobs,
        }
    }

    fn all(jobs: u32) -> Start {
        Start::Now {
            hosts: usize::MAX,
            jobs,
        }
    }

    #[test]
    fn the_first_host_is_built_at_once_and_leaves_jobs_for_the_others() {
        assert_eq!(start(IDLE), some(4));
        let last = Situation {
            more_to_come: false,
            ..IDLE
        };
        assert_eq!(start(last), all(8));
        assert_eq!(start(Situation { jobs: 1, ..IDLE }), some(1));
    }

    #[test]
    fn jobs_are_never_exceeded() {
        let mut taken = 0;
        let mut started = Vec::new();
        loop {
            let situation = Situation {
                taken,
                youngest: Some(HEAD_START),
                ..IDLE
            };
            let Start::Now { jobs, .. } = start(situation) else {
                break;
            };
            taken += jobs;
            started.push(jobs);
        }
        assert_eq!(started, [4, 2, 1, 1]);
    }

    #[test]
    fn a_build_that_just_began_is_waited_for() {
        let situation = Situation {
            taken: 4,
            youngest: Some(Duration::from_millis(500)),
            ..IDLE
        };
        assert_eq!(start(situation), Start::After(Duration::from_millis(1500)));
        let full = Situation {
            taken: 8,
            ..situation
        };
        assert_eq!(start(full), Start::WhenFree);
    }
}

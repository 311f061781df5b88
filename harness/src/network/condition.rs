//! What a cable does to the frames that pass: a pure function of its settings, the time, and one random number.

use std::time::{Duration, Instant};

/// The state of one cable; it applies to both directions. The default is a good cable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Condition {
    /// Nothing passes, and neither side is told (pulling the plug is `Machine::plug`).
    pub cut: bool,
    /// Added to each frame in each direction, in real time.
    pub delay: Duration,
    /// The part of frames that get lost, 0.0 to 1.0.
    pub loss: f64,
    /// Bytes a second in each direction.
    pub rate: Option<u64>,
}

impl Condition {
    pub fn cut() -> Self {
        Self {
            cut: true,
            ..Self::default()
        }
    }

    /// Adds `delay` each way.
    pub fn slow(delay: Duration, rate: Option<u64>) -> Self {
        Self {
            delay,
            rate,
            ..Self::default()
        }
    }

    pub fn lossy(loss: f64) -> Self {
        Self {
            loss,
            ..Self::default()
        }
    }
}

/// How long a queue may get before frames are dropped, as in a real switch.
const LONGEST_QUEUE: Duration = Duration::from_secs(2);

/// One direction of a cable.
#[derive(Debug)]
pub(super) struct Lane {
    /// When the last frame will have left, at the cable's rate.
    busy_until: Instant,
}

impl Lane {
    pub fn new(now: Instant) -> Self {
        Self { busy_until: now }
    }

    /// When a frame that enters now comes out, or `None` if it never does. `chance` is uniform in 0.0..1.0.
    pub fn pass(
        &mut self,
        condition: &Condition,
        length: usize,
        now: Instant,
        chance: f64,
    ) -> Option<Instant> {
        if condition.cut || chance < condition.loss {
            return None;
        }
        let mut out = now;
        if let Some(rate) = condition.rate {
            let start = self.busy_until.max(now);
            if start.duration_since(now) > LONGEST_QUEUE {
                return None;
            }
            out = start + Duration::from_secs_f64(length as f64 / rate.max(1) as f64);
            self.busy_until = out;
        }
        Some(out + condition.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_cable_passes_at_once_and_a_cut_one_never() {
        let now = Instant::now();
        let mut lane = Lane::new(now);
        assert_eq!(lane.pass(&Condition::default(), 1500, now, 0.0), Some(now));
        assert_eq!(lane.pass(&Condition::cut(), 1500, now, 0.9), None);
    }

    #[test]
    fn loss_is_the_part_below_the_threshold() {
        let now = Instant::now();
        let mut lane = Lane::new(now);
        let lossy = Condition::lossy(0.3);
        assert_eq!(lane.pass(&lossy, 60, now, 0.29), None);
        assert_eq!(lane.pass(&lossy, 60, now, 0.31), Some(now));
    }

    #[test]
    fn a_rate_queues_frames_and_drops_those_that_wait_too_long() {
        let now = Instant::now();
        let mut lane = Lane::new(now);
        let slow = Condition::slow(Duration::from_millis(5), Some(1000));
        let out = |lane: &mut Lane| lane.pass(&slow, 1000, now, 0.5);
        assert_eq!(out(&mut lane), Some(now + Duration::from_millis(1005)));
        assert_eq!(out(&mut lane), Some(now + Duration::from_millis(2005)));
        assert_eq!(out(&mut lane), Some(now + Duration::from_millis(3005)));
        assert_eq!(out(&mut lane), None);
    }
}

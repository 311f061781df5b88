//! What leaves a switch through one port: a queue in order of time, and the thread that empties it.
//! A machine that stands still does not hold up the others: its queue fills and frames are dropped.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::time::Instant;

use super::condition::{Condition, Lane};
use super::frame;

/// Frames, as in a real switch's buffer.
const QUEUE: usize = 2048;

struct Due {
    at: Instant,
    frame: Vec<u8>,
}

/// One plug of the switch.
pub(super) struct Port {
    pub condition: Condition,
    inward: Lane,
    outward: Lane,
    /// The connection of a running machine.
    plugged: Option<(u64, SyncSender<Due>)>,
}

impl Port {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            condition: Condition::default(),
            inward: Lane::new(now),
            outward: Lane::new(now),
            plugged: None,
        }
    }

    /// A machine was started; whatever was plugged in before is gone.
    pub fn plug(&mut self, connection: u64, stream: UnixStream) {
        let (sender, receiver) = sync_channel(QUEUE);
        self.plugged = Some((connection, sender));
        std::thread::spawn(move || empty(&receiver, stream));
    }

    pub fn unplug(&mut self, connection: u64) {
        if self
            .plugged
            .as_ref()
            .is_some_and(|(id, _)| *id == connection)
        {
            self.plugged = None;
        }
    }

    /// A frame came from the machine: when is it inside the switch?
    pub fn enter(&mut self, length: usize, now: Instant, chance: f64) -> Option<Instant> {
        self.inward.pass(&self.condition, length, now, chance)
    }

    /// A frame goes to the machine.
    pub fn leave(&mut self, frame: &[u8], entered: Instant, chance: f64) {
        let Some(at) = self
            .outward
            .pass(&self.condition, frame.len(), entered, chance)
        else {
            return;
        };
        if let Some((_, sender)) = &self.plugged {
            // A full queue loses frames, as a real one does.
            let _ = sender.try_send(Due {
                at,
                frame: frame.to_vec(),
            });
        }
    }
}

fn empty(queue: &Receiver<Due>, mut stream: UnixStream) {
    for due in queue {
        let wait = due.at.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if frame::write(&mut stream, &due.frame).is_err() {
            break;
        }
    }
}

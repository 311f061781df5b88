//! A learning switch whose ports are unix sockets for QEMU's `-netdev stream`.
//! Two threads a machine; they end when the machine does, or when the switch is dropped.

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::condition::Condition;
use super::frame::{self, Address};
use super::port::Port;
use crate::error::{Error, ErrorKind, Result};

/// A network. Ports are named; each has a socket that a machine connects to, as often as it is started.
pub(crate) struct Switch {
    state: Arc<Mutex<State>>,
    closing: Arc<AtomicBool>,
    sockets: Mutex<BTreeMap<String, PathBuf>>,
}

struct State {
    ports: BTreeMap<String, Port>,
    learned: BTreeMap<Address, String>,
    random: u64,
    connections: u64,
}

impl State {
    /// Uniform in 0.0..1.0 (xorshift64: good enough to lose frames by).
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    fn forward(&mut self, from: &str, frame: &[u8], now: Instant) {
        let Some((destination, source)) = frame::addresses(frame) else {
            return;
        };
        if self.learned.get(&source).map(String::as_str) != Some(from) {
            self.learned.insert(source, from.to_owned());
        }
        let chance = self.chance();
        let Some(entered) = self
            .ports
            .get_mut(from)
            .and_then(|port| port.enter(frame.len(), now, chance))
        else {
            return;
        };
        let known = self
            .learned
            .get(&destination)
            .filter(|_| !frame::is_group(&destination))
            .cloned();
        let to: Vec<String> = match known {
            Some(port) => vec![port],
            None => self.ports.keys().cloned().collect(),
        };
        for name in to.iter().filter(|name| *name != from) {
            let chance = self.chance();
            if let Some(port) = self.ports.get_mut(name) {
                port.leave(frame, entered, chance);
            }
        }
    }
}

impl Switch {
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                ports: BTreeMap::new(),
                learned: BTreeMap::new(),
                // Any seed but 0; a fixed one makes a run more like the last one.
                random: 0x5eed_5eed_5eed_5eed,
                connections: 0,
            })),
            closing: Arc::new(AtomicBool::new(false)),
            sockets: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds a port and listens on `socket`.
    pub fn add_port(&self, name: &str, socket: &Path) -> Result<()> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.contains_key(name) {
            return Err(Error::new(
                ErrorKind::State,
                format!("two machines of one network have the name {name}"),
            ));
        }
        let listener = UnixListener::bind(socket).map_err(|e| Error::io("listen on", socket, e))?;
        sockets.insert(name.to_owned(), socket.to_owned());
        lock(&self.state).ports.insert(name.to_owned(), Port::new());
        let (state, closing, name) = (
            Arc::clone(&self.state),
            Arc::clone(&self.closing),
            name.to_owned(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                if closing.load(Ordering::SeqCst) {
                    break;
                }
                serve(&state, &name, stream);
            }
        });
        Ok(())
    }

    /// Takes a port away; a machine that is plugged in is cut off.
    pub fn remove_port(&self, name: &str) {
        self.sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        let mut state = lock(&self.state);
        state.ports.remove(name);
        state.learned.retain(|_, port| port != name);
    }

    /// Sets what a cable does from now on.
    ///
    /// # Errors
    /// `State` if there is no such port.
    pub fn set(&self, name: &str, condition: Condition) -> Result<()> {
        match lock(&self.state).ports.get_mut(name) {
            Some(port) => {
                port.condition = condition;
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::State,
                format!("{name} is not on this network"),
            )),
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        for socket in self
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            // Wakes the listener's thread, which then ends; one whose socket is gone has ended.
            let _ = UnixStream::connect(socket);
            let _ = std::fs::remove_file(socket);
        }
    }
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Switch")
    }
}

fn serve(state: &Arc<Mutex<State>>, name: &str, stream: UnixStream) {
    let Ok(writer) = stream.try_clone() else {
        return;
    };
    let connection = {
        let mut state = lock(state);
        state.connections += 1;
        let connection = state.connections;
        let Some(port) = state.ports.get_mut(name) else {
            return;
        };
        port.plug(connection, writer);
        connection
    };
    let (state, name, mut stream) = (Arc::clone(state), name.to_owned(), stream);
    std::thread::spawn(move || {
        while let Ok(Some(frame)) = frame::read(&mut stream) {
            lock(&state).forward(&name, &frame, Instant::now());
        }
        if let Some(port) = lock(&state).ports.get_mut(&name) {
            port.unplug(connection);
        }
    });
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Plug(UnixStream);

    impl Plug {
        fn send(&mut self, to: u8, from: u8) {
            let mut bytes = vec![0x52, 0, 0, 0, 0, to, 0x52, 0, 0, 0, 0, from];
            if to == 0xff {
                bytes[0] = 0xff;
            }
            bytes.extend_from_slice(b"payload");
            frame::write(&mut self.0, &bytes).unwrap();
        }

        fn hears(&mut self, within: Duration) -> bool {
            self.0.set_read_timeout(Some(within)).unwrap();
            matches!(frame::read(&mut self.0), Ok(Some(_)))
        }
    }

    const SOON: Duration = Duration::from_millis(150);

    fn three() -> (tempfile::TempDir, Switch, Plug, Plug, Plug) {
        let dir = tempfile::tempdir().unwrap();
        let switch = Switch::new();
        let plug = |name: &str| {
            let socket = dir.path().join(name);
            switch.add_port(name, &socket).unwrap();
            Plug(UnixStream::connect(socket).unwrap())
        };
        let (mut a, mut b, mut c) = (plug("a"), plug("b"), plug("c"));
        // Everybody says something once, so that the switch knows who is where and all are plugged in.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !(b.hears(SOON) && c.hears(SOON)) {
            assert!(Instant::now() < deadline);
            a.send(0xff, 1);
        }
        b.send(0xff, 2);
        assert!(a.hears(SOON));
        c.send(0xff, 3);
        assert!(a.hears(SOON));
        while a.hears(SOON) || b.hears(SOON) || c.hears(SOON) {}
        (dir, switch, a, b, c)
    }

    #[test]
    fn frames_go_to_whom_they_are_for() {
        let (_dir, _switch, mut a, mut b, mut c) = three();
        a.send(2, 1);
        assert!(b.hears(SOON));
        assert!(!c.hears(SOON));
    }

    #[test]
    fn a_cut_cable_passes_nothing_in_either_direction_and_the_others_go_on() {
        let (_dir, switch, mut a, mut b, mut c) = three();
        switch.set("b", Condition::cut()).unwrap();
        a.send(2, 1);
        b.send(1, 2);
        a.send(3, 1);
        assert!(!b.hears(SOON));
        assert!(!a.hears(SOON));
        assert!(c.hears(SOON));
        switch.set("b", Condition::default()).unwrap();
        a.send(2, 1);
        assert!(b.hears(SOON));
    }

    #[test]
    fn a_slow_cable_delays_each_direction() {
        let (_dir, switch, mut a, mut b, _c) = three();
        let delay = Duration::from_millis(200);
        switch.set("b", Condition::slow(delay, None)).unwrap();
        let sent = Instant::now();
        a.send(2, 1);
        assert!(b.hears(Duration::from_secs(2)));
        assert!(sent.elapsed() >= delay);
    }

    #[test]
    fn an_unknown_cable_and_a_second_machine_of_one_name_are_errors() {
        let (dir, switch, ..) = three();
        assert!(switch.set("nobody", Condition::cut()).is_err());
        let error = switch.add_port("a", &dir.path().join("again")).unwrap_err();
        assert!(error.to_string().contains("two machines"));
    }
}

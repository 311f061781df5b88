//! A learning switch whose ports are unix sockets for QEMU's `-netdev stream`.
//! A thread that listens a port, which ends with the port, and two a connection, which end with it.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::condition::Condition;
use super::frame::{self, Address};
use super::port::Port;
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

/// A network. Ports are named; each has a socket that a machine connects to, as often as it is started.
pub(crate) struct Switch {
    state: Arc<Mutex<State>>,
    listening: Mutex<BTreeMap<String, Listening>>,
}

/// The socket of a port, and the thread that waits there for machines.
struct Listening {
    path: PathBuf,
    socket: UnixStream,
    thread: JoinHandle<()>,
}

impl Listening {
    fn at(path: &Path, serve: impl Fn(UnixStream) + Send + 'static) -> std::io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        // The same socket as a stream, for only those can be shut down.
        let socket = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                serve(stream);
            }
        });
        Ok(Self {
            path: path.to_owned(),
            socket,
            thread,
        })
    }

    /// Ends the thread, wherever the file is by now, and frees the name.
    fn end(self) {
        // Whoever waits at a socket that is shut down gets an error; one that listens can be.
        if self.socket.shutdown(Shutdown::Both).is_ok() {
            // It has panicked at worst, and is gone all the same.
            let _ = self.thread.join();
        }
        // The folder may have gone before.
        let _ = std::fs::remove_file(&self.path);
    }
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
            listening: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds a port and listens on `socket`.
    pub fn add_port(&self, name: &str, socket: &Path) -> Result<()> {
        let mut listening = lock(&self.listening);
        if listening.contains_key(name) {
            return Err(Error::new(
                ErrorKind::State,
                format!("two machines of one network have the name {name}"),
            ));
        }
        lock(&self.state).ports.insert(name.to_owned(), Port::new());
        let (state, port) = (Arc::clone(&self.state), name.to_owned());
        match Listening::at(socket, move |stream| serve(&state, &port, stream)) {
            Ok(one) => {
                listening.insert(name.to_owned(), one);
                Ok(())
            }
            Err(error) => {
                lock(&self.state).ports.remove(name);
                Err(Error::io("listen on", socket, error))
            }
        }
    }

    /// Takes a port away; a machine that is plugged in is cut off.
    pub fn remove_port(&self, name: &str) {
        let mut state = lock(&self.state);
        state.ports.remove(name);
        state.learned.retain(|_, port| port != name);
        drop(state);
        let removed = lock(&self.listening).remove(name);
        if let Some(listening) = removed {
            listening.end();
        }
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
        for (_, listening) in std::mem::take(&mut *lock(&self.listening)) {
            listening.end();
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

    /// Sockets below a folder that are open, those whose files are gone included.
    fn open_sockets(dir: &Path) -> usize {
        let all = std::fs::read_to_string("/proc/net/unix").unwrap();
        let below = format!("{}/", dir.display());
        all.lines().filter(|line| line.contains(&below)).count()
    }

    #[test]
    fn a_port_that_is_removed_lets_go_of_its_socket_and_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("a");
        let switch = Switch::new();
        for _ in 0..50 {
            switch.add_port("a", &socket).unwrap();
            assert_eq!(open_sockets(dir.path()), 1);
            switch.remove_port("a");
        }
        assert_eq!(open_sockets(dir.path()), 0);
        assert!(!socket.exists());
    }

    #[test]
    fn a_switch_whose_folder_went_first_lets_go_of_its_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("machine");
        std::fs::create_dir(&folder).unwrap();
        let switch = Switch::new();
        for port in ["nic", "uplink"] {
            switch.add_port(port, &folder.join(port)).unwrap();
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(open_sockets(dir.path()), 2);
        drop(switch);
        assert_eq!(open_sockets(dir.path()), 0);
    }
}

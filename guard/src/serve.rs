//! The root service behind the guard's socket: asks back who is there, answers what only looks, and starts an activation
//! as a process of its own, whose output it passes on.

mod follow;
mod health;
mod launch;
mod reboot;
mod tasks;
mod trial;
mod upgrade;
mod verbs;

use std::collections::BTreeMap;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::admission::{Asker, UPGRADE};
use crate::config::Config;
use crate::door::REFUSED;
use crate::history::History;
use crate::refusal::{one_line, Code, Refusal};
use crate::runner::meeting::Meeting;
use crate::state::Store;
use crate::wire::{self, is_name, Answer, Request};

const CONNECTIONS: usize = 64;
const CONNECTIONS_OF_A_NAME: usize = 12;
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// Root itself, for history and holds.
const ROOT: &str = "root";

/// What every connection shares.
pub(crate) struct Service {
    pub config: Config,
    /// For the activations, which are processes of their own.
    pub config_file: PathBuf,
    pub store: Store,
    pub history: History,
    pub meeting: Meeting,
    deploy_uid: Option<u32>,
    /// Of the host itself, where it looks for what is new.
    upgrade_uid: Option<u32>,
    connections: Mutex<BTreeMap<String, usize>>,
    /// Held while somebody has the checks run.
    checking: Mutex<()>,
}

/// Serves until it is ended.
///
/// # Errors
/// If the socket or the guard's folders cannot be used.
pub fn serve(config: Config, config_file: PathBuf) -> Result<()> {
    let listener = listener(&config)?;
    let uid = |name: &str| -> Result<Option<u32>> {
        let user = nix::unistd::User::from_name(name)
            .with_context(|| format!("cannot look up the user {name}"))?;
        Ok(user.map(|user| user.uid.as_raw()))
    };
    let upgrades = config.upgrade.as_ref();
    let service = Arc::new(Service {
        store: Store::open(&config.places.state)?,
        history: History::new(&config.places.state),
        meeting: Meeting::open(&config)?,
        deploy_uid: uid(&config.deploy_user)?,
        upgrade_uid: upgrades.map_or(Ok(None), |it| uid(&it.user))?,
        connections: Mutex::new(BTreeMap::new()),
        checking: Mutex::new(()),
        config_file,
        config,
    });
    service.store.keep_room();
    // An unreadable state is said now, not at the first request.
    service.store.read()?;
    service.note_what_was_found()?;
    tasks::start(&service)?;
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                eprintln_line(&format!("cannot accept a connection: {error}"));
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let service = Arc::clone(&service);
        let spawned = std::thread::Builder::new().spawn(move || service.connection(&stream));
        if let Err(error) = spawned {
            eprintln_line(&format!("cannot serve a connection: {error}"));
        }
    }
    Ok(())
}

/// The journal may be closed, and that is no reason to stop.
pub(crate) fn eprintln_line(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", one_line(line));
}

/// The socket that systemd hands over, else one of its own.
fn listener(config: &Config) -> Result<UnixListener> {
    let for_me = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if for_me && std::env::var("LISTEN_FDS").is_ok_and(|count| count == "1") {
        return inherited();
    }
    let path = &config.places.socket;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => (),
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    // Whoever connects is asked who they are.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(listener)
}

/// systemd's first descriptor.
#[allow(unsafe_code)]
fn inherited() -> Result<UnixListener> {
    const FIRST: i32 = 3;
    // SAFETY: LISTEN_PID names this process, so that the descriptor is open and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(FIRST) };
    nix::fcntl::fcntl(
        &fd,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .context("cannot take the socket over")?;
    Ok(UnixListener::from(fd))
}

/// One connection's place among the others.
struct Place<'a> {
    service: &'a Service,
    name: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = lock(&self.service.connections);
        if let Some(count) = all.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.name);
            }
        }
    }
}

/// A thread that panicked leaves counts that still hold.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    fn connection(&self, stream: &UnixStream) {
        let answer = match self.answer(stream) {
            Ok(code) => Answer::Exit(code),
            Err(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => {
                    eprintln_line(&refusal.to_string());
                    Answer::Refused(refusal)
                }
                Err(error) => {
                    eprintln_line(&format!("error: {error:#}"));
                    let note = Answer::Note(format!("error: {}", one_line(&format!("{error:#}"))));
                    let _ = wire::write(stream, &note);
                    Answer::Exit(1)
                }
            },
        };
        // Whoever has gone does not want to know.
        let _ = wire::write(stream, &answer);
    }

    fn place(&self, name: &str) -> Result<Place<'_>> {
        let mut all = lock(&self.connections);
        let total: usize = all.values().sum();
        let count = all.entry(name.to_owned()).or_default();
        // Root gets in when the others have taken every place.
        let full = total >= CONNECTIONS || *count >= CONNECTIONS_OF_A_NAME;
        *count += 1;
        drop(all);
        let place = Place {
            service: self,
            name: name.to_owned(),
        };
        if full && name != ROOT {
            return Err(Refusal::because(Code::Busy, "too many connections").into());
        }
        Ok(place)
    }

    fn answer(&self, stream: &UnixStream) -> Result<i32> {
        stream.set_read_timeout(Some(ASK_WITHIN))?;
        stream.set_write_timeout(Some(ASK_WITHIN))?;
        let peer = getsockopt(stream, PeerCredentials).context("cannot ask who is there")?;
        let is_root = peer.uid() == 0;
        let is_upgrade = !is_root && Some(peer.uid()) == self.upgrade_uid;
        if !is_root && !is_upgrade && Some(peer.uid()) != self.deploy_uid {
            let text = format!("uid {}", peer.uid());
            return Err(Refusal::because(Code::NotPermitted, text).into());
        }
        // Those who have not said who they are share a number of places, too.
        let unnamed = if is_root { None } else { Some(self.place("")?) };
        let request = wire::read_request(stream)?;
        let asker = match is_upgrade {
            true => upgrade::asker(&request)?,
            false => self.asker(is_root, &request)?,
        };
        let _place = self.place(&asker.name)?;
        drop(unnamed);
        if let [refused, what] = request.words.as_slice() {
            if refused == REFUSED {
                eprintln_line(&format!("{}: {what}", asker.name));
                return Ok(0);
            }
        }
        let answered = self.verb(stream, &asker, &request);
        if let Err(error) = &answered {
            if let Some(refusal) = error.downcast_ref::<Refusal>() {
                eprintln_line(&format!(
                    "{}: {:?}: {}",
                    asker.name, request.words, refusal.code
                ));
            }
        }
        answered
    }

    fn asker(&self, is_root: bool, request: &Request) -> Result<Asker> {
        match &request.name {
            None if is_root => Ok(Asker {
                name: ROOT.to_owned(),
                operator: true,
            }),
            Some(name) if is_name(name) && name != ROOT && name != UPGRADE => Ok(Asker {
                operator: self.config.operators.contains(name),
                name: name.clone(),
            }),
            _ => bail!("who asks has no name"),
        }
    }
}

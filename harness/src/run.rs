//! One run: its folder for disks, its folder for sockets, its logs, and the janitor that removes the first two
//! should this process die. Two runs share nothing but the cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cache::{self, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::process::{Command, Guarded};
use crate::runs;
use crate::ssh::Identity;
use crate::transcript::Transcript;

/// Longest path of a unix socket that Linux takes, in bytes.
const LONGEST_SOCKET: usize = 107;

/// Longest path of the folder for sockets, in which machines of usual names have theirs.
const LONGEST_SOCKET_DIR: usize = 70;

/// Removes what a run leaves.
const JANITOR: &str = include_str!("janitor.sh");

/// By then it listens, on whatever host.
const JANITOR_WITHIN: Duration = Duration::from_secs(10);

/// Errs for a socket that cannot be: what the system says of it names neither file nor cure.
pub(crate) fn require_socket(path: &Path) -> Result<()> {
    if path.as_os_str().len() <= LONGEST_SOCKET {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Io,
        format!("{} is too long for a socket", path.display()),
    )
    .try_next("a shorter name, or set TMPDIR to a shorter path"))
}

/// The place where machines live together. What it holds goes when it and its machines are dropped.
#[derive(Debug, Clone)]
pub struct Run(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub harness: Harness,
    pub name: String,
    pub identity: Identity,
    pub transcript: Transcript,
    pub logs: PathBuf,
    sockets: TempDir,
    dir: TempDir,
    // Dropped after the folders are gone: fields are dropped in this order.
    _janitor: Guarded,
    _alive: Lock,
}

impl Run {
    pub(crate) fn create(harness: &Harness, name: &str, logs: &Path) -> Result<Self> {
        let runs = harness.cache().shelf(Shelf::Runs);
        let temporary = |at: &Path, prefix: &str| {
            tempfile::Builder::new()
                .prefix(prefix)
                .tempdir_in(at)
                .map_err(|e| Error::io("make a folder in", at, e))
        };
        // No collection of garbage between the folder and its lock.
        let collecting = harness.cache().share("gc")?;
        let dir = temporary(&runs, &format!("{name}-"))?;
        let alive = cache::try_lock_file(&dir.path().join("alive"))?.ok_or_else(|| {
            Error::new(
                ErrorKind::State,
                format!("{} is somebody else's", dir.path().display()),
            )
        })?;
        drop(collecting);
        let sockets = temporary(&std::env::temp_dir(), "harness-")?;
        if sockets.path().as_os_str().len() > LONGEST_SOCKET_DIR {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{} is too long for sockets", sockets.path().display()),
            )
            .try_next("set TMPDIR to a shorter path"));
        }
        cache::write(
            &dir.path().join("sockets"),
            sockets.path().to_string_lossy().as_bytes(),
        )?;
        let janitor = Command::new("/bin/sh")
            .args(["-c", JANITOR, "janitor"])
            .args([dir.path(), sockets.path()])
            .gentle()
            .start_quiet()?;
        cache::create_dir(logs)?;
        runs::announce(dir.path(), name, logs)?;
        let identity = Identity::create(harness.tools(), dir.path())?;
        let transcript = Transcript::create(&logs.join("transcript.txt"))?;
        transcript.note("run", format!("{name} begins"));
        let ready = dir.path().join("janitor");
        let started = Instant::now();
        // One that is told before it listens ends without a word; a collection would find what it left.
        while !ready.exists() && started.elapsed() < JANITOR_WITHIN {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Self(Arc::new(Inner {
            harness: harness.clone(),
            name: name.to_owned(),
            identity,
            transcript,
            logs: logs.to_owned(),
            sockets,
            dir,
            _janitor: janitor,
            _alive: alive,
        })))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What was done when; callers add their own lines.
    pub fn transcript(&self) -> &Transcript {
        &self.0.transcript
    }

    /// Transcript, consoles and QEMU's own words; kept after the run.
    pub fn logs(&self) -> &Path {
        &self.0.logs
    }

    /// The public half of the key that was made for this run.
    pub fn public_key(&self) -> &str {
        &self.0.identity.public_key
    }

    /// A folder for sockets, short enough for their names; goes with the run.
    pub fn sockets(&self) -> &Path {
        self.0.sockets()
    }

    /// One `ssh_config` for all machines of the run, by name (`ssh -F FILE root@web`).
    pub fn ssh_config(&self) -> PathBuf {
        self.0.dir().join("ssh_config")
    }
}

impl Inner {
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::rig::Rig;

    /// Our own end is not needed for it: a run that is dropped tells its janitor what a process that dies does.
    #[test]
    fn what_a_controller_left_in_a_session_of_its_own_ends_with_the_run() {
        let rig = Rig::new("exit 1");
        let folder = rig.run.ssh_config().parent().unwrap().to_owned();
        let marked = |mark: &Path| {
            std::process::Command::new("setsid")
                .args(["sleep", "60"])
                .env("HARNESS_CONTROLLER", mark)
                .spawn()
                .unwrap()
        };
        let (mut ours, mut anothers) = (marked(&folder), marked(&folder.join("another")));
        // Until each is what it is, and not a copy of this process.
        let sleeps =
            |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n";
        while !(sleeps(ours.id()) && sleeps(anothers.id())) {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(rig);
        let deadline = Instant::now() + Duration::from_secs(20);
        let ended = loop {
            match ours.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let lives = anothers.try_wait().unwrap().is_none();
        for child in [&mut ours, &mut anothers] {
            let _ = child.kill();
            let _ = child.wait();
        }
        assert_eq!(ended.and_then(|status| status.signal()), Some(9));
        assert!(lives);
        assert!(!folder.exists());
    }

    #[test]
    fn the_janitor_looks_for_the_mark_that_controllers_give() {
        let controller = include_str!("scenario/play/controller.rs");
        assert!(controller.contains(r#"const MARK: &str = "HARNESS_CONTROLLER";"#));
        assert!(JANITOR.contains("HARNESS_CONTROLLER=$1"));
    }

    #[test]
    fn a_socket_may_have_the_longest_path_that_linux_takes() {
        let dir = tempfile::tempdir().unwrap();
        for (length, fits) in [(LONGEST_SOCKET, true), (LONGEST_SOCKET + 1, false)] {
            let name = "s".repeat(length - dir.path().as_os_str().len() - 1);
            let socket = dir.path().join(name);
            assert_eq!(require_socket(&socket).is_ok(), fits);
            let bound = std::os::unix::net::UnixListener::bind(&socket);
            assert_eq!(bound.is_ok(), fits);
        }
    }

    #[test]
    fn a_network_whose_sockets_would_have_too_long_paths_says_what_to_do() {
        let rig = Rig::new("exit 1");
        let error = rig
            .run
            .lan(&"n".repeat(90), &[("web", "192.168.0.31/24")])
            .unwrap_err();
        assert!(error.to_string().contains("/web is too long"), "{error}");
        assert!(error.next_step().unwrap().contains("TMPDIR"));
    }
}

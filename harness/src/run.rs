//! One run: its folder for disks, its folder for sockets, its logs, and the janitor that removes the first two
//! should this process die. Two runs share nothing but the cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::cache::{self, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::process::{Command, Guarded};
use crate::runs;
use crate::ssh::Identity;
use crate::transcript::Transcript;

/// Longest path of a unix socket that Linux takes, without the name of the socket itself.
const LONGEST_SOCKET_DIR: usize = 70;

/// Waits to be told that the run is over, and then removes its folders.
const JANITOR: &str = r#"trap 'rm -rf -- "$@"; exit 0' TERM; while :; do sleep 3600 & wait; done"#;

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

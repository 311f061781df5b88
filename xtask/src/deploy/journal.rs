//! What a deployment does, written down before it is done: one JSON document a line, on the disk before the next step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guard::release::SignedRelease;
use guard::time::Time;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::ask::Place;
use super::notify::Listeners;
use super::outcome::HostReport;
use super::plan::Plan;
use crate::evaluate::apply::Profile;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::inventory::Host;

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "step",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
// Read once and taken apart at once.
#[allow(clippy::large_enum_variant)]
pub enum Entry {
    /// All that is needed to go on without evaluating anything.
    Begin {
        at: Time,
        work: Work,
    },
    Host {
        at: Time,
        host: HostName,
    },
    HostDone {
        at: Time,
        report: HostReport,
    },
    Return {
        at: Time,
        host: HostName,
        why: String,
    },
    Returned {
        at: Time,
        report: HostReport,
    },
    End {
        at: Time,
        good: bool,
    },
}

/// What is deployed, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    pub plan: Plan,
    /// The hosts that are touched.
    pub jobs: BTreeMap<HostName, Job>,
    pub release: Option<SignedRelease>,
    pub rollback: Rollback,
    pub listeners: Listeners,
    /// Where its hosts are.
    #[serde(default)]
    pub place: Place,
}

/// One host's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub host: Host,
    pub profile: Profile,
}

/// Which hosts return when a wave fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rollback {
    /// Those of that wave.
    Wave,
    /// Those of the earlier waves, too.
    All,
    None,
}

/// A fleet's deployments on this machine, held by this process alone.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    _lock: Flock<File>,
    file: Option<File>,
}

/// Who holds the lock.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    user: String,
    since: Time,
}

impl Journal {
    /// # Errors
    /// Failed, naming who deploys, if somebody else does.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let place = dir.join("lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&place)
            .with_context(|| format!("cannot write {}", place.display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| taken(&place))?;
        let holder = Holder {
            pid: std::process::id(),
            user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
            since: Time::now(),
        };
        // The lock is what counts; this is for whoever is turned away.
        lock.set_len(0)
            .and_then(|()| (&*lock).write_all(&serde_json::to_vec(&holder)?))
            .with_context(|| format!("cannot write {}", place.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
            file: None,
        })
    }

    /// What a deployment that never ended had done; none if the last one ended.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn unfinished(&self) -> Result<Option<Vec<Entry>>> {
        let place = self.current();
        let text = match std::fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", place.display()))
            }
        };
        let entries = parse(&text).with_context(|| format!("cannot read {}", place.display()))?;
        let begun = matches!(entries.first(), Some(Entry::Begin { .. }));
        Ok(begun.then_some(entries))
    }

    /// Begins a new journal; one that was not finished is put aside.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&mut self, work: &Work) -> Result<()> {
        self.put_aside()?;
        self.append(&Entry::Begin {
            at: Time::now(),
            work: work.clone(),
        })
    }

    /// Writes a step down; it is on the disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written: then the step must not be done.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let place = self.current();
        let write = || -> Result<File> {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => File::options().create(true).append(true).open(&place)?,
            };
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
            Ok(file)
        };
        let new = !place.exists();
        self.file = Some(write_or(write, &place)?);
        if new {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(())
    }

    /// Nothing is left to be resumed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(&mut self, good: bool) -> Result<()> {
        self.append(&Entry::End {
            at: Time::now(),
            good,
        })?;
        self.put_aside()
    }

    fn put_aside(&mut self) -> Result<()> {
        self.file = None;
        let name = format!("{}.jsonl", Time::now().unix());
        match std::fs::rename(self.current(), self.dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("cannot put the last journal aside")
            }
            _ => Ok(()),
        }
    }

    fn current(&self) -> PathBuf {
        self.dir.join("current.jsonl")
    }

    /// Where deploy-rs's output goes, a file a host.
    pub fn log(&self, host: &HostName) -> PathBuf {
        self.dir
            .join("logs")
            .join(format!("{}.log", host.file_name()))
    }

    /// Where the links are that keep the closures while they are deployed.
    pub fn roots(&self) -> PathBuf {
        self.dir.join("roots")
    }
}

fn write_or(write: impl FnOnce() -> Result<File>, place: &Path) -> Result<File> {
    write().with_context(|| format!("cannot write the journal {}", place.display()))
}

/// A line that power loss cut off was not yet acted on.
fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        entries.push(serde_json::from_str(line)?);
    }
    Ok(entries)
}

fn taken(place: &Path) -> Failure {
    let holder = std::fs::read(place)
        .ok()
        .and_then(|text| serde_json::from_slice::<Holder>(&text).ok());
    let who = match holder {
        Some(holder) => format!(
            "{} deploys already, with process {}, since {}",
            holder.user, holder.pid, holder.since
        ),
        None => "somebody deploys already".to_owned(),
    };
    Failure::failed(format!("nothing is deployed: {who}")).try_next("the same when that is done")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_controller_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Journal::open(dir.path()).unwrap();
        let error = Journal::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        Journal::open(dir.path()).unwrap();
    }

    #[test]
    fn what_was_written_is_read_again_but_for_a_line_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        let step = Entry::Host {
            at: Time::from_unix(1),
            host: HostName::known("Web"),
        };
        journal.append(&step).unwrap();
        journal.append(&step).unwrap();
        let place = journal.current();
        let mut text = std::fs::read_to_string(&place).unwrap();
        text.push_str("{\"step\":\"ho");
        assert_eq!(parse(&text).unwrap(), [step.clone(), step]);
        // It begins with no beginning: nothing can be resumed.
        assert_eq!(journal.unfinished().unwrap(), None);
        journal.end(true).unwrap();
        assert!(!place.exists());
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_put_aside_by_the_next_deployment() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        std::fs::write(journal.current(), "{\"step\":\"of another version\"}\n").unwrap();
        assert!(journal.unfinished().is_err());
        journal.put_aside().unwrap();
        assert_eq!(journal.unfinished().unwrap(), None);
    }
}

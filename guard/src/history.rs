//! The host's own record: who deployed what when, and how it ended. Appended to, flushed to the disk, never rewritten.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{FlockArg, OFlag};

use crate::answer::Entry;
use crate::state::lock;

/// One older file is kept beside the one that is written.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
const LINE_LIMIT: u64 = 64 * 1024;

#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

impl History {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    fn older(&self) -> PathBuf {
        self.folder.join("history.1.jsonl")
    }

    /// # Errors
    /// If the disk does not take it.
    pub fn append(&self, entry: &Entry) -> Result<()> {
        let _lock = lock(&self.folder.join("history.lock"), FlockArg::LockExclusive)?;
        let file = self.file();
        if std::fs::metadata(&file).is_ok_and(|meta| meta.len() > FILE_LIMIT) {
            std::fs::rename(&file, self.older()).context("cannot put the history aside")?;
        }
        let mut line = serde_json::to_vec(entry).context("cannot write an entry")?;
        line.push(b'\n');
        let mut append = || -> std::io::Result<()> {
            let mut out = OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .mode(0o600)
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(&file)?;
            // A line that was cut short by a full disk or a power cut is not to swallow this one.
            if out.seek(SeekFrom::End(0))? > 0 {
                out.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                out.read_exact(&mut last)?;
                if last != [b'\n'] {
                    line.insert(0, b'\n');
                }
            }
            out.write_all(&line)?;
            out.sync_all()
        };
        append().with_context(|| format!("cannot append to {}", file.display()))
    }

    /// The newest entries, newest first. Lines that cannot be read are left out.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn newest(&self, limit: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in [self.file(), self.older()] {
            let text = match crate::whole_file::read(&file, FILE_LIMIT + LINE_LIMIT)? {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => continue,
            };
            let read = |line: &str| serde_json::from_str(line).ok();
            entries.extend(
                text.lines()
                    .rev()
                    .filter_map(read)
                    .take(limit - entries.len()),
            );
            if entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Event;
    use crate::time::Time;

    fn entry(number: u64) -> Entry {
        Entry {
            at: Time::from_unix(number),
            by: "ci".to_owned(),
            event: Event::Held {
                reason: Some("x".repeat(1000)),
            },
        }
    }

    #[test]
    fn the_newest_come_first_and_a_torn_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path());
        assert!(history.newest(5).unwrap().is_empty());
        history.append(&entry(1)).unwrap();
        let mut torn = OpenOptions::new()
            .append(true)
            .open(history.file())
            .unwrap();
        torn.write_all(b"{\"at\":").unwrap();
        history.append(&entry(2)).unwrap();
        assert_eq!(history.newest(5).unwrap(), [entry(2), entry(1)]);
        assert_eq!(history.newest(1).unwrap(), [entry(2)]);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path());
        std::fs::write(history.file(), vec![b'\n'; 5 * 1024 * 1024]).unwrap();
        history.append(&entry(1)).unwrap();
        assert!(std::fs::metadata(history.file()).unwrap().len() < 10_000);
    }
}

//! What was done when: kept in memory and written line by line, so that a run that dies has its transcript too.
//! Knows no machines; it is told.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::mutex::lock;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the run began, host time.
    pub at: Duration,
    /// A machine's or network's name, or `run`.
    pub object: String,
    pub what: String,
}

/// The record of one run.
#[derive(Debug)]
pub struct Transcript {
    began: Instant,
    held: Mutex<(File, Vec<Entry>)>,
}

impl Transcript {
    pub(crate) fn create(file: &Path) -> Result<Self> {
        let file = File::create(file).map_err(|e| Error::io("make", file, e))?;
        Ok(Self {
            began: Instant::now(),
            held: Mutex::new((file, Vec::new())),
        })
    }

    /// Adds a line; callers may add their own (the steps of a scenario, say).
    pub fn note(&self, object: &str, what: impl Into<String>) {
        let entry = Entry {
            at: self.began.elapsed(),
            object: object.to_owned(),
            what: what.into(),
        };
        let mut held = lock(&self.held);
        // A transcript that cannot be written must not fail what it tells about; it is still in memory.
        let _ = writeln!(
            held.0,
            "{:9.3}  {:<12} {}",
            entry.at.as_secs_f64(),
            entry.object,
            entry.what
        );
        held.1.push(entry);
    }

    pub fn entries(&self) -> Vec<Entry> {
        let held = lock(&self.held);
        held.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_file_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("transcript");
        let transcript = Transcript::create(&file).unwrap();
        transcript.note("web", "power cut");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("web          power cut\n"), "{text}");
        assert_eq!(transcript.entries()[0].object, "web");
    }
}

//! The folder below `/run` where an activation and the service meet: the lock, the canary, outcomes, output.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::Order;
use crate::admission::Wish;
use crate::answer::Outcome;
use crate::config::Config;
use crate::store_path::StorePath;
use crate::time::Time;
use crate::whole_file;

/// Outputs and outcomes that are kept.
const KEPT: usize = 50;
const LIMIT: u64 = 64 * 1024;

pub struct Meeting {
    run: PathBuf,
    logs: PathBuf,
}

/// An activation waits for its confirmation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaiting {
    pub profile: StorePath,
    pub by: String,
    pub until: Time,
}

/// What became of an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub by: String,
    /// Of a deployment.
    pub profile: Option<StorePath>,
    /// Null: there was nothing to do.
    pub outcome: Option<Outcome>,
    /// The guard itself failed.
    pub error: Option<String>,
}

impl Meeting {
    /// # Errors
    /// If one of the folders is not the guard's own.
    pub fn open(config: &Config) -> Result<Self> {
        let run = config.places.run.clone();
        let logs = config.places.state.join("logs");
        whole_file::own_folder(&run, 0o700)?;
        for folder in ["orders", "outcomes", "awaiting"] {
            whole_file::own_folder(&run.join(folder), 0o700)?;
        }
        whole_file::own_folder(&config.places.state, 0o700)?;
        whole_file::own_folder(&logs, 0o700)?;
        Ok(Self { run, logs })
    }

    pub fn lock_file(&self) -> PathBuf {
        self.run.join("activation.lock")
    }

    pub fn scratch(&self) -> &Path {
        &self.run
    }

    /// # Errors
    /// If the folder cannot be written.
    pub fn place_order(&self, order: &Order) -> Result<PathBuf> {
        let path = self.run.join("orders").join(&order.id);
        let json = serde_json::to_vec(order).context("cannot write an order")?;
        whole_file::write(&path, &json, 0o600)?;
        Ok(path)
    }

    pub fn log_file(&self, id: &str) -> PathBuf {
        self.logs.join(format!("{id}.log"))
    }

    /// # Errors
    /// If it is there already, or the disk is full.
    pub fn create_log(&self, id: &str) -> Result<File> {
        prune(&self.logs)?;
        let path = self.log_file(id);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn awaiting_file(&self, id: &str) -> PathBuf {
        self.run.join("awaiting").join(id)
    }

    /// The canary: it is there for as long as a confirmation is waited for.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn await_confirmation(&self, id: &str, awaiting: &Awaiting) -> Result<()> {
        let json = serde_json::to_vec(awaiting).context("cannot write a canary")?;
        whole_file::write(&self.awaiting_file(id), &json, 0o600)
    }

    pub fn awaiting(&self, id: &str) -> Option<Awaiting> {
        let bytes = whole_file::read(&self.awaiting_file(id), LIMIT).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Takes the canary away. Whoever does decides: it can be taken once.
    pub fn take_canary(&self, id: &str) -> bool {
        std::fs::remove_file(self.awaiting_file(id)).is_ok()
    }

    pub fn canary_is_there(&self, id: &str) -> bool {
        self.awaiting_file(id).exists()
    }

    fn outcome_file(&self, id: &str) -> PathBuf {
        self.run.join("outcomes").join(id)
    }

    /// # Errors
    /// If the folder cannot be written.
    pub fn tell(&self, order: &Order, outcome: &Result<Option<Outcome>>) -> Result<()> {
        prune(&self.run.join("outcomes"))?;
        let profile = match &order.wish {
            Wish::Deploy { profile, .. } => Some(profile.clone()),
            _ => None,
        };
        let told = Told {
            by: order.asker.name.clone(),
            profile,
            outcome: outcome.as_ref().ok().cloned().flatten(),
            error: outcome.as_ref().err().map(|error| format!("{error:#}")),
        };
        let json = serde_json::to_vec(&told).context("cannot write an outcome")?;
        whole_file::write(&self.outcome_file(&order.id), &json, 0o600)
    }

    pub fn told(&self, id: &str) -> Option<Told> {
        let bytes = whole_file::read(&self.outcome_file(id), LIMIT).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// The ids of all that is told.
    pub fn all_told(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.run.join("outcomes")) else {
            return Vec::new();
        };
        folder
            .filter_map(|item| item.ok()?.file_name().into_string().ok())
            .filter(|name| crate::wire::is_id(name))
            .collect()
    }
}

/// Keeps the newest files of a folder.
fn prune(folder: &Path) -> Result<()> {
    let list = || -> std::io::Result<Vec<(std::time::SystemTime, PathBuf)>> {
        std::fs::read_dir(folder)?
            .map(|item| {
                let item = item?;
                Ok((item.metadata()?.modified()?, item.path()))
            })
            .collect()
    };
    let mut files = list().with_context(|| format!("cannot read {}", folder.display()))?;
    files.sort();
    let beyond = files.len().saturating_sub(KEPT);
    for (_, path) in files.drain(..beyond) {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..60 {
            std::fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        prune(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), KEPT);
    }
}

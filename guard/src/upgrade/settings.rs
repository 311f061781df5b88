//! What a host that upgrades itself is told about that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::config::{read_bounded, Places};
use crate::window::Window;

/// Where the NixOS module puts its settings.
pub const FILE: &str = "/etc/slipway-guard/upgrade.json";

/// As the NixOS module writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    pub host: String,
    pub source: Source,
    /// Hosts that have to be healthy with the same release before: where each tells its figures.
    #[serde(default)]
    pub canaries: BTreeMap<String, String>,
    /// For how long they have to have had it.
    #[serde(default)]
    pub soak_seconds: u64,
    /// Whether it is rebooted where that is due, while the window is open.
    pub reboot: bool,
    #[serde(default)]
    pub window: Option<Window>,
    pub confirm_timeout_seconds: u64,
    /// A link that keeps what was fetched until it is activated.
    pub root: PathBuf,
    pub programs: Programs,
    #[serde(default = "socket")]
    pub socket: PathBuf,
}

/// Who says what the host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Source {
    /// The fleet's signer, by the newest release that lies there.
    Release { url: String },
    /// A Hydra, by the latest finished build of a job.
    Hydra { url: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Programs {
    pub curl: PathBuf,
    pub nix_store: PathBuf,
}

fn socket() -> PathBuf {
    Places::default().socket
}

/// What a configuration that was just activated says of where the next release comes from; its guard may be a newer one.
#[derive(Debug, Deserialize)]
pub(super) struct Partly {
    pub source: Source,
}

impl Settings {
    /// # Errors
    /// If it says what cannot be.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).context("it cannot be read")
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_bounded(path)?).with_context(|| format!("cannot use {}", path.display()))
    }
}

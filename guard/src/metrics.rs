//! Figures of a host for Prometheus: written whole into a file that the host's node exporter reads. Needs no guard that
//! serves; where there is one, its state and its record are part of it. Changes nothing.

mod collect;
pub mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::boot_loader::BootLoader;
use crate::config::{self, Loader, Places};
use crate::time::Time;
use crate::toplevels::Toplevels;
use crate::whole_file;

/// What the collector has to know, as its NixOS module writes it: a host without a guard has no `Config`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    pub loader: Loader,
    pub bootctl: PathBuf,
    #[serde(default)]
    pub esp: Option<PathBuf>,
    /// For a test that no guard ends.
    pub test_lease_seconds: u64,
    #[serde(default)]
    pub cache: Option<Cache>,
    #[serde(default)]
    pub places: Places,
}

/// The binary cache that the host asks first.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cache {
    pub url: String,
    pub curl: PathBuf,
    /// Seconds until it counts as dead.
    pub timeout: u64,
}

impl Settings {
    /// # Errors
    /// If the file is not there or says what cannot be.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = config::read_bounded(path)?;
        serde_json::from_slice(&bytes).with_context(|| format!("cannot use {}", path.display()))
    }

    fn toplevels(&self) -> Toplevels<'_> {
        let loader = BootLoader {
            bootctl: &self.bootctl,
            esp: self.esp.as_deref(),
        };
        Toplevels {
            places: &self.places,
            loader: (self.loader == Loader::SystemdBoot).then_some(loader),
        }
    }
}

/// Looks at the host and writes what it found.
///
/// # Errors
/// If the guard's state is there and cannot be read, or the file cannot be written: what it held before stays.
pub fn write(settings: &Settings, to: &Path) -> Result<()> {
    let samples = collect::collect(settings, Time::now())?;
    whole_file::write(to, text::render(&samples).as_bytes(), 0o644)
}

//! The guard's configuration, as its NixOS module writes it (`/etc/slipway-guard/config.json`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use serde::Deserialize;

use crate::release::is_host_name;
use crate::store_path::StorePath;
use crate::whole_file;
use crate::window::Window;

/// Where the module puts it, in a configuration's `etc` too.
pub const FILE: &str = "/etc/slipway-guard/config.json";
const LIMIT: u64 = 1024 * 1024;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub host: String,
    /// `ssh-keygen`'s file of who may sign a release.
    pub allowed_signers: PathBuf,
    /// Keys of which one has to have signed each path of a closure, `name:base64`.
    pub trusted_public_keys: Vec<String>,
    /// Files on the host with further such keys; one that is not there has none.
    #[serde(default)]
    pub trusted_public_key_files: Vec<PathBuf>,
    pub deploy_user: String,
    /// Names of deploy keys that may hold, keep and reboot at will.
    #[serde(default)]
    pub operators: Vec<String>,
    pub test_lease_seconds: u64,
    pub activation_timeout_seconds: u64,
    pub unattended_reboot: bool,
    /// When it may be rebooted from afar; at any time without one.
    #[serde(default)]
    pub reboot_window: Option<Window>,
    pub loader: Loader,
    #[serde(default)]
    pub esp: Option<PathBuf>,
    /// Bytes that have to be free before an activation.
    pub min_free: MinFree,
    #[serde(default)]
    pub health_checks: BTreeMap<String, HealthCheck>,
    /// None: the host is deployed by others only.
    #[serde(default)]
    pub upgrade: Option<Upgrades>,
    pub programs: Programs,
    /// PATH of what the guard starts.
    pub path: String,
    #[serde(default)]
    pub places: Places,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// Can boot an entry once.
    SystemdBoot,
    Other,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MinFree {
    pub store: u64,
    pub esp: u64,
}

/// A host that looks for what is new itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upgrades {
    /// As whom it looks.
    pub user: String,
    /// The unit that does it.
    pub unit: String,
    /// Whether that user may have activated what no release names: Hydra's builds.
    pub takes_builds: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    pub user: String,
    /// Seconds.
    pub settle: u64,
    pub retries: u32,
    /// Seconds of one attempt.
    pub timeout: u64,
}

/// Absolute paths: nothing is looked up.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Programs {
    pub nix: PathBuf,
    pub nix_env: PathBuf,
    pub nix_store: PathBuf,
    pub nix_daemon: PathBuf,
    pub ssh_keygen: PathBuf,
    pub sh: PathBuf,
    pub curl: PathBuf,
    pub setpriv: PathBuf,
    pub systemctl: PathBuf,
    /// Null: activations are started without systemd.
    pub systemd_run: Option<PathBuf>,
    pub bootctl: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Places {
    pub state: PathBuf,
    pub run: PathBuf,
    pub socket: PathBuf,
    pub profile: PathBuf,
    pub roots: PathBuf,
    pub running: PathBuf,
    pub booted: PathBuf,
    pub store: PathBuf,
    pub boot_id: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            state: "/var/lib/slipway-guard".into(),
            run: "/run/slipway-guard".into(),
            socket: "/run/slipway-guard.socket".into(),
            profile: "/nix/var/nix/profiles/system".into(),
            roots: "/nix/var/nix/gcroots/slipway-guard".into(),
            running: "/run/current-system".into(),
            booted: "/run/booted-system".into(),
            store: "/nix/store".into(),
            boot_id: "/proc/sys/kernel/random/boot_id".into(),
        }
    }
}

/// Each step of going back may take as many times as long as an activation: what makes a host slow makes it slow both ways,
/// and there is nothing to return to if it is cut off.
const GOING_BACK_FACTOR: u32 = 3;

/// The longest that a guard is at an activation whose steps take at most `activation`: live and for the boot loader, and
/// both back again; the health checks have their own time.
pub fn longest_activation(activation: Duration) -> Duration {
    2 * activation + 2 * GOING_BACK_FACTOR * activation
}

impl Config {
    /// # Errors
    /// If the file is not there or says what cannot be.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path)?;
        Self::parse(&bytes).with_context(|| format!("cannot use {}", path.display()))
    }

    /// # Errors
    /// If it is no configuration, or says what cannot be.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let config: Self = serde_json::from_slice(json).context("it cannot be read")?;
        config.sane()?;
        Ok(config)
    }

    /// All keys that a store path may be signed with.
    ///
    /// # Errors
    /// If a file of keys is there and cannot be read.
    pub fn trusted_keys(&self) -> Result<Vec<String>> {
        let mut keys = self.trusted_public_keys.clone();
        for file in &self.trusted_public_key_files {
            if let Some(bytes) = whole_file::read(file, LIMIT)? {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                keys.extend(text.split_whitespace().map(str::to_owned));
            }
        }
        if keys.is_empty() {
            bail!("without a trusted public key no closure is taken");
        }
        Ok(keys)
    }

    /// Of this boot of the machine.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn boot_id(&self) -> Result<String> {
        let bytes = read_bounded(&self.places.boot_id)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn sane(&self) -> Result<()> {
        if !is_host_name(&self.host) {
            bail!("{:?} is no name of a host", self.host);
        }
        let blank = |key: &String| key.chars().any(char::is_whitespace) || !key.contains(':');
        if let Some(key) = self.trusted_public_keys.iter().find(|key| blank(key)) {
            bail!("{key:?} is no public key of a store");
        }
        Ok(())
    }

    pub fn activation_timeout(&self) -> Duration {
        Duration::from_secs(self.activation_timeout_seconds)
    }

    /// How long it may take to bring back what ran, or what booted.
    pub fn going_back_timeout(&self) -> Duration {
        self.activation_timeout() * GOING_BACK_FACTOR
    }

    /// What a configuration that is to run says of itself; read leniently, since its guard may be a newer one. None: it
    /// has no guard.
    ///
    /// # Errors
    /// If it has one whose configuration cannot be read.
    pub fn of_toplevel(toplevel: &StorePath) -> Result<Option<Partly>> {
        let path = toplevel.join(FILE.trim_start_matches('/'));
        if !path.exists() {
            return Ok(None);
        }
        let partly = serde_json::from_slice(&read_bounded(&path)?)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(partly))
    }
}

/// What every guard's configuration has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partly {
    pub host: String,
    #[serde(default)]
    pub health_checks: BTreeMap<String, HealthCheck>,
}

/// Files of the store are reached through links.
pub(crate) fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > LIMIT {
        bail!("{} is longer than {LIMIT} bytes", path.display());
    }
    Ok(bytes)
}

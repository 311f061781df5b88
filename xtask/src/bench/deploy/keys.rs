//! The keys of a benchmark, and the doors of a host that they open.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::host::Host;
use crate::fleet::inventory::Slowness;
use crate::tools::nix::Nix;
use crate::tools::ssh::Target;
use crate::tools::ssh_keygen;

/// Public halves; the secret ones are in the folder.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    /// Signs store paths.
    pub store: String,
    /// Signs releases.
    pub signer: String,
    /// A deploy key, which gets to the guard.
    pub ci: String,
    /// Bound to no command, the deploy user's and root's.
    pub free: String,
}

/// A way into a host, always over its sshd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// As the deploy user, whose every command is the guard's.
    Guard,
    /// As the deploy user, whose command is run.
    Shell,
    /// As root, which needs no guard.
    Root,
}

impl Door {
    pub fn words(self) -> &'static str {
        match self {
            Self::Guard => "through the guard",
            Self::Shell => "by a shell",
            Self::Root => "as root",
        }
    }

    fn user(self) -> &'static str {
        match self {
            Self::Guard | Self::Shell => "deploy",
            Self::Root => "root",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Guard => CI,
            Self::Shell | Self::Root => FREE,
        }
    }
}

const CI: &str = "ci";
const FREE: &str = "free";
const SIGNER: &str = "signer";
const STORE: &str = "store";

impl Keys {
    /// New ones, in a folder that is not there yet.
    ///
    /// # Errors
    /// If they cannot be made.
    pub async fn new(folder: &Path, nix: &Nix) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            store: nix.make_key("bench-1", &folder.join(STORE)).await?,
            signer: ssh_keygen::generate(&folder.join(SIGNER)).await?,
            ci: ssh_keygen::generate(&folder.join(CI)).await?,
            free: ssh_keygen::generate(&folder.join(FREE)).await?,
            folder: folder.to_owned(),
        })
    }

    pub fn store_file(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    pub fn signer_file(&self) -> PathBuf {
        self.folder.join(SIGNER)
    }

    /// ssh's arguments, whoever starts it: the port, the key, and the only host key that is accepted.
    pub fn options(&self, host: &Host, door: Door) -> Vec<String> {
        let key = self.folder.join(door.key());
        [
            "-p".to_owned(),
            host.port.to_string(),
            "-i".to_owned(),
            key.display().to_string(),
            "-oIdentitiesOnly=yes".to_owned(),
            format!("-oUserKnownHostsFile={}", host.known_hosts.display()),
            "-oStrictHostKeyChecking=yes".to_owned(),
        ]
        .into()
    }

    pub fn target(&self, host: &Host, door: Door) -> Target {
        Target {
            host: host.name.clone(),
            address: host.address.clone(),
            user: Some(door.user().to_owned()),
            options: self.options(host, door),
            keys: vec![host.key.clone()],
            loopback_only: true,
            here: false,
            slowness: Slowness::default(),
        }
    }
}

//! What this machine has, lacks and can do: the facts behind `cargo xtask doctor`. Installs nothing.

mod tools;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::commands::{self, Command, Works};
use super::machine::{self, StoreAccess};
use crate::cache_dir::CacheDir;
use crate::tools::version::Version;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    pub distribution: String,
    pub system: String,
    pub user: String,
    pub root: bool,
    pub store: Store,
    pub cache: Disk,
    pub tools: Vec<Tool>,
    pub commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    pub usable: bool,
    pub finding: &'static str,
    pub cure: Option<String>,
    #[serde(flatten)]
    pub disk: Disk,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    pub path: PathBuf,
    pub free_mib: Option<u64>,
}

/// What a command may need of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A store that this user can use.
    #[serde(rename = "/nix")]
    Store,
    Nix,
    NixNewer,
    Git,
    Cargo,
    Rustfmt,
    Clippy,
    DeployRs,
    Act,
    Actionlint,
    Renovate,
    Vm,
    Pytest,
    Prometheus,
    Sops,
}

impl Need {
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "/nix",
            Self::Nix => "nix",
            Self::NixNewer => "nix-newer",
            Self::Git => "git",
            Self::Cargo => "cargo",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::DeployRs => "deploy-rs",
            Self::Act => "act",
            Self::Actionlint => "actionlint",
            Self::Renovate => "renovate",
            Self::Vm => "vm",
            Self::Pytest => "pytest",
            Self::Prometheus => "prometheus",
            Self::Sops => "sops",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    pub name: Need,
    pub state: State,
    pub version: Option<Version>,
    pub path: Option<PathBuf>,
    pub purpose: &'static str,
    /// How to get it, or what is wrong with it; none if it is good.
    pub cure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Found,
    /// xtask installs it itself when a command needs it.
    OnDemand,
    TooOld,
    Missing,
}

impl Survey {
    /// # Errors
    /// If a program that is there cannot be started.
    pub async fn take(cache: &CacheDir) -> Result<Self> {
        let tools = tools::all(cache).await?;
        let store = store();
        let commands = commands::all(&tools, store.usable);
        Ok(Self {
            distribution: machine::distribution().name,
            system: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            user: machine::user_name(),
            root: machine::is_root(),
            store,
            cache: disk(cache.root()),
            tools,
            commands,
        })
    }

    /// Whether `build-all` works, now or once it has installed what it lacks.
    pub fn can_build(&self) -> bool {
        self.commands
            .iter()
            .any(|command| command.name == "build-all" && command.works != Works::No)
    }
}

fn disk(path: &Path) -> Disk {
    Disk {
        path: path.to_owned(),
        free_mib: machine::free_mib(path),
    }
}

fn store() -> Store {
    let access = StoreAccess::find();
    Store {
        usable: access.usable(),
        finding: match access {
            StoreAccess::Writable => "this user writes it",
            StoreAccess::Daemon => "a Nix daemon answers",
            StoreAccess::Absent => "absent, and only root can create it",
            StoreAccess::Foreign => "belongs to somebody else, and no Nix daemon answers",
        },
        cure: super::store_cure(access),
        disk: disk(Path::new("/nix")),
    }
}

//! From `--flake` and `--stage` to an evaluated fleet: the flake, its stage, its inventory.

pub mod apply;
mod committed;
mod declared;
mod digest;
pub mod kept;
pub mod locate;
mod locked;
pub mod machines;
mod open;
mod own_programs;
mod probe;
mod reach;
mod reads;
pub mod render;
mod repository;
pub mod source;
mod source_path;
mod stand_in;
mod survey;
mod tracked;
mod working_tree;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache_dir::CacheDir;
use crate::fleet::flake::Flake;
use crate::fleet::stage::Stage;
use crate::tools::nix::Nix;

use locate::Location;
use machines::Machines;
use open::{read, Like};
use source::Source;

pub use open::{open, open_folder};
pub use survey::{Found, Survey};

/// A fleet that can be evaluated: a flake, the stage it is evaluated in, and the Nix that does it.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub nix: Nix,
    pub flake: Flake,
    pub stage: Stage,
    /// Why it is evaluated in this stage.
    pub why: String,
    /// What it is evaluated from.
    pub source: Source,
    pub cache: CacheDir,
    location: Location,
    /// In the rehearsal stage: what a host of this repository runs of its own programs.
    own_programs: Option<PathBuf>,
    /// In the rehearsal stage: what stands in for the hosts.
    machines: Option<Machines>,
    /// Whoever asked wants Nix' whole trace of a failure.
    show_trace: bool,
}

impl Fleet {
    /// The same fleet with machines in place of its hosts.
    ///
    /// # Errors
    /// Usage, in the stage whose hosts are real; else as of `open`.
    pub async fn on_machines(&self, machines: Machines) -> Result<Self> {
        let like = Like {
            machines: Some(machines),
            ..self.like()
        };
        let (nix, cache) = (self.nix.clone(), self.cache.clone());
        read(nix, cache, self.location.clone(), None, like).await
    }

    /// The same fleet as it was at a revision, in the same stage.
    ///
    /// # Errors
    /// Usage, if there is no such revision, or no git repository that could have it.
    pub async fn at(&self, revision: &str) -> Result<Self> {
        let commit = self.commit(revision).await?;
        let (nix, cache, location) = (&self.nix, &self.cache, &self.location);
        let mut fleet = read(
            nix.clone(),
            cache.clone(),
            location.clone(),
            Some(&commit),
            self.like(),
        )
        .await
        .with_context(|| format!("cannot read the fleet at {revision}"))?;
        fleet.show_trace = self.show_trace;
        Ok(fleet)
    }
}

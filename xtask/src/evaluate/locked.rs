//! Whether a flake's inputs are locked, and what they are where no lock file says it.

use anyhow::Result;

use super::locate::Location;
use super::source::Source;
use super::stand_in::StandIn;
use super::{committed, kept};
use crate::cache_dir::CacheDir;
use crate::fleet::flake::Flake;
use crate::fleet::lock::Inputs;
use crate::tools::nix::Nix;

/// Whether the flake's inputs are locked. Nix is asked once for each pair of flake.nix and flake.lock.
pub(super) async fn is_locked(
    nix: &Nix,
    location: &Location,
    commit: Option<&str>,
    flake: &Flake,
    cache: &CacheDir,
) -> Result<bool> {
    const KIND: &str = "locked";
    if matches!(location, Location::Remote(_)) {
        return Ok(true);
    }
    let mut parts = Vec::new();
    for file in ["flake.nix", "flake.lock"] {
        parts.push(location.file(file, commit).await?.unwrap_or_default());
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let pair = Source::opaque(KIND).with_context(&parts).whole();
    if kept::read(cache, KIND, &pair) == Some(true) {
        return Ok(true);
    }
    let locked = nix.is_locked(flake).await?;
    if locked {
        // Without a cache that can be written to it is asked again.
        let _ = kept::write(cache, KIND, &pair, &true);
    }
    Ok(locked)
}

/// The inputs of a flake without a lock file: what it declares, and what the inputs that can be had have locked
/// themselves.
pub(super) async fn unlocked(
    nix: &Nix,
    location: &Location,
    commit: Option<&str>,
    flake: &Flake,
    stand_in: &StandIn,
) -> Result<Inputs> {
    let mut inputs = committed::declared(nix, location, commit).await?.inputs();
    if inputs.others.is_empty() {
        return Ok(inputs);
    }
    let mut rehearsed = flake.clone();
    rehearsed.overrides = stand_in.overrides(&inputs);
    // An input that cannot be had is told of, with its name, once the stage is decided.
    if let Ok(metadata) = nix.metadata(&rehearsed).await {
        let locked = metadata.locks.inputs();
        inputs.replaceable.extend(locked.replaceable);
        inputs.behind = locked.behind;
        let replaced = |path: &str| {
            inputs.replaceable.iter().any(|input| {
                path.strip_prefix(&input.path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        inputs.others = locked
            .others
            .into_iter()
            .filter(|input| !replaced(&input.path))
            .collect();
    }
    Ok(inputs)
}

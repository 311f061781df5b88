//! What changes on a host from one system to another.

mod accounts;
pub mod changes;
pub mod closure;
pub mod fleets;
mod packages;
pub mod render;
mod system;

use anyhow::Result;

use crate::fleet::store_path::StorePath;
use crate::tools::nix::Nix;

use changes::{Changes, LineChanges};
pub use closure::ClosureDiff;
use system::System;

/// Compares two toplevels that are in the store.
///
/// # Errors
/// If one of them cannot be read.
pub async fn closures(nix: &Nix, old: &StorePath, new: &StorePath) -> Result<ClosureDiff> {
    let (old_closure, new_closure) = tokio::try_join!(nix.closure(old), nix.closure(new))?;
    let (before, after) = (System::read(old.as_path())?, System::read(new.as_path())?);
    Ok(ClosureDiff {
        packages: packages::changes(&old_closure, &new_closure)?,
        units: Changes::between(&before.units, &after.units),
        users: Changes::between(&before.users, &after.users),
        groups: Changes::between(&before.groups, &after.groups),
        sudo: LineChanges::between(&before.sudoers, &after.sudoers),
        boot: before.boot_changes(&after),
        old_size: packages::size(&old_closure),
        new_size: packages::size(&new_closure),
        old: old.clone(),
        new: new.clone(),
    })
}

//! What changes on a host from one system to another.

mod accounts;
pub mod changes;
pub mod closure;
pub mod fleets;
pub mod packages;
pub mod render;
pub mod system;

use anyhow::Result;

use crate::fleet::store_path::StorePath;
use crate::tools::nix::{path_info, Nix};

use changes::{Changes, LineChanges};
pub use closure::ClosureDiff;
use packages::Closure;
use system::System;

/// A toplevel that is in the store, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Side {
    pub path: StorePath,
    pub closure: Closure,
    pub system: System,
}

impl Side {
    /// One of those whose closures are known.
    ///
    /// # Errors
    /// If it cannot be read, or the store has not all of it.
    pub fn read(known: &Closure, path: &StorePath) -> Result<Self> {
        Ok(Self {
            closure: path_info::closure(known, path)?,
            system: System::read(path.as_path())?,
            path: path.clone(),
        })
    }
}

/// Compares two toplevels that are in the store.
///
/// # Errors
/// If one of them cannot be read.
pub async fn closures(nix: &Nix, old: &StorePath, new: &StorePath) -> Result<ClosureDiff> {
    let known = nix.closure(&[old, new]).await?;
    between(&Side::read(&known, old)?, &Side::read(&known, new)?)
}

/// # Errors
/// If Nix did not say how large a path is.
pub fn between(old: &Side, new: &Side) -> Result<ClosureDiff> {
    let (before, after) = (&old.system, &new.system);
    Ok(ClosureDiff {
        packages: packages::changes(&old.closure, &new.closure)?,
        units: Changes::between(&before.units, &after.units),
        users: Changes::between(&before.users, &after.users),
        groups: Changes::between(&before.groups, &after.groups),
        sudo: LineChanges::between(&before.sudoers, &after.sudoers),
        boot: before.boot_changes(after),
        old_size: packages::size(&old.closure),
        new_size: packages::size(&new.closure),
        old: old.path.clone(),
        new: new.path.clone(),
    })
}

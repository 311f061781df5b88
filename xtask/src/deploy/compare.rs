//! What is in the store of the closures that a plan compares.

use std::collections::BTreeMap;

use anyhow::Result;

use super::inhibitors::Inhibitors;
use super::plan::{Before, Change};
use super::units::UnitPlan;
use crate::diff::system::System;
use crate::diff::{self, Side};
use crate::fleet::store_path::StorePath;
use crate::tools::nix::Nix;

/// The closures that were read, each once however many hosts have it.
pub struct Closures<'a> {
    nix: &'a Nix,
    sides: BTreeMap<StorePath, Option<Side>>,
}

impl<'a> Closures<'a> {
    pub fn new(nix: &'a Nix) -> Self {
        Self {
            nix,
            sides: BTreeMap::new(),
        }
    }

    /// Reads what is in the store of these.
    ///
    /// # Errors
    /// If Nix does not answer, or a closure that is there cannot be read.
    pub async fn read(&mut self, paths: impl IntoIterator<Item = &StorePath>) -> Result<()> {
        let mut new: Vec<&StorePath> = paths
            .into_iter()
            .filter(|path| !self.sides.contains_key(*path))
            .collect();
        new.sort();
        new.dedup();
        let valid = self.nix.valid(&new).await?;
        let (there, gone): (Vec<&StorePath>, Vec<&StorePath>) =
            new.into_iter().partition(|path| valid.contains(*path));
        self.sides
            .extend(gone.into_iter().map(|path| (path.clone(), None)));
        let known = self.nix.closure(&there).await?;
        for path in there {
            self.sides
                .insert(path.clone(), Some(Side::read(&known, path)?));
        }
        Ok(())
    }

    pub fn side(&self, path: &StorePath) -> Option<&Side> {
        self.sides.get(path)?.as_ref()
    }

    /// Bytes that a new closure brings to the EFI partition of a host, which has what booted and what boots; none if none
    /// of these is in the store.
    pub fn esp_files(&self, before: &Before, new: &StorePath) -> Option<u64> {
        let Before::Live(live) = before else {
            return None;
        };
        let there = [&live.booted, &live.boot_default].into_iter().flatten();
        let there: Vec<&System> = there
            .filter_map(|path| Some(&self.side(path)?.system))
            .collect();
        if there.is_empty() {
            return None;
        }
        self.side(new)?.system.boot_files_beside(&there)
    }

    /// None if one of them is not in the store.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn change(&self, old: &StorePath, new: &StorePath) -> Result<Option<Change>> {
        let (Some(old), Some(new)) = (self.side(old), self.side(new)) else {
            return Ok(None);
        };
        let diff = diff::between(old, new)?;
        let inhibitors = Inhibitors::read(old.path.as_path())?;
        let inhibitors = inhibitors.against(&Inhibitors::read(new.path.as_path())?);
        let added = new
            .closure
            .iter()
            .filter(|(path, _)| !old.closure.contains_key(*path))
            .filter_map(|(_, info)| info.nar_size)
            .sum();
        let units = UnitPlan::between(&old.system.units, &new.system.units);
        Ok(Some(Change::new(&diff, units, inhibitors, added)))
    }
}

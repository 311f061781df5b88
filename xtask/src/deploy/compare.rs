//! What is in the store of the closures that a plan compares.

use std::collections::BTreeMap;

use anyhow::Result;

use super::inhibitors::Inhibitors;
use super::plan::Change;
use super::units::UnitPlan;
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
        for path in new {
            let side = if valid.contains(path) {
                Some(Side::read(self.nix, path).await?)
            } else {
                None
            };
            self.sides.insert(path.clone(), side);
        }
        Ok(())
    }

    pub fn side(&self, path: &StorePath) -> Option<&Side> {
        self.sides.get(path)?.as_ref()
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

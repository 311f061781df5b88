//! Hosts built with what deploy-rs copies of them, for what takes all of them or none.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::{build_and_tell, Options};
use crate::evaluate::apply::Profile;
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::closure::Closure;
use crate::fleet::host::HostName;

/// `nothing` says what does not come about if a host cannot be built: `nothing is released`.
///
/// # Errors
/// Usage, if a host does not exist; failed, if one cannot be built.
pub async fn closures(
    fleet: &Fleet,
    hosts: &[HostName],
    live: bool,
    nothing: &str,
) -> Result<BTreeMap<HostName, Closure>> {
    let names = hosts.iter().map(ToString::to_string).collect();
    let built = build_and_tell(fleet, &Options::of(names, live)).await?;
    let failed: Vec<&str> = built
        .hosts
        .iter()
        .filter(|row| !row.outcome.is_built())
        .map(|row| row.host.as_str())
        .collect();
    if !failed.is_empty() {
        let message = format!("{nothing}: no closure of {}", failed.join(", "));
        return Err(Failure::failed(message).into());
    }
    let mut profiles = fleet.profiles(hosts).await?;
    let mut derivations = BTreeSet::new();
    let mut closures = BTreeMap::new();
    for row in built.hosts {
        let Some(toplevel) = row.toplevel else {
            continue;
        };
        let profile = profiles.remove(&row.host).map(|Profile { drv, out }| {
            derivations.insert(drv);
            out
        });
        closures.insert(row.host, Closure { toplevel, profile });
    }
    if !derivations.is_empty() {
        fleet
            .nix
            .build_unlinked(&derivations, fleet.stage)
            .success()
            .await
            .context("cannot build what deploy-rs copies")?;
    }
    Ok(closures)
}

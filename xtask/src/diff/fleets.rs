//! The hosts of a fleet at two revisions: evaluates both sides, builds what differs, compares.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::closure::ClosureDiff;
use crate::evaluate::apply::{Toplevel, Wanted};
use crate::evaluate::{Fleet, Found, Survey};
use crate::fleet::host::{self, HostName};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

/// What changes on every host (schema: docs/json/diff.schema.json).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetDiff {
    pub version: u32,
    pub stage: Stage,
    pub from: Side,
    pub to: Side,
    pub hosts: BTreeMap<HostName, HostDiff>,
}

/// One of the two states of the fleet.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// As it was asked for; the working tree if nothing was.
    pub name: String,
    /// The commit that it is, or that the working tree is based on.
    pub commit: Option<String>,
    pub dirty: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum HostDiff {
    Added {
        new: StorePath,
    },
    Removed {
        old: StorePath,
    },
    Unchanged {
        system: StorePath,
    },
    Changed {
        diff: Box<ClosureDiff>,
    },
    /// One side of it does not evaluate, cannot be built or cannot be read.
    Failed {
        error: String,
    },
}

impl FleetDiff {
    pub fn failed(&self) -> bool {
        self.hosts
            .values()
            .any(|host| matches!(host, HostDiff::Failed { .. }))
    }
}

/// A fleet, its survey, and how it is called.
pub struct Known {
    pub fleet: Fleet,
    pub survey: Survey,
    pub name: String,
}

impl Known {
    /// # Errors
    /// If the fleet fails as a whole.
    pub async fn of(fleet: Fleet, name: &str) -> Result<Self> {
        Ok(Self {
            survey: fleet.survey().await?,
            name: name.to_owned(),
            fleet,
        })
    }

    fn side(&self) -> Side {
        Side {
            name: self.name.clone(),
            commit: self.fleet.source.revision.clone(),
            dirty: self.fleet.source.dirty,
        }
    }

    async fn toplevels(&self, hosts: &[HostName]) -> Result<Found> {
        let known: Vec<HostName> = self
            .survey
            .names()
            .into_iter()
            .filter(|name| hosts.contains(name))
            .collect();
        let wanted = Wanted {
            toplevel: true,
            ..Wanted::default()
        };
        self.fleet.evaluate_hosts(&known, wanted).await
    }

    /// Why a host of this side cannot be compared.
    fn failure(&self, what: &str, why: &str) -> String {
        format!("{what} at {}: {why}", self.name)
    }
}

/// Compares the wanted hosts of two states of a fleet, all of both if none is wanted.
///
/// # Errors
/// Usage, if neither has a wanted host; else if one of the fleets fails as a whole.
pub async fn compare(old: &Known, new: &Known, wanted: &[String]) -> Result<FleetDiff> {
    let all: BTreeSet<HostName> = [&old.survey, &new.survey]
        .into_iter()
        .flat_map(Survey::names)
        .collect();
    let all: Vec<HostName> = all.into_iter().collect();
    let hosts = host::select(&all, wanted)?;
    let (before, after) = tokio::try_join!(old.toplevels(&hosts), new.toplevels(&hosts))?;

    let mut results = BTreeMap::new();
    let mut pairs = Vec::new();
    for host in hosts {
        let error = [(old, &before), (new, &after)]
            .into_iter()
            .find_map(|(side, found)| Some((side, found.failed.get(&host)?)));
        if let Some((side, error)) = error {
            let error = side.failure("does not evaluate", &side.fleet.worded(error));
            results.insert(host, HostDiff::Failed { error });
            continue;
        }
        let toplevel = |found: &Found| found.healthy.get(&host)?.toplevel.clone();
        match (toplevel(&before), toplevel(&after)) {
            (Some(old), Some(new)) if old.out == new.out => {
                results.insert(host, HostDiff::Unchanged { system: new.out });
            }
            (Some(old), Some(new)) => pairs.push((host, old, new)),
            (Some(old), None) => {
                results.insert(host, HostDiff::Removed { old: old.out });
            }
            (None, Some(new)) => {
                results.insert(host, HostDiff::Added { new: new.out });
            }
            (None, None) => (),
        }
    }

    let wanted: Vec<&Toplevel> = pairs.iter().flat_map(|(_, old, new)| [old, new]).collect();
    let log = build(new, &wanted).await?;
    for (host, before, after) in pairs {
        let result = changed(old, new, &before, &after, &log).await;
        results.insert(
            host,
            result.unwrap_or_else(|error| HostDiff::Failed {
                error: format!("{error:#}"),
            }),
        );
    }
    Ok(FleetDiff {
        version: 1,
        stage: new.fleet.stage,
        from: old.side(),
        to: new.side(),
        hosts: results,
    })
}

/// Builds what is not there; what Nix said last, if something failed. Which one is told by what is not there then.
async fn build(side: &Known, toplevels: &[&Toplevel]) -> Result<String> {
    if toplevels.is_empty() {
        return Ok(String::new());
    }
    let derivations: BTreeSet<&StorePath> =
        toplevels.iter().map(|toplevel| &toplevel.drv).collect();
    let output = side
        .fleet
        .nix
        .build_unlinked(derivations, side.fleet.stage)
        .capture()
        .await?;
    Ok(output.last_lines(10))
}

async fn changed(
    old: &Known,
    new: &Known,
    before: &Toplevel,
    after: &Toplevel,
    log: &str,
) -> Result<HostDiff> {
    let nix = &new.fleet.nix;
    let built = nix.valid(&[&before.out, &after.out]).await?;
    for (side, toplevel) in [(old, before), (new, after)] {
        if !built.contains(&toplevel.out) {
            let error = side.failure("cannot be built", log);
            return Ok(HostDiff::Failed { error });
        }
    }
    let diff = super::closures(nix, &before.out, &after.out).await?;
    Ok(HostDiff::Changed {
        diff: Box::new(diff),
    })
}

//! What hosts that are about to be deployed would not get from the cache. All of their closures are here, so that nothing
//! has to be looked for below a path, and hosts that fetch alike are asked for at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::verify::Caches;
use super::Fault;
use crate::fleet::host::HostName;
use crate::fleet::inventory::CacheClient;
use crate::fleet::store_path::StorePath;
use crate::tools::nix::{path_info, Nix};

/// One thing that is wrong, and of which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    pub hosts: Vec<HostName>,
    pub fault: Fault,
    pub message: String,
    pub next_step: String,
}

/// A host's system that is here, and how the host fetches.
pub type Wanted<'a> = BTreeMap<HostName, (&'a CacheClient, StorePath)>;

/// # Errors
/// If Nix cannot tell.
pub async fn look(nix: &Nix, wanted: &Wanted<'_>) -> Result<Vec<Lack>> {
    let mut alike: Vec<(&CacheClient, BTreeMap<HostName, BTreeSet<StorePath>>)> = Vec::new();
    let tops: Vec<&StorePath> = wanted.values().map(|(_, toplevel)| toplevel).collect();
    let known = nix.closure(&tops).await?;
    for (host, (client, toplevel)) in wanted {
        let paths = path_info::closure(&known, toplevel)?.into_keys().collect();
        match alike.iter_mut().find(|(other, _)| other == client) {
            Some((_, hosts)) => {
                hosts.insert(host.clone(), paths);
            }
            None => alike.push((*client, BTreeMap::from([(host.clone(), paths)]))),
        }
    }
    let memory = tempfile::tempdir().context("cannot create a temporary folder")?;
    let mut caches = Caches::new(nix, memory.path());
    let mut lacks = Vec::new();
    for (client, closures) in alike {
        let paths: BTreeSet<StorePath> = closures.values().flatten().cloned().collect();
        for (fault, message, paths) in caches.lacks(client, &paths).await? {
            let concerned = closures.iter().filter(|(_, own)| !own.is_disjoint(&paths));
            let hosts: Vec<HostName> = concerned.map(|(host, _)| host.clone()).collect();
            let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            let next_step = match fault {
                Fault::Unreachable => format!("curl {}/nix-cache-info", client.url),
                _ => format!("on the builder: cargo xtask cache push {}", names.join(" ")),
            };
            lacks.push(Lack {
                hosts,
                fault,
                message,
                next_step,
            });
        }
    }
    Ok(lacks)
}

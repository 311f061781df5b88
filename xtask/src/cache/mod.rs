//! The fleet's binary cache as its clients meet it: whose signatures they take, and what of their closures it has.

pub mod gc;
pub mod preflight;
pub mod push;
pub mod render;
mod roots;
pub mod server;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::evaluate::apply::Wanted;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::{self, HostName};
use crate::fleet::inventory::{CacheClient, Inventory};
use crate::fleet::store_path::StorePath;
use verify::Caches;

/// Paths that one process is asked for: an argument each.
const AT_ONCE: usize = 500;

/// Everything that was asked for, and what is wrong with it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub passed: bool,
    pub closures: Vec<Closure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Closure {
    pub host: HostName,
    pub role: Role,
    pub path: StorePath,
    /// Paths that the fleet's cache has.
    pub in_fleet_cache: usize,
    /// Paths that only another substituter of the host's has.
    pub elsewhere: usize,
    pub findings: Vec<Finding>,
}

/// What a closure is to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// What it is to run by the configuration.
    Configured,
    /// What it says it runs: a deployment that fails returns to it.
    Running,
    /// What it says it boots.
    Boots,
    /// What it says it goes back to when it is told to.
    RollbackTarget,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub fault: Fault,
    pub message: String,
    #[serde(rename = "try")]
    pub next_step: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The fleet's cache gives no answer.
    Unreachable,
    /// No substituter of the host's has the path.
    Missing,
    /// No key that the host trusts signed it.
    Untrusted,
    /// What is fetched is not what its narinfo says.
    Spoiled,
}

/// The keys of the fleet's builder, each with the hosts that have it.
///
/// # Errors
/// Failed, if no host uses the fleet's cache.
pub fn keys(inventory: &Inventory) -> Result<BTreeMap<&str, BTreeSet<&HostName>>, Failure> {
    let mut keys: BTreeMap<&str, BTreeSet<&HostName>> = BTreeMap::new();
    for (name, client) in clients(inventory) {
        for key in &client.public_keys {
            keys.entry(key).or_default().insert(name);
        }
    }
    if keys.is_empty() {
        return Err(nobody());
    }
    Ok(keys)
}

/// The hosts that use the fleet's cache.
pub fn clients(inventory: &Inventory) -> impl Iterator<Item = (&HostName, &CacheClient)> {
    let hosts = inventory.hosts.iter();
    hosts.filter_map(|(name, host)| Some((name, host.cache.as_ref()?)))
}

fn nobody() -> Failure {
    Failure::failed("no host uses the fleet's cache")
        .try_next("homelab.nixCache.enable = true, with its url and publicKeys")
}

/// The wanted hosts that use the fleet's cache; all of them if none is wanted.
///
/// # Errors
/// Usage, if one of them is none of the fleet's or does not use it; failed, if none does.
pub fn chosen<'a>(
    survey: &'a Survey,
    wanted: &[String],
) -> Result<BTreeMap<HostName, &'a CacheClient>, Failure> {
    let mut all = BTreeMap::new();
    for name in host::select(&survey.names(), wanted)? {
        let host = survey.inventory.hosts.get(&name);
        match host.and_then(|host| host.cache.as_ref()) {
            Some(client) => {
                all.insert(name, client);
            }
            None if wanted.is_empty() => (),
            None => {
                return Err(
                    Failure::usage(format!("host {name} does not use the fleet's cache"))
                        .try_next("homelab.nixCache.enable = true in its configuration"),
                )
            }
        }
    }
    if all.is_empty() {
        return Err(nobody());
    }
    Ok(all)
}

/// A rehearsed closure is in no real cache of a fleet, which is not asked for one.
///
/// # Errors
/// Usage, if the fleet's cache is not on this machine.
pub fn only_here(clients: &BTreeMap<HostName, &CacheClient>) -> Result<(), Failure> {
    let mut caches = clients.values().map(|client| &client.url);
    match caches.find(|url| !is_here(url)) {
        None => Ok(()),
        Some(url) => Err(Failure::usage(format!(
            "nothing is verified: the rehearsal stage asks no host but this machine, and the fleet's cache is {url}"
        ))
        .try_next("--stage nixos")),
    }
}

/// Whether a cache is on this machine.
pub fn is_here(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let host = place.split(['/', ':', '?']).next().unwrap_or_default();
    url.starts_with('/')
        || url.starts_with("file://")
        || host == "localhost"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Asks for what each of these hosts is to run, and for what else it is known to need.
///
/// # Errors
/// Failed, if one of them does not evaluate, or if Nix cannot tell.
pub async fn verify(
    fleet: &Fleet,
    clients: &BTreeMap<HostName, &CacheClient>,
    known: Vec<(HostName, Role, StorePath)>,
) -> Result<Report> {
    let names: Vec<HostName> = clients.keys().cloned().collect();
    let wanted = Wanted {
        toplevel: true,
        ..Wanted::default()
    };
    let found = fleet.evaluate_hosts(&names, wanted).await?;
    if let Some((host, error)) = found.failed.iter().next() {
        let message = format!("host {host} does not evaluate: {}", error.first_line());
        return Err(Failure::failed(message)
            .try_next(format!("cargo xtask build-all {host}"))
            .into());
    }
    let healthy = found.healthy.into_iter();
    let mut closures: Vec<(HostName, Role, StorePath)> = healthy
        .filter_map(|(host, done)| Some((host, Role::Configured, done.toplevel?.out)))
        .collect();
    closures.extend(known);
    closures.sort();
    let memory = tempfile::tempdir().context("cannot create a temporary folder")?;
    let mut report = Report {
        version: 1,
        passed: true,
        closures: Vec::new(),
    };
    let mut caches = Caches::new(&fleet.nix, memory.path());
    for (host, role, path) in closures {
        let Some(client) = clients.get(&host) else {
            continue;
        };
        let closure = caches.closure(client, host, role, path).await?;
        report.passed &= closure.findings.is_empty();
        report.closures.push(closure);
    }
    Ok(report)
}

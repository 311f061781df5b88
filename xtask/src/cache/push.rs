//! Closures on their way into the cache: signed as hosts want it before they leave, kept there, and only what is not
//! there yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::server::Server;
use crate::failure::Failure;
use crate::fleet::closure::Closure;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::words::counted;
use crate::tools::nix::cache::Client;
use crate::tools::nix::{path_info, Nix};

/// What is in the cache now (docs/json/cache-push.schema.json).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    /// The host that serves it.
    pub cache: HostName,
    pub hosts: Vec<Pushed>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    pub host: HostName,
    pub toplevel: StorePath,
    pub profile: Option<StorePath>,
    /// What keeps it in the cache.
    pub generation: u64,
    /// Of the closure.
    pub paths: usize,
    /// Of these, those that went from here to the cache. The others were there, or the cache fetched them from where it
    /// fetches.
    pub sent: usize,
}

/// One host's part of what is pushed, and whose signatures that host takes.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub host: HostName,
    pub closure: Closure,
    pub trusted_public_keys: &'a [String],
}

/// Signs with `key`, if there is one, and puts closures into the cache.
///
/// # Errors
/// Failed, if a host would not take a path of its closure, so that nothing was sent; or if the cache cannot be reached or
/// does not take it.
pub async fn push(
    nix: &Nix,
    server: &Server,
    wanted: &[Wanted<'_>],
    key: Option<&Path>,
) -> Result<Report> {
    let tops: Vec<&StorePath> = wanted.iter().flat_map(|it| it.closure.tops()).collect();
    // Nothing is collected here while it is on its way.
    let links = tempfile::tempdir().context("cannot create a temporary folder")?;
    nix.add_roots(&tops, &links.path().join("closure")).await?;
    if let Some(key) = key {
        nix.sign(&tops, key).await?;
    }
    let known = nix.closure(&tops).await?;
    let mut closures = Vec::new();
    for it in wanted {
        let mut paths = BTreeSet::new();
        for top in it.closure.tops() {
            paths.extend(path_info::closure(&known, top)?.into_keys());
        }
        signed(nix, it, &paths).await?;
        closures.push(paths);
    }
    // What a collection finds there from now on, it keeps.
    let mut generations = Vec::new();
    for it in wanted {
        generations.push(server.pin(&it.host, &it.closure).await?);
    }
    report::say(&format!(
        "putting {} into the cache {}",
        counted(
            closures.iter().flatten().collect::<BTreeSet<_>>().len(),
            "path"
        ),
        server.target.host
    ));
    let sent = server.copy(nix, &tops).await?;
    let hosts = wanted.iter().zip(closures).zip(generations);
    let hosts = hosts.map(|((it, paths), generation)| Pushed {
        host: it.host.clone(),
        toplevel: it.closure.toplevel.clone(),
        profile: it.closure.profile.clone(),
        generation,
        paths: paths.len(),
        sent: paths.intersection(&sent).count(),
    });
    Ok(Report {
        version: 1,
        cache: server.target.host.clone(),
        hosts: hosts.collect(),
    })
}

/// What its host would refuse does not leave.
async fn signed(nix: &Nix, wanted: &Wanted<'_>, paths: &BTreeSet<StorePath>) -> Result<()> {
    let memory = tempfile::tempdir().context("cannot create a temporary folder")?;
    let client = Client {
        nix,
        memory: memory.path(),
        trusted_public_keys: wanted.trusted_public_keys,
    };
    let paths: Vec<&StorePath> = paths.iter().collect();
    let mut untrusted = Vec::new();
    for some in paths.chunks(super::AT_ONCE) {
        untrusted.extend(client.untrusted(None, some).await?);
    }
    let Some(first) = untrusted.first() else {
        return Ok(());
    };
    let host = &wanted.host;
    let others = match untrusted.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    Err(Failure::failed(format!(
        "nothing is pushed: no key that {host} trusts has signed {first}{others}"
    ))
    .try_next(format!(
        "--key FILE with the key whose public half {host} has in homelab.nixCache.publicKeys"
    ))
    .into())
}

/// The hosts that use the cache, out of those whose closures there are.
pub fn wanted<'a>(
    clients: &BTreeMap<HostName, &'a crate::fleet::inventory::CacheClient>,
    closures: &BTreeMap<HostName, Closure>,
) -> Vec<Wanted<'a>> {
    let both = clients.iter().filter_map(|(host, client)| {
        Some(Wanted {
            host: host.clone(),
            closure: closures.get(host)?.clone(),
            trusted_public_keys: &client.trusted_public_keys,
        })
    });
    both.collect()
}

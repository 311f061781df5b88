//! One closure after the other, asked of the substituters in the host's own order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::{Closure, Fault, Finding, Role, AT_ONCE};
use crate::fleet::host::HostName;
use crate::fleet::inventory::CacheClient;
use crate::fleet::store_path::StorePath;
use crate::report::words::counted;
use crate::tools::nix::cache::Client;
use crate::tools::nix::path_info::PathInfo;
use crate::tools::nix::Nix;

pub struct Caches<'a> {
    nix: &'a Nix,
    memory: &'a Path,
    /// Caches that gave no answer, with the reason: they are not asked again.
    dead: BTreeMap<String, String>,
}

impl<'a> Caches<'a> {
    pub fn new(nix: &'a Nix, memory: &'a Path) -> Self {
        Self {
            nix,
            memory,
            dead: BTreeMap::new(),
        }
    }

    pub async fn closure(
        &mut self,
        host: &CacheClient,
        name: HostName,
        role: Role,
        path: StorePath,
    ) -> Result<Closure> {
        let client = Client {
            nix: self.nix,
            memory: self.memory,
            trusted_public_keys: &host.trusted_public_keys,
        };
        let (places, missing) = self.places(&client, host, &path).await?;
        let mut findings = Vec::new();
        if let Some(why) = self.dead.get(&host.url) {
            let message = format!("{} gives no answer: {why}", host.url);
            let cure = format!("curl {}/nix-cache-info", host.url);
            findings.push(finding(Fault::Unreachable, message, cure));
        }
        // Of a cache that gives no answer nobody knows what it lacks.
        let lacking = missing
            .iter()
            .filter(|_| !self.dead.contains_key(&host.url));
        for path in lacking {
            let others = host.substituters.iter().filter(|it| **it != host.url);
            let dead = others.filter(|it| self.dead.contains_key(*it));
            let dead: String = dead.map(|it| format!("; {it} gives no answer")).collect();
            let message = format!("no substituter of {name} has {path}{dead}");
            findings.push(finding(Fault::Missing, message, push(&name)));
        }
        for (cache, paths) in by_cache(&places) {
            for some in paths.chunks(AT_ONCE) {
                for path in client.untrusted(Some(cache), some).await? {
                    let message =
                        format!("{cache} has {path} without a signature that {name} trusts");
                    findings.push(finding(Fault::Untrusted, message, push(&name)));
                }
            }
        }
        // Fetched as a sample: that all can be told apart from their narinfos, the narinfos' signatures say.
        if let Some(cache) = places.get(&path) {
            if let Some(why) = client.spoiled(cache, &path).await? {
                let message = format!("{cache} does not hand out {path} as it should be: {why}");
                let cure = format!("on the cache: nix store repair {path}");
                findings.push(finding(Fault::Spoiled, message, cure));
            }
        }
        let here = places.values().filter(|cache| **cache == host.url).count();
        Ok(Closure {
            host: name,
            role,
            path,
            in_fleet_cache: here,
            elsewhere: places.len() - here,
            findings,
        })
    }

    /// Where each path of a closure is, and those that are nowhere. What those refer to, nobody can tell.
    async fn places(
        &mut self,
        client: &Client<'_>,
        host: &CacheClient,
        top: &StorePath,
    ) -> Result<(BTreeMap<StorePath, String>, BTreeSet<StorePath>)> {
        let mut places = BTreeMap::new();
        let mut missing = BTreeSet::new();
        let mut wanted = BTreeSet::from([top.clone()]);
        while !wanted.is_empty() {
            let found = self.ask(client, host, &wanted).await?;
            let mut next = BTreeSet::new();
            for (path, (cache, info)) in found {
                next.extend(info.references()?);
                wanted.remove(&path);
                places.insert(path, cache);
            }
            missing.append(&mut wanted);
            next.retain(|path| !places.contains_key(path) && !missing.contains(path));
            wanted = next;
        }
        Ok((places, missing))
    }

    /// Which of these paths the host's substituters have, and the first of them that has each.
    async fn ask(
        &mut self,
        client: &Client<'_>,
        host: &CacheClient,
        paths: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<StorePath, (String, PathInfo)>> {
        let mut found = BTreeMap::new();
        for cache in &host.substituters {
            let lacking = paths.iter().filter(|path| !found.contains_key(*path));
            let asked: Vec<&StorePath> = lacking.collect();
            for some in asked.chunks(AT_ONCE) {
                if self.dead.contains_key(cache) {
                    break;
                }
                match client.infos(cache, some).await? {
                    Ok(infos) => {
                        let infos = infos.into_iter();
                        found.extend(infos.map(|(path, info)| (path, (cache.clone(), info))));
                    }
                    Err(why) => {
                        self.dead.insert(cache.clone(), why);
                    }
                }
            }
        }
        Ok(found)
    }

    /// What hosts that fetch alike would not get of these paths, which are their whole closures: a finding for each fault,
    /// however many paths have it.
    pub async fn lacks(
        &mut self,
        host: &CacheClient,
        paths: &BTreeSet<StorePath>,
    ) -> Result<Vec<(Fault, String, BTreeSet<StorePath>)>> {
        let client = Client {
            nix: self.nix,
            memory: self.memory,
            trusted_public_keys: &host.trusted_public_keys,
        };
        let found = self.ask(&client, host, paths).await?;
        let mut lacks = Vec::new();
        if let Some(why) = self.dead.get(&host.url) {
            let message = format!("the binary cache {} gives no answer: {why}", host.url);
            return Ok(vec![(Fault::Unreachable, message, paths.clone())]);
        }
        let missing = paths.iter().filter(|path| !found.contains_key(*path));
        let missing: BTreeSet<StorePath> = missing.cloned().collect();
        if !missing.is_empty() {
            let count = counted(missing.len(), "path");
            let message = format!("the binary cache {} lacks {count}", host.url);
            lacks.push((Fault::Missing, message, missing));
        }
        let places = found.into_iter().map(|(path, (cache, _))| (path, cache));
        for (cache, paths) in by_cache(&places.collect()) {
            let mut untrusted = BTreeSet::new();
            for some in paths.chunks(AT_ONCE) {
                untrusted.extend(client.untrusted(Some(cache), some).await?);
            }
            if let Some(first) = untrusted.first() {
                let more = match untrusted.len() {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                let message = format!("{cache} has {first}{more} without a signature that counts");
                lacks.push((Fault::Untrusted, message, untrusted));
            }
        }
        Ok(lacks)
    }
}

fn by_cache(places: &BTreeMap<StorePath, String>) -> BTreeMap<&str, Vec<&StorePath>> {
    let mut all: BTreeMap<&str, Vec<&StorePath>> = BTreeMap::new();
    for (path, cache) in places {
        all.entry(cache).or_default().push(path);
    }
    all
}

/// What signs a host's closure, and gives the cache what it lacks of it.
fn push(host: &HostName) -> String {
    format!("on the builder: cargo xtask cache push {host}")
}

fn finding(fault: Fault, message: String, next_step: String) -> Finding {
    Finding {
        fault,
        message,
        next_step,
    }
}

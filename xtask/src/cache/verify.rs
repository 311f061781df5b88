//! One closure after the other, asked of the substituters in the host's own order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::{Closure, Fault, Finding, Role};
use crate::fleet::host::HostName;
use crate::fleet::inventory::CacheClient;
use crate::fleet::store_path::StorePath;
use crate::tools::nix::cache::Client;
use crate::tools::nix::Nix;

/// Paths that one process asks for: an argument each.
const AT_ONCE: usize = 500;

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
        for path in &missing {
            let others = host.substituters.iter().filter(|it| **it != host.url);
            let dead = others.filter(|it| self.dead.contains_key(*it));
            let dead: String = dead.map(|it| format!("; {it} gives no answer")).collect();
            let message = format!("no substituter of {name} has {path}{dead}");
            let cure = format!("on the builder: nix copy --to ssh-ng://CACHE {path}");
            findings.push(finding(Fault::Missing, message, cure));
        }
        for (cache, paths) in by_cache(&places) {
            for some in paths.chunks(AT_ONCE) {
                for path in client.untrusted(cache, some).await? {
                    let message =
                        format!("{cache} has {path} without a signature that {name} trusts");
                    let cure = format!("on the builder: nix store sign --key-file KEY {path}");
                    findings.push(finding(Fault::Untrusted, message, cure));
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
            let mut next = BTreeSet::new();
            for cache in &host.substituters {
                if self.dead.contains_key(cache) {
                    continue;
                }
                let asked: Vec<StorePath> = wanted.iter().cloned().collect();
                for some in asked.chunks(AT_ONCE) {
                    let some: Vec<&StorePath> = some.iter().collect();
                    let infos = match client.infos(cache, &some).await? {
                        Ok(infos) => infos,
                        Err(why) => {
                            self.dead.insert(cache.clone(), why);
                            break;
                        }
                    };
                    for (path, info) in infos {
                        next.extend(info.references()?);
                        wanted.remove(&path);
                        places.insert(path, cache.clone());
                    }
                }
                if wanted.is_empty() {
                    break;
                }
            }
            missing.append(&mut wanted);
            next.retain(|path| !places.contains_key(path) && !missing.contains(path));
            wanted = next;
        }
        Ok((places, missing))
    }
}

fn by_cache(places: &BTreeMap<StorePath, String>) -> BTreeMap<&str, Vec<&StorePath>> {
    let mut all: BTreeMap<&str, Vec<&StorePath>> = BTreeMap::new();
    for (path, cache) in places {
        all.entry(cache).or_default().push(path);
    }
    all
}

fn finding(fault: Fault, message: String, next_step: String) -> Finding {
    Finding {
        fault,
        message,
        next_step,
    }
}

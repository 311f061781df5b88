//! Which generations the cache keeps of each host: the newest, and all that a host needs, whatever its age. What a host
//! needs is its own word, and a host that says nothing loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::roots::{Generation, Generations};
use super::server::Server;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;

/// What a host may still go back to, or why that is not known.
pub type Needs = Result<BTreeSet<StorePath>, String>;

/// What is to be kept (docs/json/cache-gc.schema.json).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub version: u32,
    /// The host that serves the cache.
    pub cache: HostName,
    pub hosts: Vec<HostPlan>,
    /// What Nix says of the collection; null if it was only planned.
    pub collected: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPlan {
    /// Its folder's name, which is its own but for odd characters.
    pub host: String,
    /// By their numbers, the newest first.
    pub kept: Vec<Kept>,
    /// By their numbers, the oldest first.
    pub dropped: Vec<u64>,
    /// What the host needs and no generation has: kept, if the cache has it.
    pub held: Vec<StorePath>,
    /// Why nobody knows what it needs; null if that is known.
    pub unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub generation: u64,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It is one of the newest.
    Newest,
    /// It is on its way, or was cut off there.
    Incomplete,
    /// The host runs or boots it, or goes back to it.
    Needed,
    /// Nobody knows whether the host needs it.
    Unknown,
}

/// The hosts of the fleet with what they need.
pub type Fleet = BTreeMap<HostName, Needs>;

/// Decides. A folder that is no host's is kept as it is, unless it is said that such hosts are gone for good.
pub fn plan(cache: &HostName, all: &Generations, fleet: &Fleet, keep: usize, gone: bool) -> Plan {
    let mut hosts: Vec<HostPlan> = fleet
        .iter()
        .map(|(host, needs)| {
            let none = Vec::new();
            let name = host.file_name();
            let generations = all.get(&name).unwrap_or(&none);
            of_host(name, generations, needs, keep)
        })
        // A host of which nothing is kept and nothing is known has no place in it.
        .filter(|host| !(host.kept.is_empty() && host.dropped.is_empty() && host.held.is_empty()))
        .collect();
    let known: BTreeSet<String> = fleet.keys().map(HostName::file_name).collect();
    let strangers = all.iter().filter(|(name, _)| !known.contains(*name));
    hosts.extend(strangers.map(|(name, generations)| match gone {
        true => HostPlan {
            host: name.clone(),
            kept: Vec::new(),
            dropped: generations.iter().map(|it| it.number).collect(),
            held: Vec::new(),
            unknown: None,
        },
        false => of_host(name.clone(), generations, &Err(GONE.to_owned()), keep),
    }));
    Plan {
        version: 1,
        cache: cache.clone(),
        hosts,
        collected: None,
    }
}

const GONE: &str = "it is no host of the fleet; --gone if that is for good";

fn of_host(host: String, generations: &[Generation], needs: &Needs, keep: usize) -> HostPlan {
    let newest = generations.last().map(|it| it.number);
    let mut plan = HostPlan {
        host,
        kept: Vec::new(),
        dropped: Vec::new(),
        held: Vec::new(),
        unknown: needs.as_ref().err().cloned(),
    };
    let mut counted = 0;
    for it in generations.iter().rev() {
        let needed = needs
            .as_ref()
            .map(|needs| needs.contains(&it.closure.toplevel));
        let why = if !it.whole {
            // An old one that was cut off is of no use to anybody.
            (Some(it.number) == newest).then_some(Why::Incomplete)
        } else if counted < keep {
            counted += 1;
            Some(Why::Newest)
        } else {
            match needed {
                Ok(true) => Some(Why::Needed),
                Ok(false) => None,
                Err(_) => Some(Why::Unknown),
            }
        };
        match why {
            Some(why) => plan.kept.push(Kept {
                generation: it.number,
                why,
            }),
            None => plan.dropped.insert(0, it.number),
        }
    }
    if let Ok(needs) = needs {
        let has = |path: &StorePath| {
            let mut whole = generations.iter().filter(|it| it.whole);
            whole.any(|it| it.closure.toplevel == *path)
        };
        plan.held = needs.iter().filter(|path| !has(path)).cloned().collect();
    }
    plan
}

/// Does what is planned: what hosts need is kept first, what nobody needs is let go, and the store is collected.
///
/// # Errors
/// Failed, if the cache does not do it.
pub async fn carry_out(server: &Server, plan: &mut Plan, fleet: &Fleet) -> Result<()> {
    for (host, needs) in fleet {
        if needs.is_err() {
            continue;
        }
        let row = plan.hosts.iter().find(|it| it.host == host.file_name());
        let held: Vec<&StorePath> = row.map(|it| it.held.iter().collect()).unwrap_or_default();
        server.hold(host, &held).await?;
    }
    let dropped: Vec<(&str, u64)> = plan
        .hosts
        .iter()
        .flat_map(|host| {
            host.dropped
                .iter()
                .map(|number| (host.host.as_str(), *number))
        })
        .collect();
    server.drop(&dropped).await?;
    plan.collected = Some(server.collect().await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::closure::Closure;

    fn path(letter: char) -> StorePath {
        let hash = letter.to_string().repeat(32);
        StorePath::parse(&format!("/nix/store/{hash}-x")).unwrap()
    }

    /// A letter a generation, from 1; a capital one is incomplete.
    fn generations(letters: &str) -> Vec<Generation> {
        let generation = |(at, letter): (usize, char)| Generation {
            number: at as u64 + 1,
            closure: Closure {
                toplevel: path(letter.to_ascii_lowercase()),
                profile: None,
            },
            whole: letter.is_lowercase(),
        };
        letters.chars().enumerate().map(generation).collect()
    }

    fn needs(letters: &str) -> Needs {
        Ok(letters.chars().map(path).collect())
    }

    /// `6 5 | 2 needed | dropped 1 3 4 | held x`
    fn told(host: &HostPlan) -> String {
        let kept = host.kept.iter().map(|kept| match kept.why {
            Why::Newest => kept.generation.to_string(),
            why => format!("{} {}", kept.generation, format!("{why:?}").to_lowercase()),
        });
        let kept: Vec<String> = kept.collect();
        let dropped: Vec<String> = host.dropped.iter().map(ToString::to_string).collect();
        let held: String = host.held.iter().map(|path| &path.hash()[..1]).collect();
        format!("{} | {} | {held}", kept.join(", "), dropped.join(" "))
    }

    fn one(letters: &str, needs: &Needs, keep: usize) -> String {
        told(&of_host(
            "Web".to_owned(),
            &generations(letters),
            needs,
            keep,
        ))
    }

    #[test]
    fn the_newest_are_kept_and_what_the_host_needs() {
        assert_eq!(one("abcdef", &needs("f"), 2), "6, 5 | 1 2 3 4 | ");
        assert_eq!(one("abcdef", &needs("bf"), 2), "6, 5, 2 needed | 1 3 4 | ");
        // The same closure twice: either may be what it goes back to.
        assert_eq!(
            one("abaca", &needs("ab"), 1),
            "5, 3 needed, 2 needed, 1 needed | 4 | "
        );
        assert_eq!(one("ab", &needs(""), 5), "2, 1 |  | ");
        assert_eq!(one("", &needs(""), 5), " |  | ");
    }

    #[test]
    fn what_no_generation_has_is_held() {
        assert_eq!(one("abc", &needs("cz"), 1), "3 | 1 2 | z");
        // One that was cut off keeps nothing that could be gone back to.
        assert_eq!(one("aB", &needs("b"), 1), "2 incomplete, 1 |  | b");
    }

    #[test]
    fn a_host_that_says_nothing_loses_nothing() {
        let silent = Err("connection timed out".to_owned());
        assert_eq!(
            one("abcd", &silent, 1),
            "4, 3 unknown, 2 unknown, 1 unknown |  | "
        );
    }

    #[test]
    fn one_that_was_cut_off_counts_for_nothing() {
        assert_eq!(one("abcD", &needs(""), 2), "4 incomplete, 3, 2 | 1 | ");
        assert_eq!(one("aBcd", &needs(""), 3), "4, 3, 1 | 2 | ");
    }

    #[test]
    fn who_left_the_fleet_stays_until_that_is_said() {
        let all = Generations::from([
            ("Web".to_owned(), generations("ab")),
            ("Old".to_owned(), generations("cd")),
        ]);
        let fleet = Fleet::from([
            (HostName::known("Web"), needs("b")),
            (HostName::known("New"), needs("")),
        ]);
        let rows = |gone| {
            let plan = plan(&HostName::known("C"), &all, &fleet, 1, gone);
            let rows = plan.hosts.iter();
            rows.map(|host| format!("{}: {}", host.host, told(host)))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(false), ["Web: 2 | 1 | ", "Old: 2, 1 unknown |  | "]);
        assert_eq!(rows(true), ["Web: 2 | 1 | ", "Old:  | 1 2 | "]);
    }
}

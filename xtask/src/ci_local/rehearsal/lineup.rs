//! Which machines stand in for which hosts, and which hosts are left out and why. Pure.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Host, Inventory};
use crate::fleet::nearest::nearest_or_all;
use crate::fleet::refs::Meaning;

/// Of a host that somebody could have named, and did not.
pub const NOT_ASKED: &str = "nobody asked to deploy it";

/// The hosts of a push, as far as they can be rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineup {
    /// In the order of their waves.
    pub machines: Vec<HostName>,
    pub left_out: BTreeMap<HostName, String>,
    /// The host whose door is asked for the release.
    pub builder: HostName,
    /// The commit asks that hosts boot into it.
    pub boot: bool,
}

/// What this machine can do.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    pub system: &'a str,
    /// Machines that memory bears at the same time.
    pub machines: usize,
}

/// `only` is the host that a person named to the workflow.
///
/// # Errors
/// Usage, if no host is deployed, none of those that are can be rehearsed, or nobody makes releases.
pub fn lineup(
    meaning: &Meaning,
    only: Option<&str>,
    inventory: &Inventory,
    room: Room,
) -> Result<Lineup, Failure> {
    let builder = builder(inventory)?;
    let mut concerned: Vec<&Host> = match meaning {
        Meaning::Build => Vec::new(),
        Meaning::Test { host } => inventory.hosts.get(host).into_iter().collect(),
        Meaning::Deploy { .. } => {
            let hosts = inventory.hosts.values();
            hosts.filter(|host| host.deployable).collect()
        }
    };
    if concerned.is_empty() {
        return Err(Failure::usage(
            "this branch deploys no host, so that there is nothing to rehearse",
        )
        .try_next("--ref main, or --ref test-HOST"));
    }
    let is_only = |host: &Host| only.is_none_or(|only| host.name.as_str() == only);
    if let (Some(only), false) = (only, concerned.iter().any(|host| is_only(host))) {
        let names: Vec<&str> = concerned.iter().map(|host| host.name.as_str()).collect();
        return Err(
            Failure::usage(format!("this branch deploys no host `{only}`")).try_next(format!(
                "--input host=HOST: {}",
                nearest_or_all(only, &names).join(", ")
            )),
        );
    }
    // Where memory does not bear all of them, the builder goes before the rest: it is what the others get releases from.
    concerned.sort_by_key(|host| (host.name != builder, host.wave, host.name.clone()));
    let mut machines: Vec<&Host> = Vec::new();
    let mut left_out = BTreeMap::new();
    for host in concerned {
        let why = (!is_only(host))
            .then(|| NOT_ASKED.to_owned())
            .or_else(|| hindrance(host, room.system))
            .or_else(|| {
                (machines.len() >= room.machines)
                    .then(|| format!("there is memory for {} machines", room.machines))
            });
        match why {
            None => machines.push(host),
            Some(why) => drop(left_out.insert(host.name.clone(), why)),
        }
    }
    let why = || left_out.iter().find(|(_, why)| *why != NOT_ASKED);
    if let (true, Some((host, why))) = (machines.is_empty(), why()) {
        return Err(Failure::usage(format!(
            "no machine can stand in for {host}: {why}"
        )));
    }
    machines.sort_by_key(|host| (host.wave, host.name.clone()));
    Ok(Lineup {
        machines: machines.into_iter().map(|host| host.name.clone()).collect(),
        left_out,
        builder,
        boot: matches!(meaning, Meaning::Deploy { boot: true }),
    })
}

fn hindrance(host: &Host, system: &str) -> Option<String> {
    if host.system != system {
        return Some(format!("it is {}, and this machine {system}", host.system));
    }
    let has_secrets = host.secrets.as_ref().is_some_and(|it| !it.uses.is_empty());
    // Only the real host has the key that they are encrypted to.
    has_secrets.then(|| "it has secrets, which no machine here can read".to_owned())
}

/// The host that makes releases by its configuration, else the one that builds for the others.
fn builder(inventory: &Inventory) -> Result<HostName, Failure> {
    let hosts = || inventory.hosts.values();
    let found = hosts()
        .find(|host| host.releases.is_some())
        .or_else(|| hosts().find(|host| host.builder));
    found.map(|host| host.name.clone()).ok_or_else(|| {
        Failure::usage("no host of the fleet builds for the others, so that nobody could be asked for a release")
            .try_next("homelab.builder.enable = true on one of them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let host = |name: &str, system: &str, wave: u32, builder: bool| {
            serde_json::json!({
                "name": name, "system": system, "wave": wave, "deployable": name != "Template", "builder": builder,
            })
        };
        serde_json::from_value(serde_json::json!({
            "version": 1, "stage": "rehearsal", "hostsDir": null, "hermetic": true,
            "hosts": {
                "Arm": host("Arm", "aarch64-linux", 0, false),
                "Cache": host("Cache", "x86_64-linux", 2, true),
                "Niko": host("Niko", "x86_64-linux", 0, false),
                "Web": host("Web", "x86_64-linux", 1, false),
                "Template": host("Template", "x86_64-linux", 1, false),
            },
        }))
        .unwrap()
    }

    fn lined_up(meaning: &Meaning, machines: usize) -> String {
        named(meaning, None, machines)
    }

    fn named(meaning: &Meaning, only: Option<&str>, machines: usize) -> String {
        let room = Room {
            system: "x86_64-linux",
            machines,
        };
        match lineup(meaning, only, &inventory(), room) {
            Ok(lineup) => {
                let names: Vec<&str> = lineup.machines.iter().map(HostName::as_str).collect();
                let left: Vec<String> = lineup
                    .left_out
                    .iter()
                    .map(|(host, why)| format!("; without {host}: {why}"))
                    .collect();
                format!("{} by {}{}", names.join(" "), lineup.builder, left.concat())
            }
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn main_concerns_every_host_and_a_test_branch_one() {
        let main = Meaning::Deploy { boot: false };
        let test = |name| Meaning::Test {
            host: HostName::known(name),
        };
        let all = [
            lined_up(&main, 9),
            lined_up(&main, 2),
            lined_up(&test("Web"), 9),
            lined_up(&test("Arm"), 9),
            lined_up(&Meaning::Build, 9),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        Niko Web Cache by Cache; without Arm: it is aarch64-linux, and this machine x86_64-linux
        Niko Cache by Cache; without Arm: it is aarch64-linux, and this machine x86_64-linux; without Web: there is memory for 2 machines
        Web by Cache
        no machine can stand in for Arm: it is aarch64-linux, and this machine x86_64-linux
        this branch deploys no host, so that there is nothing to rehearse
        ");
    }

    #[test]
    fn a_host_that_was_named_is_alone() {
        let main = Meaning::Deploy { boot: true };
        let all = [
            named(&main, Some("Web"), 1),
            named(&main, Some("Arm"), 9),
            named(&main, Some("Wbe"), 9),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        Web by Cache; without Arm: nobody asked to deploy it; without Cache: nobody asked to deploy it; without Niko: nobody asked to deploy it
        no machine can stand in for Arm: it is aarch64-linux, and this machine x86_64-linux
        this branch deploys no host `Wbe`
        ");
    }

    #[test]
    fn a_host_with_secrets_is_left_out_and_a_fleet_without_a_builder_is_refused() {
        let mut inventory = inventory();
        let room = Room {
            system: "x86_64-linux",
            machines: 9,
        };
        let secrets = serde_json::json!({
            "file": null, "operators": {}, "deployKeys": {},
            "uses": { "token": { "file": "a", "format": "yaml", "key": "a" } },
        });
        let web = inventory.hosts.get_mut(&HostName::known("Web")).unwrap();
        web.secrets = Some(serde_json::from_value(secrets).unwrap());
        let lined_up = lineup(&Meaning::Deploy { boot: false }, None, &inventory, room).unwrap();
        assert!(lined_up.left_out.contains_key(&HostName::known("Web")));
        for host in inventory.hosts.values_mut() {
            host.builder = false;
        }
        let failure = lineup(&Meaning::Build, None, &inventory, room).unwrap_err();
        assert!(
            failure.to_string().contains("nobody could be asked"),
            "{failure}"
        );
    }
}

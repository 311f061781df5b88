//! Machines that stand in for hosts in the rehearsal stage: a folder says what every host has besides its configuration
//! while it is one of them, which programs of ours it runs, and behind which port of this machine it is. An address of the
//! inventory is nowhere asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::digest::{self, Digest};
use crate::failure::Failure;
use crate::fleet::flake::{folder_reference, Flake};
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Door, Inventory, Releases, Slowness};
use crate::fleet::stage::Stage;

/// Names the folder. `ci-local` sets it for its jobs and for the builder.
pub const VARIABLE: &str = "SLIPWAY_MACHINES";

/// Where hosts are, in this file of the folder.
const PLACES: &str = "places.json";
/// A module of every host, and what cargo built: the stand-in's inputs.
const INPUTS: [&str; 2] = ["machine", "crates"];

/// A folder of this kind, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machines {
    folder: PathBuf,
    /// Of what evaluations depend on.
    pub hash: String,
    places: Places,
}

/// Behind which door each host is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Places {
    /// Hosts without one are not deployed.
    pub hosts: BTreeMap<HostName, Door>,
    pub builder: Option<Builder>,
    #[serde(default)]
    pub slowness: Slowness,
}

/// The host that is asked for releases, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Builder {
    pub host: HostName,
    pub user: String,
    pub door: Door,
}

impl Machines {
    /// Of the folder that the environment names, if it names one.
    ///
    /// # Errors
    /// Usage, if that folder cannot be read.
    pub fn given() -> Result<Option<Self>> {
        match std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::read(Path::new(&folder)).map(Some),
            None => Ok(None),
        }
    }

    /// # Errors
    /// Usage, if the folder is none of this kind.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let places = serde_json::from_slice(&std::fs::read(folder.join(PLACES))?)?;
            let mut hash = Digest::default();
            for input in INPUTS {
                for (path, content) in digest::folder(&folder.join(input))? {
                    hash.field(path).field(content);
                }
            }
            Ok(Self {
                folder: folder.to_owned(),
                hash: hash.name(),
                places,
            })
        };
        read().map_err(|error| {
            Failure::usage(format!(
                "{VARIABLE} names no machines: {}: {error:#}",
                folder.display()
            ))
            .try_next("cargo xtask ci-local --deploy rehearsal, which sets it")
            .into()
        })
    }

    /// Writes where hosts are into a folder that has the rest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn place(folder: &Path, places: &Places) -> Result<()> {
        let file = folder.join(PLACES);
        std::fs::write(&file, serde_json::to_vec_pretty(places)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Programs that cargo built, for hosts of any stand-in.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("crates")
    }

    /// # Errors
    /// Usage, in the stage whose hosts are real.
    pub fn usable_in(&self, stage: Stage) -> Result<(), Failure> {
        match stage {
            Stage::Rehearsal => Ok(()),
            Stage::Nixos => Err(Failure::usage(format!(
                "{VARIABLE} is set, and the stage nixos is for real hosts"
            ))
            .try_next(format!("--stage rehearsal, or the same without {VARIABLE}"))),
        }
    }

    /// The stand-ins take this folder's inputs.
    pub fn override_inputs(&self, flake: &mut Flake) {
        for input in INPUTS {
            override_input(flake, input, &self.folder.join(input));
        }
    }

    /// Hosts are where their machines are; one without a machine is not deployed.
    pub fn stand_in(&self, inventory: &mut Inventory) {
        let slowness = self.places.slowness;
        for (name, host) in &mut inventory.hosts {
            host.slowness = slowness;
            host.releases = None;
            // Nothing that happens to a machine is news of the host.
            host.notify.clear();
            let (Some(door), Some(node)) = (self.places.hosts.get(name), &mut host.node) else {
                host.deployable = false;
                host.node = None;
                continue;
            };
            door.address().clone_into(&mut node.hostname);
            let own = [&slow_login(slowness), node.ssh_opts.as_slice()].concat();
            node.ssh_opts = door.ssh_options(&own);
            for timeout in [&mut node.confirm_timeout, &mut node.activation_timeout] {
                *timeout = slowness.over_seconds(*timeout);
            }
            host.host_keys = vec![door.key.clone()];
        }
        if let Some(builder) = &self.places.builder {
            if let Some(host) = inventory.hosts.get_mut(&builder.host) {
                host.releases = Some(Releases {
                    user: builder.user.clone(),
                    keys: BTreeMap::new(),
                    door: Some(builder.door.clone()),
                });
            }
        }
    }
}

/// ssh's arguments for a machine that takes longer, whatever the host's own are.
fn slow_login(slowness: Slowness) -> Vec<String> {
    if slowness == Slowness::default() {
        return Vec::new();
    }
    vec![
        format!("-oConnectTimeout={}", slowness.over_seconds(10)),
        format!("-oServerAliveCountMax={}", slowness.over_seconds(6)),
    ]
}

/// Every stand-in's input of this name is this folder.
pub fn override_input(flake: &mut Flake, name: &str, folder: &Path) {
    let reference = folder_reference(folder);
    let below = format!("/{name}");
    flake
        .overrides
        .retain(|(input, _)| !input.ends_with(&below));
    let stand_ins: Vec<_> = flake
        .overrides
        .iter()
        .filter(|(input, _)| !INPUTS.iter().any(|it| input.ends_with(&format!("/{it}"))))
        .map(|(input, _)| (format!("{input}{below}"), reference.clone()))
        .collect();
    flake.overrides.extend(stand_ins);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let host = |name: &str, address: &str, releases: bool| {
            let node = serde_json::json!({
                "hostname": address, "sshUser": "deploy", "user": "root", "sshOpts": ["-p", "2222"],
                "magicRollback": true, "autoRollback": true, "confirmTimeout": 30, "activationTimeout": 240,
                "fastConnection": false,
            });
            serde_json::json!({
                "name": name, "system": "x86_64-linux", "deployable": true, "targetHost": address, "node": node,
                "hostKeys": ["ssh-ed25519 REAL"],
                "releases": releases.then(|| serde_json::json!({ "user": "builder" })),
            })
        };
        serde_json::from_value(serde_json::json!({
            "version": 1, "stage": "rehearsal", "hostsDir": null, "hermetic": true,
            "hosts": { "A": host("A", "10.0.0.1", false), "B": host("B", "10.0.0.2", true), "C": host("C", "10.0.0.3", true) },
        }))
        .unwrap()
    }

    fn door(port: u16) -> Door {
        Door {
            port,
            key: format!("ssh-ed25519 {port}"),
        }
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for input in INPUTS {
            std::fs::create_dir(dir.path().join(input)).unwrap();
        }
        let places = Places {
            hosts: [(HostName::known("A"), door(4001))].into(),
            builder: Some(Builder {
                host: HostName::known("B"),
                user: "me".to_owned(),
                door: door(4002),
            }),
            slowness: Slowness::default(),
        };
        Machines::place(dir.path(), &places).unwrap();
        dir
    }

    #[test]
    fn no_address_of_the_inventory_is_left() {
        let dir = folder();
        let machines = Machines::read(dir.path()).unwrap();
        let mut inventory = inventory();
        machines.stand_in(&mut inventory);
        let host = |name: &str| &inventory.hosts[&HostName::known(name)];
        let node = host("A").node.as_ref().unwrap();
        assert_eq!(node.hostname, "127.0.0.1");
        // ssh takes the first port that it reads.
        assert_eq!(node.ssh_opts, ["-p", "4001", "-p", "2222"]);
        assert_eq!(host("A").host_keys, ["ssh-ed25519 4001"]);
        assert!(host("A").deployable);
        for other in ["B", "C"] {
            assert!(!host(other).deployable && host(other).node.is_none());
        }
        // One builder, wherever the configuration has others.
        assert!(host("C").releases.is_none());
        let releases = host("B").releases.as_ref().unwrap();
        assert_eq!(
            (releases.user.as_str(), &releases.door),
            ("me", &Some(door(4002)))
        );
    }

    #[test]
    fn a_slow_machine_is_waited_for() {
        let dir = folder();
        let mut places = Machines::read(dir.path()).unwrap().places;
        places.slowness = Slowness::of(2.4);
        Machines::place(dir.path(), &places).unwrap();
        let mut inventory = inventory();
        Machines::read(dir.path()).unwrap().stand_in(&mut inventory);
        let host = &inventory.hosts[&HostName::known("A")];
        assert_eq!(host.slowness, Slowness::of(3.0));
        let node = host.node.as_ref().unwrap();
        // ssh takes the first value that it reads.
        let slow = ["-oConnectTimeout=30", "-oServerAliveCountMax=18"];
        assert_eq!(node.ssh_opts[2..4], slow);
        assert_eq!((node.confirm_timeout, node.activation_timeout), (90, 720));
        assert_eq!(Slowness::of(0.2), Slowness::default());
    }

    #[test]
    fn what_evaluations_depend_on_is_in_the_hash_and_ports_are_not() {
        let dir = folder();
        let before = Machines::read(dir.path()).unwrap().hash;
        Machines::place(dir.path(), &Places::default()).unwrap();
        assert_eq!(Machines::read(dir.path()).unwrap().hash, before);
        std::fs::write(dir.path().join("machine/machine.nix"), "{ }").unwrap();
        assert_ne!(Machines::read(dir.path()).unwrap().hash, before);
        std::fs::remove_dir_all(dir.path().join("crates")).unwrap();
        let error = Machines::read(dir.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("SLIPWAY_MACHINES names no machines: "),
            "{error}"
        );
    }

    #[test]
    fn real_hosts_are_not_for_it() {
        let machines = Machines::read(folder().path()).unwrap();
        assert!(machines.usable_in(Stage::Rehearsal).is_ok());
        assert!(machines.usable_in(Stage::Nixos).is_err());
    }

    #[test]
    fn every_stand_in_takes_the_inputs_once() {
        let mut flake = Flake::remote("x");
        flake.overrides = vec![("nixpkgs".to_owned(), "path:/r".to_owned())];
        for folder in ["/one", "/two"] {
            override_input(&mut flake, "crates", Path::new(folder));
            override_input(&mut flake, "machine", Path::new(folder));
        }
        let names: Vec<String> = flake
            .overrides
            .iter()
            .map(|(input, reference)| format!("{input} {reference}"))
            .collect();
        let expected = [
            "nixpkgs path:/r",
            "nixpkgs/crates path:/two",
            "nixpkgs/machine path:/two",
        ];
        assert_eq!(names, expected);
    }
}

//! Machines in place of the hosts that a push deploys: installed as main was before it, given keys of this run, and asked
//! afterwards whether they run what the commit says, or boot it. The workflow knows nothing of it: the jobs' xtask is told
//! by a folder where hosts are (`evaluate::machines`).

mod boots;
mod builder;
mod folder;
mod judged;
mod keys;
pub mod lineup;
mod machines;
mod push;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ground::Ground;
use super::outcome::MachineReport;
use super::scene::Scene;
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::evaluate::apply::Wanted as Asked;
use crate::evaluate::machines::{Builder as Place, Places};
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::inventory::Inventory;
use crate::fleet::refs::{self, short};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::words::counted;
use crate::scenarios::addresses;
use crate::scenarios::budget::{available_memory, Budget};
use crate::scenarios::ground::Provisions;

use builder::Builder;
use folder::Of;
use judged::{left_out, Booted, Expected, Seen};
pub use judged::{planned, Asking};
use keys::Keys;
use lineup::{Lineup, Room};
use machines::{Machines, Start, Wanted};
use push::Push;

/// What the machines' guard is compiled from, beside the lock file.
const GUARD: [&str; 2] = ["guard", "Cargo.lock"];

/// What stands while the jobs run; the machines end when it is dropped.
pub struct Rehearsal {
    lineup: Lineup,
    installed: BTreeMap<HostName, StorePath>,
    /// The fleet as the jobs deploy it.
    deployed: Fleet,
    commit: String,
    machines: Machines,
    _builder: Builder,
    folder: PathBuf,
    deploy_key: String,
}

/// What is rehearsed.
pub struct Setting<'a> {
    pub global: &'a Global,
    pub fleet: &'a Fleet,
    pub cache: &'a CacheDir,
    pub ground: &'a Ground,
    pub scene: &'a Scene,
    pub logs: &'a Path,
}

/// Which machines would stand in.
///
/// # Errors
/// Usage, if the push deploys nothing that can be rehearsed.
pub async fn plan(fleet: &Fleet, scene: &Scene, asking: Asking<'_>) -> Result<Lineup> {
    if fleet.stage != Stage::Rehearsal {
        return Err(
            Failure::usage("machines stand in for hosts in the rehearsal stage only")
                .try_next("--stage rehearsal")
                .into(),
        );
    }
    let survey = fleet.survey().await?;
    let names = survey.names();
    let hosts = &survey.inventory.hosts;
    let known: Vec<refs::Known> = names
        .iter()
        .map(|name| refs::Known {
            name,
            deployable: hosts.get(name).is_none_or(|host| host.deployable),
        })
        .collect();
    let message = scene.checkout.message(&scene.commit).await?;
    let meaning = refs::meaning(&scene.branch, &message, &known)?;
    let system = fleet.nix.capabilities().await?.system;
    let room = Room {
        system: &system,
        machines: Budget::new(None, 1, available_memory()).machines,
    };
    Ok(lineup::lineup(
        &meaning,
        asking.only(),
        &survey.inventory,
        room,
    )?)
}

impl Setting<'_> {
    /// Builds what the machines are installed with, starts them, and opens the builder's door.
    ///
    /// # Errors
    /// Missing, if a tool is; usage, if what is here is not the commit's; failed, if a machine does not come up.
    pub async fn set_up(&self, lineup: Lineup) -> Result<Rehearsal> {
        let provisions = Provisions::provide(self.global).await?;
        let programs = self.programs().await?;
        let push = Push::of(self.scene).await?;
        let (fleet, ground) = (self.fleet, self.ground);
        let keys = Keys::make(&fleet.nix, &ground.place("keys")).await?;
        let repository = ground.place("forge.git");
        push.publish(self.scene, &repository).await?;

        let (installed, inventory) = self.installed(&lineup, &push, &programs).await?;
        report::say(&format!(
            "starting {} in place of {}",
            counted(lineup.machines.len(), "machine"),
            names(&lineup.machines)
        ));
        let wanted = lineup.machines.iter().filter_map(|host| {
            Some(Wanted {
                host: host.clone(),
                toplevel: installed.get(host)?.clone(),
                address: addresses::of_host(host.as_str(), &inventory),
            })
        });
        let start = Start {
            provisions,
            cache: fleet.cache.machines(),
            logs: self.logs.join("machines"),
            nix: harness::scenario::Nix {
                bin: fleet
                    .nix
                    .program()
                    .parent()
                    .unwrap_or(Path::new("/"))
                    .to_owned(),
                conf_dir: fleet.nix.conf_dir().map(Path::to_owned),
            },
            wanted: wanted.collect(),
            trust: machines::trust(&keys)?,
        };
        let machines = tokio::task::spawn_blocking(move || start.start())
            .await
            .context("the thread that starts machines ended")??;

        let folder = ground.place("machines");
        let builder_folder = ground.place("builder");
        std::fs::create_dir_all(&builder_folder)
            .with_context(|| format!("cannot make the folder {}", builder_folder.display()))?;
        let door = builder::Plan {
            folder: &builder_folder,
            guard: &folder.join("crates/bin/slipway-guard"),
            repository: &repository,
            push: &push,
            keys: &keys,
            nix: &fleet.nix,
            machines: &folder,
            cache: &ground.jobs_cache(self.cache)?,
        };
        let builder = door.open(fleet.git()?).await?;
        let places = Places {
            hosts: machines.doors()?,
            builder: Some(Place {
                host: lineup.builder.clone(),
                user: builder.user.clone(),
                door: builder.door.clone(),
            }),
            slowness: machines.slowness,
        };
        let standing = folder::lay_out(&folder, Of::Deployed, &programs, &places)?;
        report::say(&format!(
            "{} is asked for releases on this machine, and takes {}",
            lineup.builder,
            match push.trusted == self.scene.commit {
                true => "the commit as it is, for it is on main".to_owned(),
                false => format!("signed commits since {}", short(&push.trusted)),
            }
        ));
        Ok(Rehearsal {
            installed,
            deployed: fleet.on_machines(standing).await?,
            commit: self.scene.commit.clone(),
            machines,
            _builder: builder,
            folder,
            deploy_key: keys.deploy_private,
            lineup,
        })
    }

    /// Our programs as hosts run them, which have to be the commit's.
    async fn programs(&self) -> Result<PathBuf> {
        let programs = self.fleet.own_programs().ok_or_else(|| {
            Failure::usage(
                "no machine can have a guard: this fleet is not in a repository with its sources",
            )
            .try_next("cargo xtask vm-test, whose machines are of the fleet in this repository")
        })?;
        let differing = self.fleet.git()?.different("HEAD").await?;
        let ours = |file: &&String| GUARD.iter().any(|it| file.starts_with(it));
        if let Some(file) = differing.iter().find(ours) {
            return Err(Failure::usage(format!(
                "the machines would have another guard than the commit's: {file} has changes"
            ))
            .try_next("git commit, or git stash")
            .into());
        }
        Ok(programs.to_owned())
    }

    /// What the machines are installed with, built, and what the fleet says of them.
    async fn installed(
        &self,
        lineup: &Lineup,
        push: &Push,
        programs: &Path,
    ) -> Result<(BTreeMap<HostName, StorePath>, Inventory)> {
        let folder = self.ground.place("installed");
        let standing = folder::lay_out(&folder, Of::Installed, programs, &Places::default())?;
        let fleet = self.fleet.on_machines(standing).await?;
        let inventory = self.fleet.survey().await?.inventory;
        let before = fleet.at(&push.before).await?;
        if let Some(toplevels) = toplevels(&before, &lineup.machines).await? {
            report::say(&format!(
                "machines are installed as of {}",
                short(&push.before)
            ));
            return Ok((toplevels, inventory));
        }
        let commit = fleet.at(&self.scene.commit).await?;
        let toplevels = toplevels(&commit, &lineup.machines).await?.ok_or_else(|| {
            Failure::usage(
                "the stand-in of this commit (nix/rehearsal) knows no machines in place of hosts",
            )
            .try_next("git rebase main")
        })?;
        report::say(&format!(
            "machines are installed as of the commit itself: {} cannot be, or has not got all of these hosts",
            short(&push.before)
        ));
        Ok((toplevels, inventory))
    }
}

/// Built; none if one of them is no machine that can be deployed, or not there.
async fn toplevels(
    fleet: &Fleet,
    hosts: &[HostName],
) -> Result<Option<BTreeMap<HostName, StorePath>>> {
    let asked = Asked {
        inventory: true,
        toplevel: true,
        ..Asked::default()
    };
    let found = fleet.evaluate_hosts(hosts, asked).await?;
    let mut derivations = Vec::new();
    let mut toplevels = BTreeMap::new();
    for (host, done) in found.healthy {
        let guarded = done.inventory.is_some_and(|host| host.guard);
        if let Some(toplevel) = done.toplevel.filter(|_| guarded) {
            derivations.push(toplevel.drv);
            toplevels.insert(host, toplevel.out);
        }
    }
    if toplevels.len() < hosts.len() {
        return Ok(None);
    }
    fleet
        .nix
        .build_unlinked(&derivations, fleet.stage)
        .success()
        .await
        .context("cannot build what the machines are installed with")?;
    Ok(Some(toplevels))
}

impl Rehearsal {
    /// What the jobs' xtask is to find in its environment.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The secret of the forge.
    pub fn deploy_key(&self) -> &str {
        &self.deploy_key
    }

    /// What each machine runs, held against what this commit is. One on which it waits for its boot is rebooted.
    ///
    /// # Errors
    /// If the commit cannot be evaluated at all; a host that cannot is a row.
    pub async fn look(&self, asking: Asking<'_>) -> Result<Vec<MachineReport>> {
        let asked = Asked {
            toplevel: true,
            ..Asked::default()
        };
        let fleet = self.deployed.at(&self.commit).await?;
        let mut wanted = fleet.evaluate_hosts(&self.lineup.machines, asked).await?;
        let expected = asking.expected(self.lineup.boot);
        let mut all = Vec::new();
        for (host, running) in self.machines.running() {
            let toplevel = wanted.healthy.remove(&host).and_then(|it| it.toplevel);
            all.push(Seen {
                installed: self.installed.get(&host).cloned(),
                wanted: toplevel.map(|it| it.out),
                running,
                boot: None,
                host,
            });
        }
        let mut boots = match expected {
            Expected::Nothing => BTreeMap::new(),
            _ => self.boot(&all).await?,
        };
        let mut reports = left_out(&self.lineup);
        for mut seen in all {
            seen.boot = boots.remove(&seen.host);
            reports.push(seen.judged(expected));
        }
        reports.sort_by(|a, b| a.host.cmp(&b.host));
        Ok(reports)
    }

    /// Reboots those on which the commit's system waits for that. The inner error is why it is not known what came of it,
    /// or whether it waits.
    async fn boot(&self, all: &[Seen]) -> Result<BTreeMap<HostName, Result<Booted, String>>> {
        let asked = all.iter().filter_map(|seen| {
            let wanted = seen.wanted.clone()?;
            let machine = self.machines.of(&seen.host)?.clone();
            let runs_something_else = seen.running.as_ref().is_ok_and(|it| *it != wanted);
            runs_something_else.then(|| (seen.host.clone(), machine, wanted))
        });
        let asked = asked.collect();
        tokio::task::spawn_blocking(move || boots::all(asked))
            .await
            .context("the thread that reboots machines ended")
    }
}

fn names(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    names.join(", ")
}

//! Deployments: deploy-rs alone against `xtask deploy`, which deploys through the hosts' guards, on hosts of this machine
//! that each have a store, a Nix daemon, an sshd and a guard; and what a guard adds to a verb and to an activation.

pub mod figures;
mod fleet;
mod host;
mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::figures::Sample;
use super::machines::load;
use super::measure;
use crate::evaluate::Fleet;
use crate::fleet::inventory;
use crate::process::{own, Command};
use crate::report;
use crate::tools::cargo;
use crate::tools::deploy_rs::{self, Mode, Node, Profile, Profiles};
use crate::tools::ssh::Ssh;

use figures::{Added, Contender, Document, FleetFigures, Phase};
use fleet::{Generated, Size};
use host::{Ground, Host};
use keys::{Door, Keys};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Hosts in each fleet.
    pub sizes: Vec<u16>,
    /// Paths of the closure that a guard has to look at; 0 leaves that out.
    pub paths: u16,
    /// That an activation takes on a host of a fleet.
    pub seconds: u16,
    pub runs: u16,
}

/// Questions of each kind, for a median.
const QUESTIONS: u16 = 20;
/// The verb that reads a release.
const ACCEPT: &str = "accept-release";

/// Measures fleets, then what the guard adds. The contenders take turns, so that a machine that gets busy hits both.
///
/// # Errors
/// Missing, if this machine cannot have such hosts; else if a host does not come up, or a contender fails: a failure
/// measures nothing.
pub async fn measure(slipway: &Fleet, deploy_rs: PathBuf, options: &Options) -> Result<Document> {
    host::possible(&slipway.nix)?;
    let root = slipway
        .folder()
        .context("the guard is compiled from a Slipway on this machine")?;
    report::say("bench: compiling the guard as it is deployed");
    cargo::build_optimised("guard")
        .current_dir(root)
        .success()
        .await?;
    let dir = tempfile::Builder::new()
        .prefix("slipway-bench-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let bench = Bench {
        like: slipway,
        guard: cargo::optimised(root, "slipway-guard"),
        keys: Keys::new(&dir.path().join("keys"), &slipway.nix).await?,
        folder: dir.path().to_owned(),
        deploy_rs,
    };
    let load_before = load();
    let mut fleets = Vec::new();
    for &size in &options.sizes {
        fleets.extend(bench.fleet(size, options).await?);
    }
    let (verbs, activations) = match options.paths {
        0 => (Vec::new(), Vec::new()),
        paths => bench.guard(paths, options.runs).await?,
    };
    Ok(Document {
        version: 1,
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        runs: options.runs,
        activation_seconds: options.seconds,
        load_before,
        load_after: load(),
        fleets,
        verbs,
        activations,
    })
}

struct Bench<'a> {
    like: &'a Fleet,
    guard: PathBuf,
    keys: Keys,
    folder: PathBuf,
    deploy_rs: PathBuf,
}

impl Bench<'_> {
    async fn hosts(&self, size: u16, folder: &Path) -> Result<Vec<Host>> {
        let ground = Ground {
            nix: &self.like.nix,
            guard: &self.guard,
            keys: &self.keys,
            folder,
        };
        let mut hosts = Vec::new();
        for number in 1..=size {
            hosts.push(ground.start(number).await?);
        }
        Ok(hosts)
    }

    /// A fleet whose hosts have been deployed once, as whoever installs them does it.
    async fn generated(&self, folder: &Path, hosts: &[Host], size: Size) -> Result<Generated<'_>> {
        let activate = self.deploy_rs.with_file_name("activate");
        let repository = folder.join("fleet");
        let keys = &self.keys;
        let generated = Generated::new(repository, self.like, keys, &activate, hosts, size).await?;
        measure::all([self.alone(&generated)]).await?;
        Ok(generated)
    }

    async fn fleet(&self, size: u16, options: &Options) -> Result<Vec<FleetFigures>> {
        report::say(&format!(
            "bench: {}",
            report::words::counted(size.into(), "host")
        ));
        let folder = self.folder.join(format!("fleet-{size}"));
        let hosts = self.hosts(size, &folder).await?;
        let of_host = Size {
            paths: 0,
            seconds: options.seconds,
        };
        let mut fleet = self.generated(&folder, &hosts, of_host).await?;
        let mut samples: BTreeMap<Phase, BTreeMap<Contender, Vec<Sample>>> = BTreeMap::new();
        for run in 0..usize::from(options.runs) {
            let mut contenders = Contender::ALL;
            contenders.rotate_left(run % Contender::ALL.len());
            for contender in contenders {
                for phase in Phase::ALL {
                    let changed = match phase {
                        Phase::AllChanged => usize::MAX,
                        Phase::Unchanged => 0,
                        Phase::OneChanged => 1,
                    };
                    if changed > 0 {
                        fleet.change(changed).await?;
                    }
                    let command = match contender {
                        Contender::Xtask => self.xtask(&mut fleet, &folder).await?,
                        Contender::DeployRs => self.alone(&fleet),
                    };
                    let what = format!("{} ({})", contender.words(), phase.words());
                    let sample = measure::all([command]).await.context(what.clone())?;
                    report::say(&format!("  {what:<30} {:>6.2} s", sample.wall));
                    let samples = samples.entry(phase).or_default();
                    samples.entry(contender).or_default().push(sample);
                }
            }
        }
        Ok(samples
            .into_iter()
            .map(|(phase, samples)| FleetFigures::of(size, phase, &samples))
            .collect())
    }

    /// deploy-rs, every host of the flake, as root.
    fn alone(&self, fleet: &Generated<'_>) -> Command {
        let command = deploy_rs::deploy_all(&self.deploy_rs, &self.like.nix, fleet.folder());
        own_cache(command, &self.folder.join("cache/deploy-rs"))
    }

    /// What CI does with a release that it was given.
    async fn xtask(&self, fleet: &mut Generated<'_>, folder: &Path) -> Result<Command> {
        let release = folder.join("release.json");
        std::fs::write(&release, fleet.release().await?.to_wire()?)
            .with_context(|| format!("cannot write {}", release.display()))?;
        let cache = self.folder.join("cache/xtask");
        let command = Command::new(own::program())
            .args(["deploy", "--yes", "--plain", "--no-setup", "--stage"])
            .arg(self.like.stage.to_string())
            .arg("--flake")
            .arg(fleet.folder())
            .arg("--release")
            .arg(release)
            .env("SLIPWAY_CACHE", &cache)
            .env("SLIPWAY_STATE", self.folder.join("state"));
        // Its own Nix, and a deploy-rs that it need not install.
        let nix = &self.like.nix;
        let programs: Vec<&Path> = self.deploy_rs.parent().into_iter().collect();
        let command = nix.with_programs(nix.for_children(command), &programs);
        Ok(own_cache(command, &cache))
    }

    /// What a guard adds, on one host with a large closure.
    async fn guard(&self, paths: u16, runs: u16) -> Result<(Vec<Added>, Vec<Added>)> {
        report::say(&format!("bench: the guard of a host with {paths} paths"));
        let folder = self.folder.join("guard");
        let hosts = self.hosts(1, &folder).await?;
        let of_host = Size { paths, seconds: 0 };
        let mut fleet = self.generated(&folder, &hosts, of_host).await?;
        let host = hosts.first().context("a fleet without hosts")?;
        let through = self.keys.target(host, Door::Guard);
        let ssh = Ssh::knowing([&through]).await?;
        let mut activations = BTreeMap::<_, Vec<f64>>::new();
        for run in 0..usize::from(runs) {
            let mut doors = [Door::Guard, Door::Root];
            doors.rotate_left(run % 2);
            for door in doors {
                fleet.change(1).await?;
                let release = fleet.release().await?.to_wire()?;
                let accept = ssh.command(&through, ACCEPT).stdin(release);
                accept.success().await?;
                let node = tempfile::tempdir_in(&folder).context("cannot make a folder")?;
                let command = self.one(&fleet, host, door, node.path()).await?;
                let sample = measure::all([command]).await?;
                report::say(&format!("  {:<20} {:>6.2} s", door.words(), sample.wall));
                activations.entry(door).or_default().push(sample.wall);
            }
        }
        let of = |door| activations.get(&door).map_or(&[][..], Vec::as_slice);
        let what = format!("activation, {paths} paths");
        let activation = Added::of(what, of(Door::Guard), of(Door::Root));
        Ok((self.verbs(&ssh, host, &mut fleet).await?, vec![activation]))
    }

    /// Against a command that does nothing, as the same user over the same sshd.
    async fn verbs(&self, ssh: &Ssh, host: &Host, fleet: &mut Generated<'_>) -> Result<Vec<Added>> {
        let [guard, shell] = [Door::Guard, Door::Shell].map(|door| self.keys.target(host, door));
        let release = fleet.release().await?.to_wire()?;
        let mut verbs = Vec::new();
        for (verb, input) in [("status", ""), ("history", ""), (ACCEPT, &release)] {
            let [mut with, mut without] = [Vec::new(), Vec::new()];
            for _ in 0..QUESTIONS {
                for (target, command, times) in
                    [(&guard, verb, &mut with), (&shell, "true", &mut without)]
                {
                    let asked = ssh.command(target, command).stdin(input).success().await?;
                    times.push(asked.wall.as_secs_f64());
                }
            }
            verbs.push(Added::of(verb.to_owned(), &with, &without));
        }
        Ok(verbs)
    }

    /// deploy-rs with a prebuilt closure and nothing to evaluate, for one host by one door.
    async fn one(
        &self,
        fleet: &Generated<'_>,
        host: &Host,
        door: Door,
        folder: &Path,
    ) -> Result<Command> {
        let target = self.keys.target(host, door);
        let closures = fleet.closures().await?;
        let closures = closures
            .get(host.name.as_str())
            .with_context(|| format!("the fleet has no {}", host.name))?;
        let node = Node {
            settings: inventory::Node {
                hostname: target.address,
                ssh_user: target.user,
                user: "root".to_owned(),
                ssh_opts: target.options,
                magic_rollback: true,
                auto_rollback: true,
                confirm_timeout: 30,
                activation_timeout: 240,
                fast_connection: false,
            },
            profiles: Profiles {
                system: Profile {
                    path: closures.profile.to_string(),
                    drv_path: closures.profile_drv.clone(),
                },
            },
        };
        deploy_rs::write_flake(folder, &host.name, &node)?;
        let (program, nix) = (&self.deploy_rs, &self.like.nix);
        let command = deploy_rs::deploy(program, nix, folder, &host.name, Mode::Switch);
        Ok(own_cache(command, &self.folder.join("cache/deploy-rs")))
    }
}

/// Nix's own caches of evaluations and sources; the user's are no part of this.
fn own_cache(command: Command, folder: &Path) -> Command {
    command.env("XDG_CACHE_HOME", folder)
}

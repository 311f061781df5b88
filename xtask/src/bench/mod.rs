//! `build-all` against plain Nix on generated fleets, in the same run: a serial loop of `nix build`, and one
//! `nix build` of all toplevels.

pub mod deploy;
pub mod figures;
mod fleet;
pub mod machine_figures;
pub mod machines;
mod measure;
pub mod workflows;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::evaluate::{self, Fleet};
use crate::process::{own, Command};
use crate::report;

use figures::{Contender, Figures, Phase, Sample};
use fleet::{Generated, Kind};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Hosts in each light fleet.
    pub sizes: Vec<u16>,
    /// Hosts in the heavy fleet; none if 0.
    pub heavy: u16,
    pub runs: u16,
}

/// Measures every fleet, phase and contender. The contenders take turns, so that a machine that gets busy hits all.
///
/// # Errors
/// If a fleet cannot be made, or a contender fails: a failure measures nothing.
pub async fn build_all(slipway: &Fleet, options: &Options) -> Result<Vec<Figures>> {
    let root = slipway
        .folder()
        .context("the generated fleets take their modules from a Slipway on this machine")?;
    let fleets = options
        .sizes
        .iter()
        .map(|&size| (Kind::Light, size))
        .chain((options.heavy > 0).then_some((Kind::Heavy, options.heavy)));
    let mut all = Vec::new();
    for (kind, size) in fleets {
        report::say(&format!("bench: {} hosts, {}", size, kind.words()));
        let generated = Generated::new(&slipway.nix, root, kind, size).await?;
        let bench = Bench::new(slipway, generated).await?;
        all.extend(bench.run(kind, size, options.runs).await?);
    }
    Ok(all)
}

/// One generated fleet and what its contenders need.
struct Bench {
    generated: Generated,
    /// The generated fleet as xtask opens it: its inputs' overrides go for every contender.
    fleet: Fleet,
    /// Builds at the same time, the same for all.
    jobs: u32,
}

impl Bench {
    async fn new(slipway: &Fleet, generated: Generated) -> Result<Self> {
        let fleet = evaluate::open_folder(slipway, &generated.folder()).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            generated,
            fleet,
            jobs: u32::try_from(cores).unwrap_or(1),
        })
    }

    async fn run(mut self, kind: Kind, size: u16, runs: u16) -> Result<Vec<Figures>> {
        let mut samples: BTreeMap<Phase, BTreeMap<Contender, Vec<Sample>>> = BTreeMap::new();
        for run in 0..usize::from(runs) {
            let mut contenders = Contender::ALL;
            contenders.rotate_left(run % Contender::ALL.len());
            for contender in contenders {
                for phase in Phase::ALL {
                    match phase {
                        Phase::Cold => self.generated.change_all().await?,
                        Phase::Warm => (),
                        Phase::OneChanged => self.generated.change_one().await?,
                    }
                    let sample = self
                        .measure(contender)
                        .await
                        .with_context(|| format!("{} ({})", contender.words(), phase.words()))?;
                    report::say(&format!(
                        "  {:<15} {:<11} {:>6.2} s",
                        contender.words(),
                        phase.words(),
                        sample.wall
                    ));
                    samples
                        .entry(phase)
                        .or_default()
                        .entry(contender)
                        .or_default()
                        .push(sample);
                }
            }
        }
        Ok(samples
            .into_iter()
            .map(|(phase, samples)| Figures::of(kind.words(), size, phase, &samples))
            .collect())
    }

    async fn measure(&self, contender: Contender) -> Result<Sample> {
        match contender {
            Contender::BuildAll => {
                let report = self.generated.work().join("report.json");
                let mut sample = measure::all([self.build_all(&report)]).await?;
                sample.evaluation = Some(measure::evaluation(&report)?);
                Ok(sample)
            }
            Contender::Serial => {
                let hosts = self.generated.hosts();
                measure::all(hosts.map(|host| self.nix_build([host]))).await
            }
            Contender::OneBuild => measure::all([self.nix_build(self.generated.hosts())]).await,
        }
    }

    fn build_all(&self, report: &Path) -> Command {
        let command = Command::new(own::program())
            .args(["build-all", "--plain", "--no-setup", "--stage"])
            .arg(self.fleet.stage.to_string())
            .arg("--flake")
            .arg(self.generated.folder())
            .args(["--jobs", &self.jobs.to_string()])
            .arg("--json")
            .arg(report)
            .env("SLIPWAY_CACHE", self.generated.work().join("slipway"));
        self.own_caches(self.fleet.nix.for_children(command), "build-all")
    }

    /// With the flags that `build-all` gives to its own Nix.
    fn nix_build<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> Command {
        let flake = &self.fleet.flake;
        let installables = hosts
            .into_iter()
            .map(|host| toplevel(&flake.reference, host));
        let command = self
            .fleet
            .nix
            .plain_build(flake, self.fleet.stage, self.jobs)
            .args(installables);
        self.own_caches(command, "nix")
    }

    /// Nix's own caches of evaluations and sources; the user's are no part of this.
    fn own_caches(&self, command: Command, name: &str) -> Command {
        command.env("XDG_CACHE_HOME", self.generated.work().join(name))
    }
}

fn toplevel(reference: &str, host: &str) -> String {
    format!("{reference}#nixosConfigurations.{host}.config.system.build.toplevel")
}

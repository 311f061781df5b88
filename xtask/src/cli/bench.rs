//! Measurements.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Accel;

#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    pub command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Generated fleets: build-all against a serial loop and one `nix build`
    BuildAll(BenchBuildAll),
    /// Virtual machines: image, boots, snapshots, several at once, against plain QEMU
    Vm(BenchVm),
    /// ci-local against the same commands typed by hand
    CiLocal(BenchCiLocal),
    /// Deployments to hosts on this machine: xtask deploy against deploy-rs alone, and what a guard adds
    Deploy(BenchDeploy),
}

#[derive(Debug, Args)]
pub struct BenchDeploy {
    /// Hosts in a fleet
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 4, 16], value_parser = clap::value_parser!(u16).range(1..=99))]
    pub sizes: Vec<u16>,
    /// Paths of the closure that a guard looks at; 0 leaves the guard out
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = clap::value_parser!(u16).range(0..=30000))]
    pub paths: u16,
    /// What an activation takes on a host of a fleet, as units that restart do
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=30))]
    pub activation: u16,
    /// Runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchCiLocal {
    /// Jobs that wait for each other
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub jobs: u16,
    /// Runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchBuildAll {
    /// Hosts in a generated fleet
    #[arg(long, value_delimiter = ',', default_values_t = [5, 50, 200])]
    pub sizes: Vec<u16>,
    /// Hosts in the fleet whose hosts each cost a second to evaluate; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub heavy: u16,
    /// Runs of each measurement; the median is reported
    #[arg(long, default_value_t = 3)]
    pub runs: u16,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchVm {
    /// Runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// The most machines that are started at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub at_once: u16,
    /// Leave out the building of an image
    #[arg(long)]
    pub no_image: bool,
    /// What runs the guests' CPUs
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

//! Virtual machines, and scenarios on them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub struct VmTest {
    /// Scenarios, cells (boot-Niko), controls (NAME-control-1, CELL-control-1), or the beginning of names (boot*)
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Play every scenario
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// List scenarios, their machines and cells, and where each can be played
    #[arg(long, conflicts_with_all = ["check", "all", "junit", "json", "matrix"])]
    pub list: bool,
    /// Read every scenario and start nothing
    #[arg(long, conflicts_with_all = ["all", "junit", "json", "matrix"])]
    pub check: bool,
    /// Plays at the same time [default: what memory and CPUs bear]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Leave the machines of a failed play as they are, to look at them
    #[arg(long)]
    pub keep_failed: bool,
    /// Play each this often, and say how often it passed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Boot every machine for real, without snapshots of installed machines
    #[arg(long)]
    pub cold: bool,
    /// What runs the guests' CPUs
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Write the results in the form that CI servers read, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the cells of all matrices that were played as Markdown tables
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// Multiply every time-out, beside the measured speed of this machine
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = scale)]
    pub timeout_scale: f64,
    /// Harmonia's program, for the machine that serves the cache [default: harmonia-cache on PATH, else nginx takes its place]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["list", "check"])]
    pub harmonia: Option<PathBuf>,
    /// Stage nixos: open the driver's shell instead of playing
    #[arg(long, conflicts_with_all = ["all", "list", "check", "junit", "json", "matrix"])]
    pub interactive: bool,
}

#[derive(Debug, Args)]
pub struct Vm {
    #[command(subcommand)]
    pub command: VmCommand,
}

#[derive(Debug, Subcommand)]
pub enum VmCommand {
    /// Start a host as a machine; it runs until it is stopped, and keeps its disk
    Start(VmStart),
    /// A shell on a machine, or one command
    Shell(VmShell),
    /// The serial console of a machine; needs none of its network
    Console(VmConsole),
    /// List the machines that run, those that are stopped, and those that failed plays left
    List(VmList),
    /// Power machines off; one that does not go is ended
    Stop(VmStop),
    /// Remove what machines left on the disk, the longest unused first
    Gc(VmGc),
    /// The process that holds a machine
    #[command(hide = true)]
    Hold,
}

#[derive(Debug, Args)]
pub struct VmStart {
    /// A host of the fleet
    pub host: String,
    /// A file of tests/generations, added to the host's configuration [default: the host as configured]
    #[arg(long, value_name = "G")]
    pub generation: Option<String>,
    /// A port of this machine that leads to one of the guest's, as 8080:80
    #[arg(long = "forward", value_name = "PORT:PORT", value_parser = forward)]
    pub forwards: Vec<Forward>,
    /// Begin with a new disk instead of the one that it had
    #[arg(long)]
    pub fresh: bool,
}

/// A port of this machine, and that of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    pub host: u16,
    pub guest: u16,
}

fn forward(text: &str) -> Result<Forward, String> {
    let ports = text.split_once(':').and_then(|(host, guest)| {
        Some(Forward {
            host: host.parse().ok().filter(|port| *port > 0)?,
            guest: guest.parse().ok().filter(|port| *port > 0)?,
        })
    });
    ports.ok_or_else(|| "two ports, as 8080:80".to_owned())
}

#[derive(Debug, Args)]
pub struct VmShell {
    /// A host that was started, or PLAY/MACHINE that `vm-test --keep-failed` left
    pub name: String,
    /// A command instead of a shell
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VmConsole {
    /// A host that was started, or PLAY/MACHINE that `vm-test --keep-failed` left
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VmList {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VmStop {
    /// Only these machines [default: all that run]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VmGc {
    /// What may stay
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = size)]
    pub limit: u64,
}

/// `5G`, `500M`, `0`: bytes, in powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let shift = match unit.trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("a size such as 5G or 500M".to_owned()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "a size such as 5G or 500M".to_owned())
}

/// `harness::Wanted`, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    Kvm,
    Tcg,
    /// KVM if a guest runs with it, else TCG
    Auto,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.1..=100.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0.1 to 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_that_people_type() {
        for (text, bytes) in [
            ("0", 0),
            ("5G", 5 << 30),
            ("500m", 500 << 20),
            ("1TiB", 1 << 40),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "G", "5 G", "-1", "5X", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_forward_is_two_ports() {
        let forward = |text| forward(text).map(|it| (it.host, it.guest));
        assert_eq!(forward("8080:80"), Ok((8080, 80)));
        for bad in ["", "80", "0:80", "8080:0", "8080:80:1", "70000:80", "a:b"] {
            assert!(forward(bad).is_err(), "{bad}");
        }
    }
}

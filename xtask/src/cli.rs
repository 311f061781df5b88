//! The command line as types. No I/O.

mod bench;
mod build;
mod cache;
mod ci;
mod deploy;
mod hosts;
mod machines;
mod secrets;
mod setup;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bench::*;
pub use build::*;
pub use cache::*;
pub use ci::*;
pub use deploy::*;
pub use hosts::*;
pub use machines::*;
pub use secrets::*;
pub use setup::*;

/// Builds, compares and checks the hosts of a NixOS fleet.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    propagate_version = true
)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The fleet: a folder with a flake.nix, or any flake reference [default: this repository]
    #[arg(
        long,
        global = true,
        value_name = "REF",
        env = "SLIPWAY_FLAKE",
        hide_env_values = true
    )]
    pub flake: Option<String>,

    /// Where nixpkgs, deploy-rs and sops-nix come from
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = StageChoice::Auto,
        env = "SLIPWAY_STAGE",
        hide_env_values = true
    )]
    pub stage: StageChoice,

    /// Never install anything; say what is missing instead
    #[arg(long, global = true)]
    pub no_setup: bool,

    /// Show Nix's whole trace when an evaluation fails
    #[arg(long, global = true)]
    pub show_trace: bool,

    /// Plain lines instead of live ones, even on a terminal
    #[arg(long, global = true)]
    pub plain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StageChoice {
    /// The locked inputs where they can be had, else the rehearsal stand-ins
    Auto,
    /// The locked inputs: what is deployed
    Nixos,
    /// The repository's own stand-ins: never deployed
    Rehearsal,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install what this machine lacks into a private cache folder
    Setup(Setup),
    /// Say what is found, missing or too old here, and what it is for
    Doctor(Doctor),
    /// List the fleet's hosts, or add one
    Hosts(Hosts),
    /// Show the deploy-rs nodes that are made from the hosts
    Nodes(Nodes),
    /// Evaluate and build every host
    BuildAll(BuildAll),
    /// Show what changes on each host between two revisions
    Diff(Diff),
    /// Update the inputs, build every host with them, and commit that on a branch with what changes
    Update(Update),
    /// On the signer: verify a commit, build its hosts, and sign what each is to have; with --from, ask the fleet's builder
    Release(Release),
    /// Deploy a ref's hosts in waves, and say what each of them really runs afterwards
    Deploy(Deploy),
    /// Ask the hosts what they run, and say how far that is from `main`
    Status(Status),
    /// Show what the hosts' guards recorded: who deployed what, and how it ended
    History(History),
    /// Return a host to a closure that its guard recorded as good
    Rollback(Rollback),
    /// Reboot hosts through their guards, in waves, and say whether they came back healthy
    Reboot(Reboot),
    /// Run `nix flake check`; look at workflows, renovate.json, secrets, formats and lints
    Check(Check),
    /// Run the repository's workflows on this machine, with the real act
    CiLocal(CiLocal),
    /// The fleet's binary cache: its key, what hosts would get of it, what gets into it and what stays
    Cache(Cache),
    /// Say who can read the fleet's secrets, and encrypt them to whom the fleet says
    Secrets(Secrets),
    /// Tell a workflow which hosts to build, as its matrix
    Matrix(Matrix),
    /// Tell a pull request what changes on each host: packages, units, reboots
    Report(Report),
    /// Format the Nix files as nixfmt does
    Fmt(Fmt),
    /// Test everything that this machine can test
    Test(Test),
    /// Play scenarios on virtual machines of the fleet's hosts
    VmTest(VmTest),
    /// Start any host of the fleet as a virtual machine, to look at it
    Vm(Vm),
    /// Measure against plain Nix in the same run
    Bench(Bench),
    /// Print shell completions
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The help of all commands below this one; what every command takes is told at the top alone.
    fn help_below(command: &clap::Command, all: &mut String) {
        for below in command.get_subcommands() {
            if below.get_name() == "help" {
                continue;
            }
            let mut own = below.clone().mut_args(|arg| {
                let global = arg.is_global_set();
                arg.hide(global)
            });
            all.push_str(&format!("──── {}\n", own.render_help()));
            help_below(below, all);
        }
    }

    #[test]
    fn every_command_says_what_it_takes() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut all = command.render_long_help().to_string();
        help_below(&command, &mut all);
        insta::assert_snapshot!(all);
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}

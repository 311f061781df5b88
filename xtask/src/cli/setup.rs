//! What a machine has, gets and tests.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct Setup {
    /// Install only these [default: nix, deploy-rs and act]
    #[arg(value_enum)]
    pub tools: Vec<ToolChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToolChoice {
    Nix,
    /// A second, newer Nix, for the tests that read its output
    NixNewer,
    DeployRs,
    Act,
    /// For the check of workflow files
    Actionlint,
    /// For the check of renovate.json; no other command installs it
    Renovate,
    /// QEMU, firmware and image tools, for virtual machines
    Vm,
    /// For the tests of the scenarios' interpreter in stage nixos
    Pytest,
    /// Prometheus with Alertmanager, node exporter and their tools, for the tests of alerts
    Prometheus,
    /// For secrets rekey
    Sops,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Test {
    /// Run only the parts with this word in their name
    pub filter: Option<String>,
    /// A skip is a failure, as it is in CI
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub no_skips: bool,
    /// Of the tests with virtual machines only the core, as in CI
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub core: bool,
}

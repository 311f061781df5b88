//! The inventory.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Hosts {
    #[command(flatten)]
    pub list: HostsList,
    #[command(subcommand)]
    pub command: Option<HostsCommand>,
}

#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// List the fleet's hosts
    List(HostsList),
    /// Write the folder of a new host; nothing else needs an edit
    Add(HostsAdd),
}

#[derive(Debug, Args)]
pub struct HostsList {
    /// The inventory as one JSON document
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// How to print the hosts
    #[arg(long, value_enum, default_value_t = HostsFormat::Table)]
    pub format: HostsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HostsFormat {
    Table,
    /// The table of docs/hosts.md
    Markdown,
    /// The CI matrix: host, system and runner label
    Matrix,
}

#[derive(Debug, Args)]
pub struct HostsAdd {
    /// The new host's name
    pub name: String,
    /// Where deployments reach it: an IP address or a name
    #[arg(long)]
    pub address: String,
    /// The host whose folder is copied
    #[arg(long, value_name = "HOST", default_value = "Template")]
    pub from: String,
}

#[derive(Debug, Args)]
pub struct Nodes {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

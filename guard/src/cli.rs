//! What is typed. No I/O.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{builder, config, upgrade};

/// Takes what a signed release names for this host, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "slipway-guard", version, max_term_width = 120)]
pub struct Cli {
    /// The guard's configuration.
    #[arg(long, global = true, default_value = config::FILE, value_name = "FILE")]
    pub config: PathBuf,
    #[command(subcommand)]
    pub door: Door,
}

#[derive(Debug, Subcommand)]
pub enum Door {
    /// Answers one ssh connection of a deploy key: its forced command.
    Ssh {
        /// Whose key it is, for the history.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
    },
    /// Answers one ssh connection of a key that may ask the builder for releases: its forced command.
    Release {
        /// Whose key it is, for the journal.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        /// The door's configuration.
        #[arg(long, default_value = builder::FILE, value_name = "FILE")]
        builder: PathBuf,
    },
    /// Serves the guard's socket, as root.
    Serve,
    /// Repairs what a power cut left, early in every boot.
    Boot,
    /// Asks the service, as root on the host itself: status, history, hold, rollback, …
    Local {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Looks for a newer release, and has it activated: pull mode, which a timer starts.
    Upgrade {
        /// Where it looks.
        #[arg(long, default_value = upgrade::FILE, value_name = "FILE")]
        settings: PathBuf,
    },
    /// Writes the host's figures for Prometheus; `--config` names the collector's settings.
    Metrics {
        /// Replaced as a whole.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Lists what a refusal's code means.
    Codes,
    /// Runs one activation; the service starts it.
    #[command(hide = true)]
    Activate {
        #[arg(long)]
        order: PathBuf,
    },
}

//! Encrypted secrets.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    pub command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Say to whom each secret is encrypted, and whether to anybody else than it should be
    Check(SecretsCheck),
    /// Encrypt anew what is not encrypted to whom the fleet says
    Rekey(SecretsRekey),
}

#[derive(Debug, Args)]
pub struct SecretsCheck {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SecretsRekey {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

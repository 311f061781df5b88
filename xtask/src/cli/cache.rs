//! The binary cache.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Cache {
    #[command(subcommand)]
    pub command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Print the public keys of the fleet's builder, as hosts have them
    Key,
    /// Ask the cache for each host's closure as the host would: narinfos, signatures, a NAR
    Verify(CacheVerify),
}

#[derive(Debug, Args)]
pub struct CacheVerify {
    /// Only these hosts [default: all that use the fleet's cache]
    pub hosts: Vec<String>,
    /// Ask the hosts what they run and boot, too: what a deployment that fails returns to
    #[arg(long)]
    pub running: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

//! The binary cache.

use std::path::PathBuf;

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
    /// Build hosts, sign them, and put into the cache what it lacks; a generation of each keeps it there
    Push(CachePush),
    /// Let the cache collect all but the newest generations of each host, and what hosts run, boot and go back to
    Gc(CacheGc),
}

#[derive(Debug, Args)]
pub struct CacheVerify {
    /// Only these hosts [default: all that use the fleet's cache]
    pub hosts: Vec<String>,
    /// Ask the hosts what they run, boot and go back to, too: what a deployment that fails returns to
    #[arg(long)]
    pub running: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CachePush {
    /// Only these hosts [default: all that use the fleet's cache]
    pub hosts: Vec<String>,
    /// The host that serves the cache [default: the only one of the fleet]
    #[arg(long, value_name = "HOST")]
    pub cache: Option<String>,
    /// The Nix key that signs [default: the signer's, on the signer; else what is signed already]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The signer's own configuration [default: /etc/slipway/signer.toml, if it is there]
    #[arg(
        long,
        value_name = "FILE",
        env = "SLIPWAY_SIGNER",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CacheGc {
    /// Generations of each host that are kept, whatever it runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep: u16,
    /// Let go of hosts that are not in the fleet any more
    #[arg(long)]
    pub gone: bool,
    /// Only say what would be kept
    #[arg(long)]
    pub plan: bool,
    /// The host that serves the cache [default: the only one of the fleet]
    #[arg(long, value_name = "HOST")]
    pub cache: Option<String>,
    /// The signer's own configuration, which names the key for the cache [default: /etc/slipway/signer.toml, if it is there]
    #[arg(
        long,
        value_name = "FILE",
        env = "SLIPWAY_SIGNER",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

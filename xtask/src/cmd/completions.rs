//! `cargo xtask completions`.

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, Completions, Global};
use crate::failure::Exit;
use crate::report;

pub async fn run(_global: &Global, args: Completions) -> Result<Exit> {
    // The program on PATH is `xtask` (from `nix run` or `cargo install`); cargo completes its own aliases.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "xtask", &mut script);
    report::data(&String::from_utf8(script)?)?;
    Ok(Exit::Passed)
}

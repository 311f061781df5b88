//! `cargo xtask setup`.

use anyhow::{bail, Result};

use crate::cli::{Global, Setup, ToolChoice};
use crate::failure::Exit;
use crate::report;
use crate::setup;

pub async fn run(global: &Global, args: Setup) -> Result<Exit> {
    let tools = if args.tools.is_empty() {
        vec![ToolChoice::Nix]
    } else {
        args.tools
    };
    for tool in tools {
        let program = match tool {
            ToolChoice::Nix => setup::nix(global).await?.program().to_owned(),
            ToolChoice::NixNewer => setup::newer_nix(global).await?.program().to_owned(),
            ToolChoice::DeployRs | ToolChoice::Act => bail!("not built yet"),
        };
        report::say(&format!("setup: {} is ready", program.display()));
    }
    Ok(Exit::Passed)
}

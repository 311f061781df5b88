//! `cargo xtask setup`.

use anyhow::Result;

use crate::cli::{Global, Setup, ToolChoice};
use crate::failure::Exit;
use crate::report;
use crate::setup;

pub async fn run(global: &Global, args: Setup) -> Result<Exit> {
    let tools = if args.tools.is_empty() {
        setup::git(global).await?;
        vec![ToolChoice::Nix, ToolChoice::DeployRs, ToolChoice::Act]
    } else {
        args.tools
    };
    for tool in tools {
        let program = match tool {
            ToolChoice::Nix => setup::nix(global).await?.program().to_owned(),
            ToolChoice::NixNewer => setup::newer_nix(global).await?.program().to_owned(),
            ToolChoice::DeployRs => setup::deploy_rs(global).await?,
            ToolChoice::Actionlint => setup::actionlint(global).await?,
            ToolChoice::Renovate => setup::renovate(global).await?,
            ToolChoice::Act => setup::act(global).await?,
            ToolChoice::Vm => setup::vm(global).await?,
            ToolChoice::Sops => setup::sops(global).await?,
            ToolChoice::Pytest => setup::pytest(global).await?,
            ToolChoice::Prometheus => setup::prometheus(global).await?,
        };
        report::say(&format!("setup: {} is ready", program.display()));
    }
    Ok(Exit::Passed)
}

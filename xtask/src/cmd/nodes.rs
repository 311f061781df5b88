//! `cargo xtask nodes`.

use anyhow::Result;

use crate::cli::{Global, Nodes};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Nodes) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let text = if args.json {
        report::hosts::nodes_json(&survey.inventory)?
    } else {
        report::hosts::nodes(&survey.inventory)
    };
    report::data(&text);
    Ok(report::unhealthy(&fleet, &survey))
}

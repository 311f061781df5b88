//! `cargo xtask nodes`.

use anyhow::Result;

use crate::cli::{Global, Nodes};
use crate::evaluate::{self, render};
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Nodes) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let text = if args.json {
        render::nodes_json(&survey.inventory)?
    } else {
        render::nodes(&survey.inventory)
    };
    report::data(&text)?;
    Ok(fleet.tell_failures(&survey))
}

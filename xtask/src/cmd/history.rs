//! `cargo xtask history`.

use anyhow::Result;

use crate::cli::{Global, History};
use crate::deploy::verbs;
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: History) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let histories = verbs::history(&fleet, &survey, &args.hosts, args.limit).await?;
    report::answer(&histories, args.json, verbs::text)?;
    Ok(Exit::passed_if(histories.complete()))
}

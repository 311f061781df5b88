//! `cargo xtask status`.

use anyhow::Result;

use crate::cli::{Global, Status};
use crate::deploy::status;
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Status) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let answer = status::of(&fleet, &survey, &args.hosts).await?;
    let text = if args.json {
        report::json(&answer)?
    } else {
        status::text(&answer)
    };
    report::data(&text)?;
    Ok(if answer.all_answered() {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

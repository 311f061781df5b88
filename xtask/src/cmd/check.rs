//! `cargo xtask check`.

use anyhow::Result;

use crate::check;
use crate::cli::{Check, Global};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Check) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let report = check::run(global, fleet).await?;
    if args.json {
        report::data(&report::json(&report)?)?;
    } else {
        report::data(&check::render::text(&report))?;
    }
    Ok(if report.passed {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

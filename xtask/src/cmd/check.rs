//! `cargo xtask check`.

use anyhow::Result;

use crate::check;
use crate::cli::{Check, Global};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Check) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let report = check::run(fleet).await?;
    if args.json {
        report::data(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        report::data(&report::check::render(&report));
    }
    Ok(if report.passed {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

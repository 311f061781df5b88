//! `cargo xtask hosts`.

use anyhow::Result;

use crate::cli::{Global, Hosts};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Hosts) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    report::data(&format!(
        "{}\n",
        serde_json::to_string_pretty(&survey.inventory)?
    ));
    for (h, e) in &survey.failed {
        report::say(&format!("{h} {e}"));
    }
    let _ = args;
    Ok(Exit::Passed)
}

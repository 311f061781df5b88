//! `cargo xtask rollback`.

use anyhow::Result;

use crate::cli::{Global, Rollback};
use crate::deploy::status;
use crate::deploy::verbs::{self, Change};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Rollback) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    // Who does not exist is not asked about.
    let target = status::target(&survey, &args.host, fleet.stage)?;
    if !args.yes && !report::confirm(&format!("Return {} to an earlier closure?", args.host))? {
        report::say("nothing was done");
        return Ok(Exit::Failed);
    }
    let changed = verbs::change(&fleet, &survey, &target, Change::Rollback(args.to)).await?;
    let text = if args.json {
        report::json(&changed.after)?
    } else {
        status::text(&changed.after)
    };
    report::data(&text)?;
    Ok(if changed.is_good() {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

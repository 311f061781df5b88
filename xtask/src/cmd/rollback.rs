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
    let change = Change::Rollback(args.to);
    let Some(changed) = verbs::change(&fleet, &args.host, change, args.yes).await? else {
        return Ok(Exit::Failed);
    };
    report::answer(&changed.after, args.json, status::text)?;
    Ok(Exit::passed_if(changed.is_good()))
}

//! `cargo xtask diff`.

use anyhow::Result;

use crate::cli::{Diff, Global};
use crate::diff::fleets::{self, Known};
use crate::diff::render;
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Diff) -> Result<Exit> {
    let now = evaluate::open(global).await?;
    let old = Known::of(now.at(&args.rev).await?, &args.rev).await?;
    let new = match &args.to {
        Some(revision) => Known::of(now.at(revision).await?, revision).await?,
        None => Known::of(now, "the working tree").await?,
    };
    let diff = fleets::compare(&old, &new, &args.hosts).await?;
    let text = if args.json {
        report::json(&diff)?
    } else if args.markdown {
        render::markdown(&diff)
    } else {
        render::text(&diff)
    };
    report::data(&text)?;
    Ok(Exit::passed_if(!diff.failed()))
}

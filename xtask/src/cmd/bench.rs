//! `cargo xtask bench`.

use anyhow::Result;

use crate::bench::{self, figures, Options};
use crate::cli::{Bench, BenchBuildAll, BenchCommand, Global};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Bench) -> Result<Exit> {
    match args.command {
        BenchCommand::BuildAll(args) => build_all(global, args).await,
    }
}

async fn build_all(global: &Global, args: BenchBuildAll) -> Result<Exit> {
    let slipway = evaluate::open(global).await?;
    let options = Options {
        sizes: args.sizes,
        heavy: args.heavy,
        runs: args.runs.max(1),
    };
    let figures = bench::build_all(&slipway, &options).await?;
    let table = figures::table(&figures).text();
    report::data_and_document(&table, &figures, args.json.as_deref())?;
    Ok(Exit::Passed)
}

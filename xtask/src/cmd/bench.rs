//! `cargo xtask bench`.

use std::path::Path;

use anyhow::{Context, Result};

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
    let document = format!("{}\n", serde_json::to_string_pretty(&figures)?);
    match args.json.as_deref() {
        Some(file) if file == Path::new("-") => {
            report::say(table.trim_end());
            report::data(&document);
        }
        Some(file) => {
            std::fs::write(file, document)
                .with_context(|| format!("cannot write the figures {}", file.display()))?;
            report::data(&table);
        }
        None => report::data(&table),
    }
    Ok(Exit::Passed)
}

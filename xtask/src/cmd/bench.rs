//! `cargo xtask bench`.

use anyhow::Result;

use crate::bench::{self, deploy, figures, machine_figures, machines, workflows, Options};
use crate::cache_dir::CacheDir;
use crate::cli::{Bench, BenchBuildAll, BenchCiLocal, BenchCommand, BenchDeploy, BenchVm, Global};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;
use crate::scenarios::ground::{self, HarnessOptions};
use crate::setup;

pub async fn run(global: &Global, args: Bench) -> Result<Exit> {
    match args.command {
        BenchCommand::BuildAll(args) => build_all(global, args).await,
        BenchCommand::Vm(args) => vm(global, args).await,
        BenchCommand::CiLocal(args) => ci_local(global, args).await,
        BenchCommand::Deploy(args) => deployments(global, args).await,
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

async fn vm(global: &Global, args: BenchVm) -> Result<Exit> {
    let tools = setup::vm(global).await?;
    let harness_options = HarnessOptions {
        accelerator: ground::accelerator(args.accel),
        timeout_scale: 1.0,
        progress: harness::Progress::silent(),
    };
    let cache = CacheDir::find()?.machines();
    let harness = ground::open(&tools, &cache, harness_options)?;
    let options = machines::Options {
        runs: args.runs,
        at_once: args.at_once,
        image: !args.no_image,
    };
    let measured = tokio::task::spawn_blocking(move || machines::measure(&harness, options));
    let document = measured.await??;
    let text = format!(
        "{}{}",
        machine_figures::table(&document).text(),
        machine_figures::conditions(&document)
    );
    report::data_and_document(&text, &document, args.json.as_deref())?;
    Ok(Exit::Passed)
}

async fn ci_local(global: &Global, args: BenchCiLocal) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let figures = workflows::measure(&fleet, args.jobs, args.runs).await?;
    let table = workflows::table(&figures).text();
    report::data_and_document(&table, &figures, args.json.as_deref())?;
    Ok(Exit::Passed)
}

async fn deployments(global: &Global, args: BenchDeploy) -> Result<Exit> {
    let slipway = evaluate::open(global).await?;
    let program = setup::deploy_rs(global).await?;
    let options = deploy::Options {
        sizes: args.sizes,
        paths: args.paths,
        seconds: args.activation,
        runs: args.runs,
    };
    let document = deploy::measure(&slipway, program, &options).await?;
    report::data_and_document(&document.text(), &document, args.json.as_deref())?;
    Ok(Exit::Passed)
}

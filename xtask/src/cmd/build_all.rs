//! `cargo xtask build-all`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::build::memory::MIB;
use crate::build::outcome::{Outcome, Report};
use crate::build::{self, Options};
use crate::cli::{BuildAll, Global};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: BuildAll) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let options = options(global, &args);
    let report = build::build_all(&fleet, &options).await?;
    // What became of the hosts is told first: nothing that fails from here on may hide it.
    let printed = print(&report, args.json.as_deref());
    let linked = match &args.out_links {
        Some(dir) => build::link(&fleet, dir, &report).await,
        None => Ok(()),
    };
    let mut exit = exit(&report, !args.hosts.is_empty());
    for error in [printed, linked].into_iter().filter_map(Result::err) {
        report::error(&error);
        exit = Exit::Failed;
    }
    Ok(exit)
}

fn options(global: &Global, args: &BuildAll) -> Options {
    let here = Options::of(args.hosts.clone(), report::live(global.plain));
    Options {
        jobs: args.jobs.map_or(here.jobs, u32::from),
        memory: args.eval_memory.map_or(here.memory, |mib| mib * MIB),
        changed_since: args.changed_since.clone(),
        fresh: args.no_eval_cache,
        ..here
    }
}

/// The table is data, unless the JSON takes its place.
fn print(report: &Report, json: Option<&Path>) -> Result<()> {
    let text = format!(
        "{}{}\n",
        build::render::table(report).text(),
        build::render::summary(report)
    );
    let errors = build::render::errors(report);
    if !errors.is_empty() {
        report::say(errors.trim_end());
    }
    let printed = report::data_and_document(&text, report, json);
    if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
        let written = std::fs::File::options()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut summary| summary.write_all(build::render::markdown(report).as_bytes()));
        if let Err(error) = written {
            // A forge's courtesy, which nobody asked this run for.
            report::say(&format!(
                "warning: cannot write the job summary {}: {error}",
                file.display()
            ));
        }
    }
    printed
}

/// A host of a system that nothing here builds for is no failure, unless it was asked for by name.
fn exit(report: &Report, named: bool) -> Exit {
    let good =
        |outcome: Outcome| outcome.is_built() || (outcome == Outcome::EvaluatedOnly && !named);
    Exit::passed_if(report.hosts.iter().all(|host| good(host.outcome)))
}

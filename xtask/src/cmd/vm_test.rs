//! `cargo xtask vm-test`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::{Global, VmTest};
use crate::failure::{Exit, Failure};
use crate::report;
use crate::scenarios::outcome::Report;
use crate::scenarios::{self, junit, list, matrix, render, repeat, select, Options, Wanted};

pub async fn run(global: &Global, args: VmTest) -> Result<Exit> {
    if args.list || args.check {
        return read(global, &args).await;
    }
    if args.names.is_empty() && !args.all {
        let found = scenarios::read(global).await?;
        let all = found.files.select(&[])?;
        return Err(select::nothing_named(&all).into());
    }
    if args.interactive {
        match scenarios::interact(global, &args.names).await? {}
    }
    let is_stdout = |file: &Option<PathBuf>| file.as_deref() == Some(Path::new("-"));
    if is_stdout(&args.junit) && is_stdout(&args.json) {
        return Err(
            Failure::usage("--junit and --json cannot both go to standard output")
                .try_next("a file for one of them")
                .into(),
        );
    }
    let report = scenarios::play(global, &options(global, &args)).await?;
    // What became of the plays is told first: nothing that fails from here on may hide it.
    let told = tell(&report, &args);
    told.map(|()| scenarios::exit(&report))
}

/// The table is data, unless a document takes its place.
fn tell(report: &Report, args: &VmTest) -> Result<()> {
    for text in [render::not_playable(report), render::failures(report)] {
        if !text.is_empty() {
            report::say(text.trim_end());
        }
    }
    let table = render::table(report).text();
    let mut text = format!("{table}{}\n", render::summary(report));
    let flaky = repeat::flaky(report);
    if !flaky.is_empty() {
        text.push_str(&format!(
            "passed in some rounds only: {}\n",
            flaky.join(", ")
        ));
    }
    if let Some(file) = &args.matrix {
        write(file, &matrix::document(report))?;
    }
    let Some(junit) = &args.junit else {
        return report::data_and_document(&text, report, args.json.as_deref());
    };
    let document = junit::document(report);
    if junit == Path::new("-") {
        report::say(text.trim_end());
        text = document;
    } else {
        write(junit, &document)?;
    }
    report::data_and_document(&text, report, args.json.as_deref())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        Failure::failed(format!("cannot write {}: {error}", file.display()))
            .try_next("a file in a folder that exists and that you may write to")
    })
}

async fn read(global: &Global, args: &VmTest) -> Result<Exit> {
    let found = scenarios::read(global).await?;
    let choices = found.files.select(&args.names)?;
    if let Some(why) = &found.without_nix {
        report::say(&format!("note: hosts are the folders in hosts/: {why}"));
    }
    let text = if args.list {
        list::text(&choices, |choice| found.stages(choice))
    } else {
        list::checked(&choices)
    };
    report::data(&text)?;
    Ok(Exit::Passed)
}

fn options(global: &Global, args: &VmTest) -> Options {
    Options {
        wanted: Wanted::Named(args.names.clone()),
        jobs: args.jobs,
        keep_failed: args.keep_failed,
        repeat: args.repeat,
        cold: args.cold,
        accel: args.accel,
        timeout_scale: args.timeout_scale,
        harmonia: args.harmonia.clone(),
        live: report::live(global.plain),
    }
}

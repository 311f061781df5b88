//! `cargo xtask test`.

use anyhow::Result;

use crate::cli::{Global, Test};
use crate::evaluate::locate::locate;
use crate::failure::{Exit, Failure};
use crate::report;
use crate::testing::{select, Bench, Counts, Outcome, Part};

pub async fn run(global: &Global, args: Test) -> Result<Exit> {
    let parts = select(args.filter.as_deref())?;
    // The project itself, wherever --flake points: its crates are what is tested.
    let location = locate(None)?;
    let Some(root) = location.root() else {
        return Err(Failure::usage("no clone of this repository here").into());
    };
    let bench = Bench::prepare(global, root, args.core).await?;
    let mut sum = Counts::default();
    for part in parts {
        report::say(&format!("test: {} …", part.name()));
        let outcome = bench.run(part).await?;
        tell(part, &outcome);
        sum += outcome.counts;
    }
    let refused = args.no_skips && sum.skipped > 0;
    if refused {
        report::data("skips are failures here: CI or --no-skips\n");
    }
    report::data(&format!("{sum}\n"));
    Ok(if sum.failed == 0 && !refused {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

fn tell(part: Part, outcome: &Outcome) {
    let seconds = report::words::seconds(outcome.wall.as_secs_f64());
    let mut text = format!("{:<10} {} ({seconds} s)\n", part.name(), outcome.counts);
    for note in &outcome.notes {
        text.push_str(&format!("  {note}\n"));
    }
    for skip in &outcome.skips {
        text.push_str(&format!("  skipped: {skip}\n"));
    }
    for line in outcome.failure.iter().flat_map(|failure| failure.lines()) {
        text.push_str(&format!("  {line}\n"));
    }
    report::data(&text);
}

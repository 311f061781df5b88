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
        tell(part, &outcome)?;
        sum += outcome.counts;
    }
    if args.no_skips && sum.skipped > 0 {
        report::data("skips are failures here: CI or --no-skips\n")?;
    }
    report::data(&format!("{sum}\n"))?;
    Ok(exit(sum, &args))
}

fn exit(sum: Counts, args: &Test) -> Exit {
    if sum.failed > 0 || (args.no_skips && sum.skipped > 0) {
        Exit::Failed
    } else {
        Exit::Passed
    }
}

fn tell(part: Part, outcome: &Outcome) -> Result<()> {
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
    report::data(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(failed: usize, skipped: usize, no_skips: bool) -> Exit {
        let sum = Counts {
            passed: 3,
            failed,
            skipped,
        };
        let filter = None;
        let core = false;
        exit(
            sum,
            &Test {
                filter,
                no_skips,
                core,
            },
        )
    }

    #[test]
    fn a_skip_fails_only_where_it_is_refused() {
        assert_eq!(exit_of(0, 1, false), Exit::Passed);
        assert_eq!(exit_of(0, 1, true), Exit::Failed);
        assert_eq!(exit_of(0, 0, true), Exit::Passed);
        assert_eq!(exit_of(1, 0, false), Exit::Failed);
    }
}

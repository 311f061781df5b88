//! `cargo xtask check`.

use std::time::Instant;

use anyhow::Result;

use crate::check::{self, Row, Verdict};
use crate::cli::{Check, Global};
use crate::evaluate::{self, Fleet};
use crate::failure::Exit;
use crate::report;
use crate::secrets;

pub async fn run(global: &Global, args: Check) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let secrets = secrets(&fleet).await?;
    let mut report = check::run(global, fleet).await?;
    if let Some(row) = secrets {
        report.add(row);
    }
    report::answer(&report, args.json, check::render::text)?;
    Ok(Exit::passed_if(report.passed))
}

/// Who can read the fleet's secrets; none for a flake in no git repository, or one that the row `outputs` says is broken.
async fn secrets(fleet: &Fleet) -> Result<Option<Row>> {
    let started = Instant::now();
    if fleet.git().is_err() {
        return Ok(None);
    }
    let Ok(survey) = fleet.survey().await else {
        return Ok(None);
    };
    let found = secrets::look(fleet, &survey).await?;
    let faults: Vec<String> = found
        .findings
        .iter()
        .map(|it| format!("{}: {}; try: {}", it.subject, it.message, it.next_step))
        .collect();
    let verdict = Verdict::of(&faults);
    Ok(Some(Row::new("secrets", verdict, started.elapsed())))
}

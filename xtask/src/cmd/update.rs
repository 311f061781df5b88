//! `cargo xtask update`.

use anyhow::Result;

use crate::cli::{Global, StageChoice, Update};
use crate::evaluate;
use crate::failure::Exit;
use crate::job_secrets::{self, SIGNING_KEY};
use crate::report;
use crate::tools::forgejo::Forge;
use crate::update::{self, render, Request};

pub async fn run(global: &Global, args: Update) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let request = Request {
        inputs: args.inputs,
        branch: args.branch,
        stage_named: global.stage != StageChoice::Auto,
        key: job_secrets::get(SIGNING_KEY).map(str::to_owned),
        propose: args.propose.then(|| Forge::find(job_secrets::variable)),
        live: report::live(global.plain),
    };
    let report = update::run(&fleet, &request).await?;
    report::answer(&report, args.json, render::text)?;
    let summary = render::summary(&report);
    if !summary.is_empty() {
        report::say(&summary);
    }
    Ok(Exit::passed_if(report.failed().is_empty()))
}

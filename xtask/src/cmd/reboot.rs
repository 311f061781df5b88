//! `cargo xtask reboot`.

use std::time::Duration;

use anyhow::Result;

use crate::cli::{Global, Reboot};
use crate::deploy::reboot::plan::Turn;
use crate::deploy::reboot::{self, render, Request};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Reboot) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let request = Request {
        hosts: args.hosts,
        now: args.now,
        within: Duration::from_secs(args.within),
    };
    let plan = reboot::prepare(&fleet, &survey, &request).await?;
    let turns = plan.hosts.iter().map(|host| &host.turn);
    let count = turns
        .filter(|turn| matches!(turn, Turn::Reboot { .. }))
        .count();
    if count > 0 {
        report::say(render::plan(&plan).trim_end());
        let hosts = report::words::counted(count, "host");
        if !args.yes && !report::confirm(&format!("Reboot {hosts}?")).await? {
            report::say("nothing was rebooted");
            return Ok(Exit::Failed);
        }
    }
    let outcome = reboot::carry_out(&plan, &request).await?;
    report::answer(&outcome, args.json, render::outcomes)?;
    Ok(Exit::passed_if(outcome.good))
}

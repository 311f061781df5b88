//! `cargo xtask report`.

use anyhow::{Context, Result};

use crate::ci::pull_request;
use crate::cli::{Global, Report};
use crate::deploy::ask::Place;
use crate::deploy::plan::Boot;
use crate::deploy::{self, render, Request};
use crate::evaluate;
use crate::failure::Exit;
use crate::job_secrets;
use crate::report;

pub async fn run(global: &Global, args: Report) -> Result<Exit> {
    let here = evaluate::open(global).await?;
    let request = Request {
        hosts: Vec::new(),
        reference: None,
        action: None,
        place: Place::Away,
        boot: Boot::Auto,
        wave: None,
        against: Some(args.against),
        release: None,
        live: report::live(global.plain),
    };
    let prepared = deploy::prepare(&here, &request).await?;
    let text = render::markdown(&prepared.plan);
    report::data(&text)?;
    if args.post {
        match pull_request::find(job_secrets::variable) {
            Ok(found) => {
                let number = found.number;
                pull_request::tell(&found, &text)
                    .await
                    .with_context(|| format!("cannot comment on pull request {number}"))?;
                report::say(&format!("posted to pull request {number}"));
            }
            Err(why) => report::say(&format!("not posted: {why}")),
        }
    }
    Ok(Exit::Passed)
}

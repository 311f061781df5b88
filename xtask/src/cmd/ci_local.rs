//! `cargo xtask ci-local`.

use anyhow::Result;

use crate::ci::on::Event;
use crate::ci_local::{self, render, Request};
use crate::cli::{CiLocal, DeployTo, EventChoice, Global, StageChoice};
use crate::failure::{Exit, Failure};
use crate::report;

pub async fn run(global: &Global, args: CiLocal) -> Result<Exit> {
    let rehearse = matches!(args.deploy, Some(DeployTo::Rehearsal));
    if rehearse && args.dirty {
        return Err(
            Failure::usage("--dirty has no commit, and what is released is a commit")
                .try_next("git commit, and the same without --dirty")
                .into(),
        );
    }
    let mut global = global.clone();
    if rehearse && global.stage == StageChoice::Auto {
        global.stage = StageChoice::Rehearsal;
    }
    let request = Request {
        event: match args.event {
            EventChoice::Push => Event::Push,
            EventChoice::PullRequest => Event::PullRequest,
            EventChoice::Dispatch => Event::Dispatch,
            EventChoice::Schedule => Event::Schedule,
        },
        reference: args.reference,
        workflow: args.workflow,
        job: args.job,
        dirty: args.dirty,
        inputs: args.inputs,
        secrets: args.secrets,
        vars: args.vars,
        rehearse,
        plan: args.plan,
        live: report::live(global.plain),
    };
    let report = ci_local::run(&global, &request).await?;
    // The table is data, unless the document takes its place.
    let text = format!("{}{}\n", render::text(&report), render::summary(&report));
    let failures = render::failures(&report);
    // Of a plan the table has it all.
    if !failures.is_empty() && !report.plan {
        report::say(failures.trim());
    }
    if args.json {
        report::say(text.trim_end());
        report::data(&report::json(&report)?)?;
    } else {
        report::data(&text)?;
    }
    Ok(Exit::passed_if(report.passed))
}

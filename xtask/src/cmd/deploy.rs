//! `cargo xtask deploy`.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use guard::release::ActionKind;
use guard::time::Time;

use crate::cli::{ActionChoice, BootChoice, Deploy, Global, RollbackChoice};
use crate::deploy::ask::Place;
use crate::deploy::journal::Rollback;
use crate::deploy::outcome::Report;
use crate::deploy::plan::Boot;
use crate::deploy::verbs::{self, Change};
use crate::deploy::{self, cache, dry, here, render, status, Released, Request};
use crate::evaluate::{self, Fleet};
use crate::failure::{Exit, Failure};
use crate::report;
use crate::setup;

pub async fn run(global: &Global, args: Deploy) -> Result<Exit> {
    let here = evaluate::open(global).await?;
    if let Some(host) = &args.keep {
        return keep(&here, host, &args).await;
    }
    if args.resume {
        let program = setup::deploy_rs(global).await?;
        let report = deploy::resume(&here, program).await?;
        return finish(&report, args.json);
    }
    let request = request(global, &args).await?;
    let mut prepared = deploy::prepare(&here, &request).await?;
    cache::look(&prepared).await;
    let released = request.release.as_ref();
    if args.dry_activate {
        let program = setup::deploy_rs(global).await?;
        dry::activate(&here, &mut prepared, released, program).await?;
    }
    let plan = &prepared.plan;
    let all_well = dry::all_well(plan);
    if args.plan || (all_well.is_err() && args.json) {
        let text = if args.json {
            report::json(plan)?
        } else if args.markdown {
            render::markdown(plan)
        } else {
            format!("{}{}\n", render::text(plan), render::summary(plan))
        };
        report::data(&text)?;
        all_well?;
        return Ok(Exit::Passed);
    }
    // The report is this command's data; the plan is what it is asked about.
    report::say(&format!("{}{}", render::text(plan), render::summary(plan)));
    all_well?;
    let touched = plan
        .hosts
        .iter()
        .filter(|host| host.action.deploys())
        .count();
    if touched > 0 && !args.yes {
        let hosts = report::words::counted(touched, "host");
        if !report::confirm(&format!("Deploy {hosts}?")).await? {
            report::say("nothing was deployed");
            return Ok(Exit::Failed);
        }
    }
    let program = setup::deploy_rs(global).await?;
    let rollback = match args.rollback {
        RollbackChoice::Wave => Rollback::Wave,
        RollbackChoice::All => Rollback::All,
        RollbackChoice::None => Rollback::None,
    };
    let report = deploy::carry_out(&here, &prepared, released, rollback, program).await?;
    finish(&report, args.json)
}

/// The host's own key decides: its guard keeps a test for its operators only.
async fn keep(here: &Fleet, host: &str, args: &Deploy) -> Result<Exit> {
    let Some(changed) = verbs::change(here, host, Change::Keep, args.yes).await? else {
        return Ok(Exit::Failed);
    };
    report::answer(&changed.after, args.json, status::text)?;
    Ok(Exit::passed_if(changed.is_good()))
}

fn finish(report: &Report, json: bool) -> Result<Exit> {
    report::answer(report, json, render::outcomes)?;
    Ok(Exit::passed_if(report.good))
}

async fn request(global: &Global, args: &Deploy) -> Result<Request> {
    let hosts = match args.local && args.hosts.is_empty() {
        true => vec![here::name()],
        false => args.hosts.clone(),
    };
    Ok(Request {
        hosts,
        reference: args.reference.clone(),
        action: args.action.map(|action| match action {
            ActionChoice::Switch => ActionKind::Switch,
            ActionChoice::Boot => ActionKind::Boot,
            ActionChoice::Test => ActionKind::Test,
        }),
        place: match args.local {
            true => Place::Here,
            false => Place::Away,
        },
        boot: match args.boot {
            BootChoice::Auto => Boot::Auto,
            BootChoice::Always => Boot::Always,
            BootChoice::Never => Boot::Never,
        },
        wave: args.wave,
        against: args.against.clone(),
        release: match &args.release {
            Some(file) => Some(in_time(Released::read(&read(file).await?)?)?),
            None => None,
        },
        live: report::live(global.plain),
    })
}

/// A guard would refuse one whose time is over, after everything was built; a host without a guard would not.
fn in_time(released: Released) -> Result<Released, Failure> {
    match released.release.in_time(Time::now()) {
        Ok(()) => Ok(released),
        Err(refusal) => Err(Failure::failed(format!(
            "nothing is deployed by this release: {refusal}"
        ))
        .try_next("a new one: cargo xtask release main > FILE, or with --from")),
    }
}

async fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        // Elsewhere than where signals are waited for.
        let reading = tokio::task::spawn_blocking(|| {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        });
        return reading
            .await?
            .context("cannot read the release from standard input");
    }
    std::fs::read(file).map_err(|error| {
        Failure::usage(format!(
            "cannot read the release {}: {error}",
            file.display()
        ))
        .try_next("a file that `cargo xtask release` wrote, or `-` for standard input")
        .into()
    })
}

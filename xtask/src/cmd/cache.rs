//! `cargo xtask cache`.

use anyhow::Result;

use crate::cache::{self, Role};
use crate::cli::{Cache, CacheCommand, CacheVerify, Global};
use crate::deploy::status;
use crate::evaluate::{self, Fleet, Survey};
use crate::failure::Exit;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::report;

pub async fn run(global: &Global, args: Cache) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    match args.command {
        CacheCommand::Key => key(&fleet, &survey),
        CacheCommand::Verify(args) => verify(&fleet, &survey, &args).await,
    }
}

fn key(fleet: &Fleet, survey: &Survey) -> Result<Exit> {
    let keys = cache::keys(&survey.inventory)?;
    for (key, hosts) in &keys {
        report::data(&format!("{key}\n"))?;
        if keys.len() > 1 {
            let hosts: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
            report::say(&format!("{key} is trusted by {}", hosts.join(", ")));
        }
    }
    Ok(fleet.tell_failures(survey))
}

async fn verify(fleet: &Fleet, survey: &Survey, args: &CacheVerify) -> Result<Exit> {
    let clients = cache::chosen(survey, &args.hosts)?;
    if fleet.stage == Stage::Rehearsal {
        cache::only_here(&clients)?;
    }
    let (known, answered) = if args.running {
        running(fleet, survey, &args.hosts).await?
    } else {
        (Vec::new(), true)
    };
    let found = cache::verify(fleet, &clients, known).await?;
    report::data(&if args.json {
        report::json(&found)?
    } else {
        cache::render::text(&found)
    })?;
    let healthy = fleet.tell_failures(survey);
    Ok(if found.passed && answered {
        healthy
    } else {
        Exit::Failed
    })
}

/// What the hosts say they run and boot, and whether all of them answered.
async fn running(
    fleet: &Fleet,
    survey: &Survey,
    wanted: &[String],
) -> Result<(Vec<(HostName, Role, StorePath)>, bool)> {
    let asked = status::of(fleet, survey, wanted).await?;
    let mut known = Vec::new();
    for (host, status) in &asked.hosts {
        if let Some(why) = &status.unreachable {
            report::say(&format!(
                "{host} does not answer, and what it runs was not asked for: {why}"
            ));
        }
        let Some(live) = &status.live else {
            continue;
        };
        let runs = live.running.iter().map(|path| (Role::Running, path));
        let boots = live.boot_default.iter().map(|path| (Role::Boots, path));
        known.extend(
            runs.chain(boots)
                .map(|(role, path)| (host.clone(), role, path.clone())),
        );
    }
    Ok((known, asked.all_answered()))
}

//! `cargo xtask cache`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::build;
use crate::cache::server::{self, Server};
use crate::cache::{self, gc, push, Role};
use crate::cli::{Cache, CacheCommand, CacheGc, CachePush, CacheVerify, Global};
use crate::deploy::status;
use crate::evaluate::{self, Fleet, Survey};
use crate::failure::Exit;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::release::config::{Config, USUAL_PLACE};
use crate::report;

pub async fn run(global: &Global, args: Cache) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    match args.command {
        CacheCommand::Key => key(&fleet, &survey),
        CacheCommand::Verify(args) => verify(&fleet, &survey, &args).await,
        CacheCommand::Push(args) => put(&fleet, &survey, &args, report::live(global.plain)).await,
        CacheCommand::Gc(args) => collect(&fleet, &survey, &args).await,
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
    report::answer(&found, args.json, cache::render::text)?;
    let healthy = fleet.tell_failures(survey);
    Ok(if found.passed && answered {
        healthy
    } else {
        Exit::Failed
    })
}

/// What the hosts say they run, boot and go back to, and whether all of them answered.
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
        let back = live.rollback_target.iter();
        let back = back.map(|path| (Role::RollbackTarget, path));
        known.extend(
            runs.chain(boots)
                .chain(back)
                .map(|(role, path)| (host.clone(), role, path.clone())),
        );
    }
    Ok((known, asked.all_answered()))
}

/// The signer's own configuration, where this is the signer.
fn signer(named: Option<&Path>) -> Result<Option<Config>> {
    let place = named.unwrap_or(Path::new(USUAL_PLACE));
    if named.is_none() && !place.exists() {
        return Ok(None);
    }
    Ok(Some(Config::read(place)?))
}

async fn put(fleet: &Fleet, survey: &Survey, args: &CachePush, live: bool) -> Result<Exit> {
    let clients = cache::chosen(survey, &args.hosts)?;
    let found = server::find(&survey.inventory, args.cache.as_deref())?;
    let signer = signer(args.config.as_deref())?;
    let of_signer = signer.as_ref();
    let cache_key = of_signer.and_then(|it| it.cache_key.as_deref());
    let server = Server::open(found, cache_key, fleet.stage).await?;
    let key = args.key.as_deref();
    let key = key.or(of_signer.map(|it| it.nix_key.as_path()));
    let hosts: Vec<HostName> = clients.keys().cloned().collect();
    let closures = build::closures(fleet, &hosts, live, "nothing is pushed").await?;
    let wanted = push::wanted(&clients, &closures);
    let pushed = push::push(&fleet.nix, &server, &wanted, key).await?;
    report::answer(&pushed, args.json, cache::render::pushed)?;
    Ok(fleet.tell_failures(survey))
}

async fn collect(fleet: &Fleet, survey: &Survey, args: &CacheGc) -> Result<Exit> {
    let found = server::find(&survey.inventory, args.cache.as_deref())?;
    let signer = signer(args.config.as_deref())?;
    let cache_key = signer.as_ref().and_then(|it| it.cache_key.as_deref());
    let server = Server::open(found, cache_key, fleet.stage).await?;
    let needs = needs(fleet, survey).await?;
    let generations = server.generations().await?;
    let keep = usize::from(args.keep);
    let mut plan = gc::plan(&found.0.name, &generations, &needs, keep, args.gone);
    if !args.plan {
        gc::carry_out(&server, &mut plan, &needs).await?;
    }
    report::answer(&plan, args.json, cache::render::collected)?;
    Ok(fleet.tell_failures(survey))
}

/// What each host of the fleet says it runs, boots and goes back to, and why it says nothing.
async fn needs(fleet: &Fleet, survey: &Survey) -> Result<gc::Fleet> {
    let asked = status::of(fleet, survey, &[]).await?;
    let needs = |host: HostName| {
        let needs = match asked.hosts.get(&host).map(|it| (&it.live, &it.unreachable)) {
            Some((Some(live), _)) if live.running.is_none() || live.profile.is_none() => {
                Err("it does not know itself what it runs".to_owned())
            }
            Some((Some(live), _)) => Ok([
                &live.running,
                &live.booted,
                &live.boot_default,
                &live.profile,
                &live.rollback_target,
            ]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<BTreeSet<StorePath>>()),
            Some((None, why)) => Err(why.clone().unwrap_or_default()),
            None => Err("nobody asks it: it is not deployed, or does not evaluate".to_owned()),
        };
        (host, needs)
    };
    Ok(survey.names().into_iter().map(needs).collect())
}

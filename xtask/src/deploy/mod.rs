//! From a ref to hosts that run it: the plan (pure), what is known of each host, and how a plan is told.

pub mod ask;
pub mod cache;
mod compare;
pub mod dry;
mod health;
pub mod here;
mod hindrance;
mod host;
pub mod inhibitors;
pub mod journal;
pub mod live;
mod notify;
pub mod outcome;
pub mod page;
pub mod plan;
pub mod reboot;
pub mod render;
mod request;
mod run;
mod said;
pub mod status;
mod surprises;
pub mod units;
pub mod verbs;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::build;
use crate::build::outcome::{Outcome, Report};
use crate::evaluate::apply::Profile;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::refs::Meaning;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::tools::ssh::{Ssh, Target};

use ask::{Answers, Place};
use compare::Closures;
use plan::{Before, Known, Plan, Wish};
pub use request::{Released, Request};
pub use work::{carry_out, resume};

/// A plan, and what it was made from.
#[derive(Debug)]
pub struct Prepared {
    pub fleet: Fleet,
    pub survey: Survey,
    pub plan: Plan,
    /// What deploy-rs copies, of hosts whose evaluation said it.
    pub profiles: BTreeMap<HostName, Profile>,
    /// Where its hosts are.
    pub place: Place,
}

/// Builds the ref's hosts, asks them what they run, and plans.
///
/// # Errors
/// Usage, if the ref or a host does not exist, or do not fit each other; failed, if a host cannot be built.
pub async fn prepare(here: &Fleet, request: &Request) -> Result<Prepared> {
    let reference = reference(here, request).await?;
    let fleet = here.at(&reference).await?;
    let survey = fleet.survey().await?;
    let chosen = request.choose(&fleet, &survey, &reference).await?;
    if request.place == Place::Here {
        here::only(&chosen.hosts, &survey.names())?;
        here::usable(fleet.stage).await?;
    }
    let targets: Vec<(Target, bool)> = chosen
        .hosts
        .iter()
        .filter_map(|host| survey.inventory.hosts.get(host))
        .filter_map(|host| Some((ask::target(host, fleet.stage, request.place)?, host.guard)))
        .collect();
    let ssh = Arc::new(Ssh::knowing(targets.iter().map(|(target, _)| target)).await?);
    // The hosts are asked while theirs are built.
    let asking = async {
        match request.against {
            Some(_) => Ok(Answers::new()),
            None => ask::all(&ssh, targets.clone()).await,
        }
    };
    let building = async {
        let options = build::Options {
            // A host that is only built need not have a node.
            profiles: chosen.meaning != Meaning::Build,
            entries: survey.inventory.hosts.clone(),
            ..options(&chosen.hosts, request)?
        };
        build::build_and_tell(&fleet, &options).await
    };
    let (built, answers) = tokio::join!(building, asking);
    let (built, answers) = (built?, answers?);
    let before = match &request.against {
        Some(revision) => assumed(here, revision, &chosen.hosts, request).await?,
        None => asked(&chosen.hosts, answers),
    };
    let wish = Wish {
        boot: request.boot_for(&chosen.meaning),
        meaning: chosen.meaning,
        lease: request.lease(),
    };
    let known = known(&fleet, &survey, &built, before).await?;
    let profiles = built
        .hosts
        .into_iter()
        .filter_map(|row| Some((row.host, row.profile?)))
        .collect();
    let plan = Plan {
        version: 1,
        stage: fleet.stage,
        reference,
        commit: fleet.source.revision.clone(),
        against: request.against.clone(),
        hosts: plan::plan(&wish, known),
    };
    Ok(Prepared {
        fleet,
        survey,
        plan,
        profiles,
        place: request.place,
    })
}

/// The ref that was asked for, else the branch that is checked out, as it was committed.
async fn reference(here: &Fleet, request: &Request) -> Result<String> {
    let git = here.git()?;
    if let Some(released) = &request.release {
        return Ok(released.release.commit.clone());
    }
    if let Some(reference) = &request.reference {
        return Ok(reference.clone());
    }
    if here.source.dirty {
        report::say("warning: uncommitted changes are no part of this");
    }
    Ok(git.branch().await?.unwrap_or_else(|| "HEAD".to_owned()))
}

/// How hosts are built for a plan.
fn options(hosts: &[HostName], request: &Request) -> Result<build::Options, Failure> {
    if hosts.is_empty() {
        return Err(Failure::usage("no host of the fleet is to be deployed")
            .try_next("homelab.deploy.enable = true, or another --wave"));
    }
    let names = hosts.iter().map(ToString::to_string).collect();
    Ok(build::Options::of(names, request.live))
}

/// What a plan needs of every host is a closure in the store.
fn closures(report: &Report) -> Result<BTreeMap<HostName, (StorePath, Option<u64>)>, Failure> {
    let missing: Vec<&str> = report
        .hosts
        .iter()
        .filter(|host| !host.outcome.is_built())
        .map(|host| host.host.as_str())
        .collect();
    if !missing.is_empty() {
        let failure = Failure::failed(format!(
            "nothing is deployed: no closure of {}",
            missing.join(", ")
        ));
        let elsewhere = report
            .hosts
            .iter()
            .all(|host| host.outcome.is_built() || host.outcome == Outcome::EvaluatedOnly);
        return Err(if elsewhere {
            failure.try_next("the same on a machine that builds for their systems, or without them")
        } else {
            failure
        });
    }
    let closures = report
        .hosts
        .iter()
        .filter_map(|row| Some((row.host.clone(), (row.toplevel.clone()?, row.closure_size))));
    Ok(closures.collect())
}

fn asked(hosts: &[HostName], mut answers: Answers) -> BTreeMap<HostName, Before> {
    let before = |host: &HostName| match answers.remove(host) {
        Some(Ok(live)) => Before::Live(live),
        Some(Err(why)) => Before::Unreachable(why),
        None => Before::Unreachable("it has no deploy-rs node".to_owned()),
    };
    let mut before = before;
    hosts
        .iter()
        .map(|host| (host.clone(), before(host)))
        .collect()
}

/// The closures of another revision stand for what the hosts run.
async fn assumed(
    here: &Fleet,
    revision: &str,
    hosts: &[HostName],
    request: &Request,
) -> Result<BTreeMap<HostName, Before>> {
    let old = here.at(revision).await?;
    let survey = old.survey().await?;
    let known = survey.names();
    let there: Vec<HostName> = hosts
        .iter()
        .filter(|host| known.contains(host))
        .cloned()
        .collect();
    let mut before: BTreeMap<HostName, Before> = hosts
        .iter()
        .map(|host| (host.clone(), Before::New))
        .collect();
    if there.is_empty() {
        return Ok(before);
    }
    let options = build::Options {
        at: Some(revision.to_owned()),
        ..options(&there, request)?
    };
    for row in build::build_and_tell(&old, &options).await?.hosts {
        let known = match row.toplevel {
            Some(toplevel) if row.outcome.is_built() => Before::Assumed {
                toplevel,
                guard: survey
                    .inventory
                    .hosts
                    .get(&row.host)
                    .is_some_and(|it| it.guard),
            },
            _ => Before::Unreachable(format!("not built at {revision}")),
        };
        before.insert(row.host, known);
    }
    Ok(before)
}

async fn known(
    fleet: &Fleet,
    survey: &Survey,
    built: &Report,
    mut before: BTreeMap<HostName, Before>,
) -> Result<Vec<Known>> {
    let new = closures(built)?;
    let mut closures = Closures::new(&fleet.nix);
    let olds = before.values().flat_map(|before| match before {
        Before::Live(live) => vec![&live.running, &live.booted, &live.boot_default]
            .into_iter()
            .flatten()
            .collect(),
        Before::Assumed { toplevel, .. } => vec![toplevel],
        Before::New | Before::Unreachable(_) => Vec::new(),
    });
    let wanted: Vec<&StorePath> = new.values().map(|(path, _)| path).chain(olds).collect();
    closures.read(wanted).await?;
    let mut known = Vec::new();
    for (host, (new, size)) in new {
        let Some(before) = before.remove(&host) else {
            continue;
        };
        let (running, booted) = match &before {
            Before::Live(live) => (live.running.as_ref(), live.booted.as_ref()),
            Before::Assumed { toplevel, .. } => (Some(toplevel), Some(toplevel)),
            Before::New | Before::Unreachable(_) => (None, None),
        };
        let change = match running {
            Some(old) if *old != new => closures.change(old, &new)?,
            _ => None,
        };
        let boot_parts = booted.and_then(|booted| {
            let (booted, new) = (closures.side(booted)?, closures.side(&new)?);
            Some(booted.system.boot_changes(&new.system))
        });
        let esp_files_bytes = closures.esp_files(&before, &new);
        let entry = survey.inventory.hosts.get(&host);
        known.push(Known {
            checks_left_out: entry.map(health::left_out).unwrap_or_default(),
            guard: entry.is_some_and(|entry| entry.guard),
            wave: entry.map_or(0, |entry| entry.wave),
            host,
            change,
            boot_parts,
            esp_files_bytes,
            size,
            before,
            new,
        });
    }
    Ok(known)
}

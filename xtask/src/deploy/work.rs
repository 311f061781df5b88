//! From a plan to work that can be taken up again: what each host is to get, and what a journal says is done.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::ask::{self, Place};
use super::journal::{Entry, Job, Journal, Rollback, Work};
use super::notify::Listeners;
use super::outcome::{HostReport, Outcome, Report};
use super::{here, run, Prepared, Released};
use crate::evaluate::source::Source;
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::report;
use crate::state_dir::StateDir;
use crate::tools::nix::Nix;

/// Deploys what the plan says.
///
/// # Errors
/// Usage, if a host is none that this stage may touch; failed, if somebody else deploys, or the hosts' closures are not
/// those of the release. What becomes of a host is no error.
pub async fn carry_out(
    here: &Fleet,
    prepared: &Prepared,
    released: Option<&Released>,
    rollback: Rollback,
    deploy_rs: PathBuf,
) -> Result<Report> {
    let mut journal = Journal::open(&folder(here)?)?;
    match journal.unfinished() {
        Ok(None) => {}
        Ok(Some(_)) => {
            report::say("warning: a deployment was not finished; this one takes its place");
        }
        // Put aside, like one that was not finished: what the hosts have, they say themselves.
        Err(error) => report::say(&format!(
            "warning: {error:#}; this deployment takes its place"
        )),
    }
    let work = of_plan(prepared, released, rollback).await?;
    journal.begin(&work)?;
    let nix = &prepared.fleet.nix;
    run::run(nix, deploy_rs, &mut journal, &work, BTreeMap::new()).await
}

/// Goes on with what a journal says was begun.
///
/// # Errors
/// Usage, if nothing was left unfinished; failed, if somebody else deploys.
pub async fn resume(here: &Fleet, deploy_rs: PathBuf) -> Result<Report> {
    let mut journal = Journal::open(&folder(here)?)?;
    let unfinished = journal.unfinished().map_err(|error| {
        Failure::failed(format!("{error:#}"))
            .try_next("cargo xtask status, which asks the hosts, then cargo xtask deploy")
    })?;
    let unfinished = unfinished.unwrap_or_default();
    let mut entries = unfinished.into_iter();
    let Some(Entry::Begin { work, at }) = entries.next() else {
        return Err(Failure::usage("there is no deployment to go on with")
            .try_next("cargo xtask deploy")
            .into());
    };
    report::say(&format!(
        "going on with the deployment of {} that began at {at}",
        work.plan.reference
    ));
    let done = done(entries);
    touchable(&work).await?;
    run::run(&here.nix, deploy_rs, &mut journal, &work, done).await
}

fn listeners(prepared: &Prepared) -> Listeners {
    let hosts = prepared.survey.inventory.hosts.iter();
    hosts
        .map(|(name, host)| (name.clone(), host.notify.values().cloned().collect()))
        .collect()
}

/// What need not be done again: a host that was only begun with is asked first, like any other.
fn done(entries: impl Iterator<Item = Entry>) -> BTreeMap<HostName, HostReport> {
    let mut done = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::HostDone { report, .. } | Entry::Returned { report, .. } => {
                done.insert(report.host.clone(), report);
            }
            Entry::Begin { .. } | Entry::Host { .. } | Entry::Return { .. } | Entry::End { .. } => {
            }
        }
    }
    // One that did not answer may do so now.
    done.retain(|_, report| !matches!(report.outcome, Outcome::Unreachable { tried: false, .. }));
    done
}

/// Journal, lock and logs of the fleet's deployments from this machine.
pub fn folder(here: &Fleet) -> Result<PathBuf> {
    let git = here.git()?;
    let name = Source::opaque(&git.root().display().to_string()).whole();
    Ok(StateDir::find()?.deployments(name.as_str()))
}

/// The plan's work: what deploy-rs copies to each host that is touched is built, and may go there.
///
/// # Errors
/// As `carry_out`, but for who else deploys.
pub async fn of_plan(
    prepared: &Prepared,
    released: Option<&Released>,
    rollback: Rollback,
) -> Result<Work> {
    let work = Work {
        plan: prepared.plan.clone(),
        jobs: jobs(prepared).await?,
        release: released.map(|it| it.signed.clone()),
        rollback,
        listeners: listeners(prepared),
        place: prepared.place,
    };
    touchable(&work).await?;
    if let Some(released) = released {
        same_as_released(&work, released)?;
    }
    build(&prepared.fleet.nix, work.plan.stage, &work.jobs).await?;
    Ok(work)
}

async fn jobs(prepared: &Prepared) -> Result<BTreeMap<HostName, Job>> {
    let hosts: Vec<HostName> = prepared
        .plan
        .hosts
        .iter()
        .filter(|host| host.action.deploys())
        .map(|host| host.host.clone())
        .collect();
    // A derivation that was collected since is written anew.
    let known = |host: &HostName| {
        let profile = prepared.profiles.get(host);
        profile.filter(|it| it.drv.as_path().exists()).cloned()
    };
    let unknown: Vec<HostName> = hosts
        .iter()
        .filter(|host| known(host).is_none())
        .cloned()
        .collect();
    let mut profiles = prepared.fleet.profiles(&unknown).await?;
    profiles.extend(
        hosts
            .iter()
            .filter_map(|host| Some((host.clone(), known(host)?))),
    );
    let mut jobs = BTreeMap::new();
    for name in hosts {
        let (Some(host), Some(profile)) = (
            prepared.survey.inventory.hosts.get(&name),
            profiles.remove(&name),
        ) else {
            return Err(Failure::failed(format!("host {name} has no deploy-rs node")).into());
        };
        let job = Job {
            host: host.clone(),
            profile,
        };
        jobs.insert(name, job);
    }
    Ok(jobs)
}

async fn build(nix: &Nix, stage: Stage, jobs: &BTreeMap<HostName, Job>) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let derivations = jobs.values().map(|job| &job.profile.drv);
    nix.build_unlinked(derivations, stage)
        .success()
        .await
        .context("cannot build what deploy-rs copies")?;
    Ok(())
}

/// The rehearsal stage's closures are stand-ins: they must not get to any machine but this one.
async fn touchable(work: &Work) -> Result<(), Failure> {
    if work.place == Place::Here {
        return here::usable(work.plan.stage).await;
    }
    if work.plan.stage == Stage::Nixos {
        return Ok(());
    }
    for job in work.jobs.values() {
        let Some(target) = ask::target(&job.host, work.plan.stage, work.place) else {
            continue;
        };
        if !target.is_loopback() {
            return Err(Failure::usage(format!(
                "nothing is deployed: the rehearsal stage touches nothing but this machine, and {} is at {}",
                target.host, target.address
            ))
            .try_next("--stage nixos, or cargo xtask vm-test, whose machines are virtual"));
        }
    }
    Ok(())
}

/// What was built here has to be what was signed: the hosts take nothing else.
fn same_as_released(work: &Work, released: &Released) -> Result<(), Failure> {
    for plan in &work.plan.hosts {
        let (Some(job), Some(signed)) = (
            work.jobs.get(&plan.host),
            released.release.hosts.get(plan.host.as_str()),
        ) else {
            continue;
        };
        let same = signed.toplevel.as_str() == plan.new.as_str()
            && signed.profile.as_str() == job.profile.out.as_str();
        if !same {
            return Err(Failure::failed(format!(
                "nothing is deployed: the release names {} for {}, and this machine builds {}",
                signed.toplevel, plan.host, plan.new
            ))
            .try_next("the same --stage and the same inputs as on the signer"));
        }
    }
    Ok(())
}

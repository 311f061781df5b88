//! Reboots in waves: each host through its guard, inside its window, and the next wave only once this one is healthy.

mod judge;
pub mod outcome;
pub mod plan;
pub mod render;
mod run;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use guard::time::Time;

use super::{ask, status};
use crate::evaluate::{Fleet, Survey};
use crate::tools::ssh::Ssh;

pub use judge::booted;
use outcome::Report;
use plan::{Known, Plan, Rules};

/// What a person wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// Only these; all on which a reboot is due if empty.
    pub hosts: Vec<String>,
    /// Whatever the windows say.
    pub now: bool,
    /// How long a host may take until it is up again.
    pub within: Duration,
}

/// Asks the hosts, and says which of them would be rebooted.
///
/// # Errors
/// Usage, if a wanted host is none of the fleet's or is not deployable; else if ssh cannot be started.
pub async fn prepare(fleet: &Fleet, survey: &Survey, request: &Request) -> Result<Plan> {
    let targets = status::targets(survey, &request.hosts, fleet.stage)?;
    let ssh = Arc::new(Ssh::knowing(targets.iter().map(|(target, _)| target)).await?);
    let rules = rules(request)?;
    let answers = ask::all(&ssh, targets).await?;
    let known = answers.into_iter().filter_map(|(name, answer)| {
        Some(Known {
            host: survey.inventory.hosts.get(&name)?.clone(),
            named: !request.hosts.is_empty(),
            answer,
        })
    });
    Ok(plan::plan(fleet.stage, &rules, known.collect()))
}

/// Reboots what the plan says.
///
/// # Errors
/// If ssh cannot be started. What becomes of a host is no error.
pub async fn carry_out(plan: &Plan, request: &Request) -> Result<Report> {
    run::run(plan, request).await
}

fn rules(request: &Request) -> Result<Rules> {
    let here = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("cannot read which boot of this machine it is")?;
    Ok(Rules {
        whenever: request.now,
        at: Time::now(),
        here: here.trim().to_owned(),
    })
}

//! Carries a plan out: wave by wave, the hosts of a wave at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use guard::answer::{Done, Health, Status};
use guard::refusal::{Code, Refusal};
use guard::time::Time;
use tokio::task::JoinSet;

use super::judge;
use super::outcome::{HostReport, Outcome, Report};
use super::plan::{closed, HostPlan, Plan, Turn};
use super::Request;
use crate::deploy::ask::{self, Place};
use crate::deploy::render;
use crate::deploy::verbs::call;
use crate::fleet::inventory::Host;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::tools::ssh::{Ssh, Target};

/// Between two questions to a host that boots.
const PAUSE: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);
/// What a guard lets a client wait for at most.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

pub async fn run(plan: &Plan, request: &Request) -> Result<Report> {
    let started = Instant::now();
    let target = |plan: &HostPlan, stage| ask::target(&plan.host, stage, Place::Away);
    let targets: Vec<Target> = plan
        .hosts
        .iter()
        .filter_map(|host| target(host, plan.stage))
        .collect();
    let ssh = Arc::new(Ssh::knowing(&targets).await?);
    let waves: BTreeSet<u32> = plan.hosts.iter().map(|host| host.host.wave).collect();
    let mut hosts = Vec::new();
    let mut failed = None;
    for wave in waves {
        let mut rebooting = JoinSet::new();
        for host in plan.hosts.iter().filter(|host| host.host.wave == wave) {
            if let Some(outcome) = untouched(host, failed, request) {
                hosts.push(HostReport::untouched(host, outcome));
                continue;
            }
            // A host that answered has a target.
            let Some(target) = target(host, plan.stage) else {
                continue;
            };
            let one = One {
                ssh: Arc::clone(&ssh),
                target,
                plan: host.clone(),
                within: request.within,
                now: request.now,
            };
            rebooting.spawn(one.reboot());
        }
        while let Some(report) = rebooting.join_next().await {
            let report = report??;
            tell(&report);
            if report.outcome.stops() {
                failed = Some(wave);
            }
            hosts.push(report);
        }
    }
    hosts.sort_by(|a, b| (a.wave, &a.host).cmp(&(b.wave, &b.host)));
    let named = plan.hosts.iter().any(|host| host.named);
    Ok(Report {
        version: 1,
        stage: plan.stage,
        seconds: started.elapsed().as_secs_f64(),
        good: hosts.iter().all(|host| host.outcome.is_good(named)),
        hosts,
    })
}

/// Why it is not its turn; none if it is. The waves before it took their time: its window is looked at again.
fn untouched(plan: &HostPlan, failed: Option<u32>, request: &Request) -> Option<Outcome> {
    match &plan.turn {
        Turn::NotDue => return Some(Outcome::NotDue),
        Turn::Left { why } => return Some(Outcome::Left { why: why.clone() }),
        Turn::Unreachable { why } => return Some(Outcome::Unreachable { why: why.clone() }),
        Turn::Reboot { .. } => (),
    }
    if let Some(wave) = failed {
        let why = format!("wave {wave} failed");
        return Some(Outcome::NotTried { why });
    }
    let window = plan.host.reboot.window.as_ref().filter(|_| !request.now)?;
    closed(window, Time::now()).map(|why| Outcome::Left { why })
}

/// A host that is rebooted.
struct One {
    ssh: Arc<Ssh>,
    target: Target,
    plan: HostPlan,
    within: Duration,
    /// Whatever its window says.
    now: bool,
}

impl One {
    async fn reboot(self) -> Result<HostReport> {
        let started = Instant::now();
        let (outcome, now) = self.try_reboot().await?;
        let path = |path: guard::store_path::StorePath| StorePath::parse(path.as_str()).ok();
        let (boot_id, booted) = now.map_or((None, None), |now| (now.boot_id, now.booted));
        Ok(HostReport {
            boot_id,
            booted: booted.and_then(path),
            seconds: started.elapsed().as_secs_f64(),
            ..HostReport::untouched(&self.plan, outcome)
        })
    }

    /// What became of it, and what it said out of its new boot.
    async fn try_reboot(&self) -> Result<(Outcome, Option<Status>)> {
        let before = match self.ask::<Status>("status", ANSWER).await? {
            Ok(status) => status,
            Err(why) => return Ok((Outcome::Unreachable { why }, None)),
        };
        report::say(&format!("{}: reboots …", self.target.host));
        let asked = self.ask::<Done>(self.verb(), ANSWER).await?;
        // A host that goes down quickly takes its answer with it: only a refusal is sure to have left it as it is.
        if let Err(why) = &asked {
            if Refusal::find(why).is_some() {
                return Ok((Outcome::Refused { why: why.clone() }, None));
            }
        }
        let deadline = Instant::now() + self.within;
        let after = match self.until_booted(&before, deadline).await? {
            Ok(after) => after,
            Err((outcome, now)) => return Ok((outcome, now)),
        };
        let outcome = match self.unhealthy(&before, &after, deadline).await? {
            None => Outcome::Rebooted,
            Some(why) => Outcome::Unhealthy { why },
        };
        Ok((outcome, Some(after)))
    }

    /// A guard keeps the window as well, and lets only an operator's key out of it. One that closes at this moment is
    /// nobody's wish to get out of it.
    fn verb(&self) -> &'static str {
        let window = self.plan.host.reboot.window.as_ref().filter(|_| self.now);
        match window.and_then(|window| closed(window, Time::now())) {
            Some(_) => "reboot --now",
            None => "reboot",
        }
    }

    async fn until_booted(
        &self,
        before: &Status,
        deadline: Instant,
    ) -> Result<Result<Status, (Outcome, Option<Status>)>> {
        loop {
            tokio::time::sleep(PAUSE).await;
            let answer = self.ask::<Status>("status", ANSWER).await?;
            if let Ok(after) = &answer {
                match judge::booted(before, after) {
                    Some(Ok(())) => return Ok(Ok(after.clone())),
                    Some(Err(why)) => {
                        let outcome = Outcome::Unhealthy { why };
                        return Ok(Err((outcome, Some(after.clone()))));
                    }
                    None => (),
                }
            }
            if Instant::now() >= deadline {
                let within = self.within.as_secs();
                return Ok(Err(match answer {
                    Ok(now) if now.boot_id == before.boot_id => {
                        let why = format!("it has not gone down within {within} s");
                        (Outcome::NotBack { why }, None)
                    }
                    Ok(now) => {
                        let why = format!("it is on trial still after {within} s");
                        (Outcome::Unhealthy { why }, Some(now))
                    }
                    Err(why) => {
                        let why = format!("it does not answer within {within} s: {why}");
                        (Outcome::NotBack { why }, None)
                    }
                }));
            }
        }
    }

    /// Why it is not healthy, as its guard says once systemd has started everything or the time is over.
    async fn unhealthy(
        &self,
        before: &Status,
        after: &Status,
        deadline: Instant,
    ) -> Result<Option<String>> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let wait = rest.min(LONGEST_WAIT);
            let verb = format!("health --wait {}", wait.as_secs());
            let answer = self
                .ask::<Health>(&verb, wait + checks(&self.plan.host))
                .await?;
            let why = match answer {
                Ok(health) => return Ok(judge::ill(before, after, &health)),
                Err(why) => why,
            };
            // Somebody else has the checks run, or deploys.
            let busy = Refusal::find(&why).is_some_and(|refusal| refusal.code == Code::Busy);
            if !busy || Instant::now() >= deadline {
                return Ok(Some(format!("its health is not known: {why}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        verb: &str,
        timeout: Duration,
    ) -> Result<Result<T, String>> {
        call(&self.ssh, &self.target, verb, timeout).await
    }
}

/// How long the host's checks may take, which run side by side, and the way there and back.
fn checks(host: &Host) -> Duration {
    let longest = host.health_checks.values().map(|check| {
        // Between two tries a guard lets some seconds pass.
        let tries = u64::from(check.retries) + 1;
        u64::from(check.settle) + tries * (u64::from(check.timeout) + 5)
    });
    Duration::from_secs(longest.max().unwrap_or_default()) + 2 * ANSWER
}

fn tell(report: &HostReport) {
    let (words, why) = (report.outcome.words(), report.outcome.why());
    report::say(&render::ended(&report.host, words, why, report.seconds));
}

//! Carries a plan out: wave by wave, the hosts of a wave at the same time, each step in the journal before it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use guard::time::Time;
use tokio::task::JoinSet;

use super::host::{Host, Tools};
use super::journal::{Entry, Journal, Rollback, Work};
use super::notify;
use super::outcome::{HostReport, Outcome, Report};
use super::plan::{Action, HostPlan};
use super::render;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::tools::nix::Nix;

/// Carries out what the journal's first entry says, but for what is done already.
///
/// # Errors
/// If the journal cannot be written, or a program that is needed cannot be started. What becomes of a host is no error.
pub async fn run(
    nix: &Nix,
    deploy_rs: PathBuf,
    journal: &mut Journal,
    work: &Work,
    done: BTreeMap<HostName, HostReport>,
) -> Result<Report> {
    let started = Instant::now();
    let plan = &work.plan;
    let tools = Arc::new(Tools::of(nix, deploy_rs, work).await?);
    keep(nix, journal, work).await?;
    let mut run = Run {
        tools,
        journal,
        work,
        done,
    };
    let waves: BTreeSet<u32> = plan.hosts.iter().map(|host| host.wave).collect();
    let mut failed = None;
    for wave in waves {
        if let Some(before) = failed {
            run.leave(wave, before);
        } else if !run.wave(wave).await? {
            failed = Some(wave);
        }
    }
    let hosts: Vec<HostReport> = plan
        .hosts
        .iter()
        .filter_map(|host| run.done.remove(&host.host))
        .collect();
    let good = hosts.iter().all(|host| host.outcome.is_good());
    journal.end(good)?;
    // The hosts keep what they have; a closure that nobody needs any more may go.
    let _ = std::fs::remove_dir_all(journal.roots());
    let report = Report {
        version: 1,
        stage: plan.stage,
        reference: plan.reference.clone(),
        commit: plan.commit.clone(),
        seconds: started.elapsed().as_secs_f64(),
        good,
        hosts,
    };
    // Nobody wants to hear that nothing happened.
    if !work.jobs.is_empty() {
        notify::tell(&report, &work.listeners).await;
    }
    Ok(report)
}

/// Links to the closures: collecting garbage in the middle of a deployment takes none of them.
async fn keep(nix: &Nix, journal: &Journal, work: &Work) -> Result<()> {
    let roots = journal.roots();
    std::fs::create_dir_all(&roots)
        .with_context(|| format!("cannot make the folder {}", roots.display()))?;
    let paths: Vec<&StorePath> = work
        .jobs
        .values()
        .flat_map(|job| [&job.profile.out, &job.profile.drv])
        .collect();
    if paths.is_empty() {
        return Ok(());
    }
    nix.add_roots(&paths, &roots.join("closure")).await
}

struct Run<'a> {
    tools: Arc<Tools>,
    journal: &'a mut Journal,
    work: &'a Work,
    done: BTreeMap<HostName, HostReport>,
}

impl Run<'_> {
    /// Whether the wave is good, so that the next may begin.
    async fn wave(&mut self, wave: u32) -> Result<bool> {
        let hosts = of_wave(self.work, wave);
        let mut deploying = JoinSet::new();
        for plan in hosts.iter().copied() {
            if self.done.contains_key(&plan.host) {
                continue;
            }
            let Some(host) = self.host(plan) else {
                let outcome = match plan.action {
                    Action::Build => Outcome::Built,
                    _ => Outcome::Unchanged,
                };
                let report = HostReport::of(plan, outcome, plan.old.clone());
                self.done.insert(plan.host.clone(), report);
                continue;
            };
            self.journal.append(&Entry::Host {
                at: Time::now(),
                host: plan.host.clone(),
            })?;
            report::say(&format!("{}: {} …", plan.host, plan.action.words()));
            deploying.spawn(host.deploy(self.journal.log(&plan.host)));
        }
        while let Some(report) = deploying.join_next().await {
            let report = report??;
            tell(&report);
            self.journal.append(&Entry::HostDone {
                at: Time::now(),
                report: report.clone(),
            })?;
            self.done.insert(report.host.clone(), report);
        }
        if self.is_good(&hosts) {
            return Ok(true);
        }
        let back: Vec<&HostPlan> = match self.work.rollback {
            Rollback::None => Vec::new(),
            Rollback::Wave => hosts,
            Rollback::All => self
                .work
                .plan
                .hosts
                .iter()
                .filter(|host| host.wave <= wave)
                .collect(),
        };
        self.go_back(&back, &format!("wave {wave} failed")).await?;
        Ok(false)
    }

    /// A host that was off proves nothing, and harms nothing either; a wave of nothing else is none.
    fn is_good(&self, hosts: &[&HostPlan]) -> bool {
        let outcomes: Vec<&HostReport> = hosts
            .iter()
            .filter_map(|plan| self.done.get(&plan.host))
            .collect();
        let absent = |report: &HostReport| {
            matches!(report.outcome, Outcome::Unreachable { tried: false, .. })
        };
        let proved = outcomes.is_empty() || outcomes.iter().any(|report| !absent(report));
        let harmless = |report: &&HostReport| report.outcome.is_good() || absent(report);
        proved && outcomes.iter().all(harmless)
    }

    async fn go_back(&mut self, hosts: &[&HostPlan], why: &str) -> Result<()> {
        let mut returning = JoinSet::new();
        for plan in hosts {
            let has_it = self.done.get(&plan.host).is_some_and(|report| {
                matches!(
                    report.outcome,
                    Outcome::Deployed
                        | Outcome::BootPending
                        | Outcome::OnTrial
                        | Outcome::Test { .. }
                )
            });
            let (true, Some(host)) = (has_it, self.host(plan)) else {
                continue;
            };
            self.journal.append(&Entry::Return {
                at: Time::now(),
                host: plan.host.clone(),
                why: why.to_owned(),
            })?;
            report::say(&format!("{}: returns, since {why} …", plan.host));
            returning.spawn(host.go_back(why.to_owned()));
        }
        while let Some(report) = returning.join_next().await {
            let report = report??;
            tell(&report);
            self.journal.append(&Entry::Returned {
                at: Time::now(),
                report: report.clone(),
            })?;
            self.done.insert(report.host.clone(), report);
        }
        Ok(())
    }

    /// The hosts of a wave after one that failed are not touched.
    fn leave(&mut self, wave: u32, failed: u32) {
        for plan in of_wave(self.work, wave) {
            let outcome = if plan.action == Action::Unchanged {
                Outcome::Unchanged
            } else {
                Outcome::NotTried {
                    why: format!("wave {failed} failed"),
                }
            };
            let report = HostReport::of(plan, outcome, plan.old.clone());
            self.done.entry(plan.host.clone()).or_insert(report);
        }
    }

    /// None if nothing is to be done with it.
    fn host(&self, plan: &HostPlan) -> Option<Host> {
        Host::of(&self.tools, self.work, plan)
    }
}

fn of_wave(work: &Work, wave: u32) -> Vec<&HostPlan> {
    work.plan
        .hosts
        .iter()
        .filter(|host| host.wave == wave)
        .collect()
}

impl HostReport {
    pub fn of(plan: &HostPlan, outcome: Outcome, running: Option<StorePath>) -> Self {
        Self {
            host: plan.host.clone(),
            wave: plan.wave,
            outcome,
            new: plan.new.clone(),
            running,
            seconds: 0.0,
            log: Vec::new(),
            surprises: Vec::new(),
        }
    }
}

fn tell(report: &HostReport) {
    let (words, why) = (report.outcome.words(), report.outcome.why());
    report::say(&render::ended(&report.host, &words, why, report.seconds));
}

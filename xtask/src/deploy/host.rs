//! One host: the release is handed over, deploy-rs is called, and the host is asked what came of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guard::release::SignedRelease;

use super::ask;
use super::health;
use super::hindrance::Hindrance;
use super::journal::{Job, Work};
use super::live::Live;
use super::outcome::{judge, unsettled, HostReport, Outcome};
use super::plan::{Action, HostPlan, NEW_GUARD};
use super::said;
use super::surprises::surprises;
use crate::fleet::inventory;
use crate::fleet::store_path::StorePath;
use crate::process::Output;
use crate::tools::deploy_rs::{self, Mode, Node, Profile, Profiles};
use crate::tools::nix::Nix;
use crate::tools::ssh::{Ssh, Target};
use crate::whole_file;

/// What every host of a deployment is deployed with.
#[derive(Debug)]
pub struct Tools {
    pub nix: Nix,
    pub deploy_rs: PathBuf,
    pub ssh: Ssh,
    pub release: Option<SignedRelease>,
}

impl Tools {
    /// # Errors
    /// If what the hosts' keys are cannot be written down.
    pub async fn of(nix: &Nix, deploy_rs: PathBuf, work: &Work) -> Result<Self> {
        let targets: Vec<_> = work
            .jobs
            .values()
            .filter_map(|job| ask::target(&job.host, work.plan.stage, work.place))
            .collect();
        Ok(Self {
            nix: nix.clone(),
            deploy_rs,
            ssh: Ssh::knowing(&targets).await?,
            release: work.release.clone(),
        })
    }
}

/// A host that is deployed.
#[derive(Debug, Clone)]
pub struct Host {
    pub tools: Arc<Tools>,
    pub target: Target,
    pub plan: HostPlan,
    pub job: Job,
}

/// Between two questions to a host that has not settled.
const PAUSE: Duration = Duration::from_secs(2);

impl Host {
    /// None if nothing is to be done with it.
    pub fn of(tools: &Arc<Tools>, work: &Work, plan: &HostPlan) -> Option<Self> {
        let job = work.jobs.get(&plan.host)?;
        Some(Self {
            tools: Arc::clone(tools),
            target: ask::target(&job.host, work.plan.stage, work.place)?,
            plan: plan.clone(),
            job: job.clone(),
        })
    }

    /// What deploy-rs says is written to `log`.
    ///
    /// # Errors
    /// If a program that is needed cannot be started; what becomes of the host is in the report.
    pub async fn deploy(self, log: PathBuf) -> Result<HostReport> {
        let started = Instant::now();
        let told = self.try_deploy(&log).await?;
        let good = told.outcome.is_good();
        Ok(HostReport {
            seconds: started.elapsed().as_secs_f64(),
            log: if good { Vec::new() } else { told.log },
            surprises: if good { told.surprises } else { Vec::new() },
            ..HostReport::of(&self.plan, told.outcome, told.running)
        })
    }

    async fn try_deploy(&self, log: &Path) -> Result<Told> {
        let before = match self.ask_until_nothing_goes_on().await? {
            Ok(live) => live,
            Err(why) => {
                let outcome = Outcome::Unreachable { why, tried: false };
                return Ok(Told::new(outcome, None));
            }
        };
        // Before a controller was killed, it may have come this far.
        if let Some(outcome @ (Outcome::Deployed | Outcome::BootPending | Outcome::Test { .. })) =
            judge(&self.plan, &before, &before, "")
        {
            return self.check(outcome, &before, &before).await;
        }
        // Planned before it could be asked, or as a test.
        if self.plan.action.is_live() && self.job.host.guard && before.guard.is_none() {
            let why = NEW_GUARD.to_owned();
            return Ok(Told::new(Outcome::NotTried { why }, before.running));
        }
        let hindrance = match before.guard {
            Some(_) => self.hand_over_release().await?,
            None => self.remove_canary().await?,
        };
        match hindrance {
            None => {}
            Some(Hindrance::Said(why)) => {
                return Ok(Told::new(Outcome::NotTried { why }, before.running));
            }
            // The connection ended, and perhaps the host with it.
            Some(Hindrance::Lost(why)) => {
                return Ok(match self.ask().await? {
                    Ok(live) => Told::new(Outcome::NotTried { why }, live.running),
                    Err(why) => Told::new(Outcome::Unreachable { why, tried: false }, None),
                });
            }
        }
        let output = self.call_deploy_rs(self.mode()).await?;
        whole_file::write(log, said::everything(&output))
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut told = match self
            .settle(&before, &said::failure(&output), &output)
            .await?
        {
            Ok((outcome, after)) if outcome.is_good() => {
                self.check(outcome, &before, &after).await?
            }
            Ok((outcome, after)) => Told::new(outcome, after.running),
            Err(why) => Told::new(Outcome::Unreachable { why, tried: true }, None),
        };
        told.log = [said::last_lines(&output), told.log].concat();
        if let (true, Some(units)) = (self.plan.action.is_live(), &self.plan.units) {
            told.surprises = surprises(units, &said::everything(&output));
        }
        Ok(told)
    }

    /// What was deployed has to be healthy. A guard has looked itself; on a host without one it is looked at from here.
    async fn check(&self, outcome: Outcome, before: &Live, after: &Live) -> Result<Told> {
        let live = self.plan.action.is_live();
        let told = Told::new(outcome, after.running.clone());
        if after.guard.is_some() || !live {
            return Ok(told);
        }
        match health::look(&self.tools.ssh, &self.target, &self.job.host, before).await? {
            None => Ok(told),
            Some(why) => {
                let report = self.clone().go_back(why.clone()).await?;
                Ok(Told {
                    log: vec![why],
                    ..Told::new(report.outcome, report.running)
                })
            }
        }
    }

    async fn ask(&self) -> Result<Result<Live, String>> {
        ask::one(&self.tools.ssh, &self.target, self.job.host.guard).await
    }

    /// Asks until the host has done with an activation of somebody else's, of a controller that was killed perhaps: two
    /// at a time would take each other's confirmation. One that never ends is left to the person.
    pub(super) async fn ask_until_nothing_goes_on(&self) -> Result<Result<Live, String>> {
        let started = Instant::now();
        loop {
            let answer = self.ask().await?;
            match &answer {
                Ok(live)
                    if live.is_busy() && started.elapsed() <= self.longest_activation(live) => {}
                Ok(live) if live.is_busy() => {
                    let what = super::live::words(&live.state);
                    return Ok(Err(format!("it is {what} still, for somebody else")));
                }
                _ => return Ok(answer),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What an activation may take, with going back, for which a guard gives itself more time.
    fn longest_activation(&self, live: &Live) -> Duration {
        let host = &self.job.host;
        let activation = match live.guard {
            Some(_) => guard::config::longest_activation(host.activation_timeout()),
            None => host.activation_timeout(),
        };
        activation + host.confirm_timeout() + Duration::from_secs(30)
    }

    fn mode(&self) -> Mode {
        match self.plan.action {
            Action::Boot => Mode::Boot,
            Action::Test { .. } => Mode::Test,
            Action::Switch | Action::Unchanged | Action::Build => Mode::Switch,
        }
    }

    pub(super) async fn call_deploy_rs(&self, mode: Mode) -> Result<Output> {
        let folder = tempfile::Builder::new()
            .prefix("slipway-deploy-")
            .tempdir()
            .context("cannot make a folder for deploy-rs")?;
        deploy_rs::write_flake(folder.path(), &self.target.host, &self.node()?)?;
        let tools = &self.tools;
        let command = deploy_rs::deploy(
            &tools.deploy_rs,
            &tools.nix,
            folder.path(),
            &self.target.host,
            mode,
        );
        let command = match tools.ssh.programs(&self.target) {
            Some(programs) => tools.nix.with_programs(command, &[programs]),
            None => command,
        };
        command
            // Whatever hangs in it; a closure over a slow line takes its time.
            .timeout(Duration::from_secs(2 * 3600))
            .capture()
            .await
    }

    fn node(&self) -> Result<Node> {
        let of_host = self.job.host.node.clone();
        let of_host = of_host.with_context(|| format!("{} has no node", self.target.host))?;
        Ok(Node {
            settings: inventory::Node {
                hostname: self.target.address.clone(),
                ssh_user: self.target.user.clone(),
                ssh_opts: self.tools.ssh.arguments(&self.target),
                ..of_host
            },
            profiles: Profiles {
                system: Profile {
                    path: self.job.profile.out.to_string(),
                    drv_path: self.job.profile.drv.to_string(),
                },
            },
        })
    }

    /// Asks until the host has come to an end, one way or the other: a client that gave up is no sign of it.
    async fn settle(
        &self,
        before: &Live,
        failure: &str,
        output: &Output,
    ) -> Result<Result<(Outcome, Live), String>> {
        // deploy-rs waits for a confirmation as long, and needs some time to go back.
        let patience = self.job.host.confirm_timeout() + Duration::from_secs(30);
        let started = Instant::now();
        loop {
            let answer = self.ask().await?;
            if let Ok(live) = &answer {
                match judge(&self.plan, before, live, failure) {
                    // It may be about to begin, or about to go back.
                    Some(Outcome::RolledBack { .. })
                        if !output.status.success() && started.elapsed() < 2 * PAUSE => {}
                    Some(outcome) => return Ok(Ok((outcome, live.clone()))),
                    None => (),
                }
            }
            // A guard comes to an end, and says until then that it has not.
            let patience = match &answer {
                Ok(live) if live.guard.is_some() && live.is_busy() => self.longest_activation(live),
                _ => patience,
            };
            if started.elapsed() > patience {
                return Ok(answer.map(|live| (unsettled(&self.plan, &live), live)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns to what the host had before this deployment.
    ///
    /// # Errors
    /// If ssh cannot be started.
    pub async fn go_back(self, why: String) -> Result<HostReport> {
        let started = Instant::now();
        let (command, timeout) = match self.ask().await? {
            Ok(live) if live.guard.is_some() => {
                ("rollback".to_owned(), self.longest_activation(&live))
            }
            _ => (self.revoke(), Duration::from_secs(600)),
        };
        let output = self
            .tools
            .ssh
            .command(&self.target, &command)
            .timeout(self.target.slowness.over(timeout))
            .capture()
            .await?;
        let (outcome, running) = match self.ask().await? {
            Ok(live)
                if live.running.is_some()
                    && live.running == self.plan.old
                    && live.boot_default.as_ref() != Some(&self.plan.new) =>
            {
                (Outcome::RolledBack { why }, live.running)
            }
            Ok(live) => {
                let after = live.running.clone();
                (unsettled(&self.plan, &live), after)
            }
            Err(why) => (Outcome::Unreachable { why, tried: true }, None),
        };
        Ok(HostReport {
            seconds: started.elapsed().as_secs_f64(),
            log: if output.status.success() {
                Vec::new()
            } else {
                said::last_lines(&output)
            },
            ..HostReport::of(&self.plan, outcome, running)
        })
    }

    /// What deploy-rs itself sends to take back what it activated.
    fn revoke(&self) -> String {
        let (sudo, user) = (self.sudo(), self.user());
        let profile = &self.job.profile.out;
        format!("{sudo}{profile}/activate-rs revoke --profile-user {user} --profile-name system")
    }

    /// Whom the activation runs as.
    fn user(&self) -> &str {
        let node = self.job.host.node.as_ref();
        node.map_or("root", |node| node.user.as_str())
    }

    /// What deploy-rs puts before its commands on the host.
    pub(super) fn sudo(&self) -> String {
        if self.target.user.as_deref() == Some(self.user()) {
            return String::new();
        }
        format!("sudo -u {} ", self.user())
    }
}

/// What became of a host.
struct Told {
    outcome: Outcome,
    /// As it said last.
    running: Option<StorePath>,
    /// The lines that explain it.
    log: Vec<String>,
    /// What its switch did beside what was foretold.
    surprises: Vec<String>,
}

impl Told {
    fn new(outcome: Outcome, running: Option<StorePath>) -> Self {
        Self {
            outcome,
            running,
            log: Vec::new(),
            surprises: Vec::new(),
        }
    }
}

//! One host: the release is handed over, deploy-rs is called, and the host is asked what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guard::refusal::Refusal;
use guard::release::SignedRelease;

use super::ask;
use super::health;
use super::hindrance::Hindrance;
use super::journal::Job;
use super::live::Live;
use super::outcome::{judge, unsettled, HostReport, Outcome};
use super::plan::{Action, HostPlan};
use crate::fleet::inventory;
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

/// A host that is deployed.
#[derive(Debug, Clone)]
pub struct Host {
    pub tools: Arc<Tools>,
    pub target: Target,
    pub plan: HostPlan,
    pub job: Job,
    pub log: PathBuf,
}

/// Between two questions to a host that has not settled.
const PAUSE: Duration = Duration::from_secs(2);

impl Host {
    /// # Errors
    /// If a program that is needed cannot be started; what becomes of the host is in the report.
    pub async fn deploy(self) -> Result<HostReport> {
        let started = Instant::now();
        let (outcome, running, log) = self.try_deploy().await?;
        Ok(HostReport {
            seconds: started.elapsed().as_secs_f64(),
            log: if outcome.is_good() { Vec::new() } else { log },
            ..HostReport::of(&self.plan, outcome, running)
        })
    }

    async fn try_deploy(&self) -> Result<Told> {
        let before = match self.ask_until_nothing_goes_on().await? {
            Ok(live) => live,
            Err(why) => {
                let outcome = Outcome::Unreachable { why, tried: false };
                return Ok((outcome, None, Vec::new()));
            }
        };
        // Before a controller was killed, it may have come this far.
        if let Some(outcome @ (Outcome::Deployed | Outcome::BootPending | Outcome::Test { .. })) =
            judge(&self.plan, &before, &before, "")
        {
            return self.check(outcome, &before, &before).await;
        }
        let hindrance = match before.guard {
            Some(_) => self.hand_over_release().await?,
            None => self.remove_canary().await?,
        };
        match hindrance {
            None => {}
            Some(Hindrance::Said(why)) => {
                return Ok((Outcome::NotTried { why }, before.running, Vec::new()));
            }
            // The connection ended, and perhaps the host with it.
            Some(Hindrance::Lost(why)) => {
                return Ok(match self.ask().await? {
                    Ok(live) => (Outcome::NotTried { why }, live.running, Vec::new()),
                    Err(why) => {
                        let outcome = Outcome::Unreachable { why, tried: false };
                        (outcome, None, Vec::new())
                    }
                });
            }
        }
        let output = self.call_deploy_rs().await?;
        let log = log_of(&output);
        let failure = failure_of(&output);
        match self.settle(&before, &failure, &output).await? {
            Ok((outcome, after)) if outcome.is_good() => {
                let (outcome, running, more) = self.check(outcome, &before, &after).await?;
                Ok((outcome, running, [log, more].concat()))
            }
            Ok((outcome, after)) => Ok((outcome, after.running, log)),
            Err(why) => Ok((Outcome::Unreachable { why, tried: true }, None, log)),
        }
    }

    /// What was deployed has to be healthy. A guard has looked itself; on a host without one it is looked at from here.
    async fn check(&self, outcome: Outcome, before: &Live, after: &Live) -> Result<Told> {
        let live = self.plan.action.is_live();
        if after.guard.is_some() || !live {
            return Ok((outcome, after.running.clone(), Vec::new()));
        }
        match health::look(&self.tools.ssh, &self.target, &self.job.host, before).await? {
            None => Ok((outcome, after.running.clone(), Vec::new())),
            Some(why) => {
                let report = self.clone().go_back(why.clone()).await?;
                Ok((report.outcome, report.running, vec![why]))
            }
        }
    }

    async fn ask(&self) -> Result<Result<Live, String>> {
        ask::one(&self.tools.ssh, &self.target, self.job.host.guard).await
    }

    /// Asks until the host has done with an activation of somebody else's, of a controller that was killed perhaps: two
    /// at a time would take each other's confirmation. One that never ends is left to the person.
    async fn ask_until_nothing_goes_on(&self) -> Result<Result<Live, String>> {
        let patience = self.longest_activation();
        let started = Instant::now();
        loop {
            let answer = self.ask().await?;
            match &answer {
                Ok(live) if live.is_busy() && started.elapsed() <= patience => {}
                Ok(live) if live.is_busy() => {
                    let what = super::live::words(&live.state);
                    return Ok(Err(format!("it is {what} still, for somebody else")));
                }
                _ => return Ok(answer),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What an activation may take, with going back.
    fn longest_activation(&self) -> Duration {
        let node = self.job.host.node.as_ref();
        let longest = node.map_or(240, |node| node.activation_timeout + node.confirm_timeout);
        Duration::from_secs(u64::from(longest) + 30)
    }

    async fn call_deploy_rs(&self) -> Result<Output> {
        let folder = tempfile::Builder::new()
            .prefix("slipway-deploy-")
            .tempdir()
            .context("cannot make a folder for deploy-rs")?;
        deploy_rs::write_flake(folder.path(), &self.target.host, &self.node()?)?;
        let mode = match self.plan.action {
            Action::Boot => Mode::Boot,
            Action::Test { .. } => Mode::Test,
            Action::Switch | Action::Unchanged | Action::Build => Mode::Switch,
        };
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
        let output = command
            // Whatever hangs in it; a closure over a slow line takes its time.
            .timeout(Duration::from_secs(2 * 3600))
            .capture()
            .await?;
        let log = format!("{}\n{}", output.text(), output.stderr);
        whole_file::write(&self.log, log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        Ok(output)
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
        let node = self.job.host.node.as_ref();
        // deploy-rs waits for a confirmation as long, and needs some time to go back.
        let confirm = node.map_or(30, |node| node.confirm_timeout);
        let patience = Duration::from_secs(u64::from(confirm) + 30);
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
                Ok(live) if live.guard.is_some() && live.is_busy() => self.longest_activation(),
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
        let guarded = matches!(self.ask().await?, Ok(live) if live.guard.is_some());
        let command = if guarded {
            "rollback".to_owned()
        } else {
            self.revoke()
        };
        let output = self
            .tools
            .ssh
            .command(&self.target, &command)
            .timeout(Duration::from_secs(600))
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
                log_of(&output)
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

/// The outcome, what the host runs, and the lines that explain it.
type Told = (
    Outcome,
    Option<crate::fleet::store_path::StorePath>,
    Vec<String>,
);

/// The last lines of what deploy-rs said, without its own words about itself.
fn log_of(output: &Output) -> Vec<String> {
    const SHOWN: usize = 15;
    let text = without_colours(&output.stderr);
    let lines: Vec<String> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

/// deploy-rs's own last error, in a line.
fn failure_of(output: &Output) -> String {
    if output.status.success() {
        return "deploy-rs said that all was well".to_owned();
    }
    if let Some(refusal) = Refusal::find(&output.stderr) {
        return refusal.to_string();
    }
    let text = without_colours(&output.stderr);
    let errors = || {
        text.lines()
            .filter_map(|line| line.split_once("[ERROR] "))
            .rev()
    };
    // They speak in no fixed order. The one on the host knows the cause, and what waits for it only that it was told to
    // end.
    let of = |wanted: fn(&str) -> bool| errors().find(|(who, _)| wanted(who));
    let cause = of(|who| who.contains("[activate]"))
        .or_else(|| of(|who| !who.contains("[wait]")))
        .or_else(|| of(|_| true));
    match cause.map(|(_, error)| error) {
        Some(error) => {
            let error = error.split(". The failed command").next().unwrap_or(error);
            error.trim().to_owned()
        }
        None => format!("deploy-rs {}", output.status),
    }
}

/// deploy-rs colours its lines wherever they go.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = match after.split_once('m') {
            Some((code, after)) if code.starts_with('[') => after,
            _ => after,
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Status;

    #[test]
    fn deploy_rs_own_last_error_is_told() {
        let said = |stderr: &str| {
            failure_of(&Output {
                status: Status::Code(1),
                stdout: Vec::new(),
                stderr: stderr.to_owned(),
                wall: Duration::ZERO,
            })
        };
        let coloured = "🚀 ❌ [deploy] [\u{1b}[31mERROR\u{1b}[0m] one\n🚀 ❌ [deploy] [\u{1b}[31mERROR\u{1b}[0m] two\nlast\n";
        assert_eq!(said(coloured), "two");
        let waited = "[activate] [ERROR] the cause\n[wait] [ERROR] cancelled\n[deploy] [ERROR] rolled back\n";
        assert_eq!(said(waited), "the cause");
        assert_eq!(said("[wait] [ERROR] alone\n"), "alone");
        assert_eq!(said(""), "deploy-rs exited 1");
        assert_eq!(
            said("refused downgrade: older\n[ERROR] bad exit code"),
            "refused downgrade: older"
        );
    }
}

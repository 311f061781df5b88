//! The inventory of a fleet, host by host: what one host's failure hides is only that host.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;

use super::apply::{self, Event, HostEvaluation, Overview, Profile, Wanted};
use super::{kept, Fleet};
use crate::failure::{Exit, Failure};
use crate::fleet::host::HostName;
use crate::fleet::inventory::Inventory;
use crate::fleet::stage::Stage;
use crate::process::Output;
use crate::report;
use crate::tools::nix::error::{self, EvaluationError};

/// What a fleet says of its hosts, and which hosts do not evaluate.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The healthy hosts.
    pub inventory: Inventory,
    pub failed: BTreeMap<HostName, EvaluationError>,
}

impl Survey {
    /// Every host, healthy or not.
    pub fn names(&self) -> Vec<HostName> {
        let mut names: Vec<HostName> = self
            .inventory
            .hosts
            .keys()
            .chain(self.failed.keys())
            .cloned()
            .collect();
        names.sort();
        names
    }
}

/// The version of the inventory document that this xtask writes for fleets that declare none.
const VERSION: u32 = 1;

const UNKNOWN_OPTION: &str =
    "the rehearsal stage knows only the options that nix/rehearsal/modules declares: \
    `--stage nixos`, or add it: nix/rehearsal/README.md#adding-an-option";

/// Hosts that one process evaluates: it keeps them all in memory, and a real NixOS host takes some hundred MiB.
fn hosts_per_process(stage: Stage) -> usize {
    match stage {
        Stage::Nixos => 8,
        Stage::Rehearsal => 64,
    }
}

/// What evaluations found.
#[derive(Debug, Default)]
pub struct Found {
    overview: Option<Overview>,
    pub healthy: BTreeMap<HostName, HostEvaluation>,
    pub failed: BTreeMap<HostName, EvaluationError>,
}

impl Fleet {
    /// The inventory: kept from an earlier run if nothing changed since, else evaluated.
    ///
    /// # Errors
    /// If the flake fails as a whole, or has no hosts.
    pub async fn survey(&self) -> Result<Survey> {
        let mut survey = self.configured().await?;
        if let Some(machines) = &self.machines {
            machines.stand_in(&mut survey.inventory);
        }
        Ok(survey)
    }

    /// The inventory as the hosts' configurations have it.
    async fn configured(&self) -> Result<Survey> {
        let fingerprint = self.source.whole();
        if let Some(inventory) = kept::read(&self.cache, "inventory", &fingerprint) {
            return Ok(Survey {
                inventory,
                failed: BTreeMap::new(),
            });
        }
        let survey = self.evaluate_inventory().await?;
        // A failure may have had a passing cause, such as a full disk; only what worked is kept.
        if survey.failed.is_empty() {
            // Without a cache the answer is the same, only slower the next time.
            let kept = kept::write(&self.cache, "inventory", &fingerprint, &survey.inventory);
            if let Err(error) = kept {
                report::say(&format!("warning: cannot keep the inventory: {error:#}"));
            }
        }
        Ok(survey)
    }

    async fn evaluate_inventory(&self) -> Result<Survey> {
        let first = apply::survey(hosts_per_process(self.stage));
        let mut found = self.evaluate(&first, &[]).await?;
        let overview = found.overview.take().ok_or_else(|| {
            let reference = &self.flake.reference;
            Failure::failed(format!(
                "cannot evaluate {reference}: nix eval said nothing"
            ))
        })?;
        if overview.hosts.is_empty() {
            let reference = &self.flake.reference;
            let failure = Failure::usage(format!("{reference} has no nixosConfigurations"));
            return Err(failure.into());
        }
        let mut rest = overview.hosts.clone();
        rest.retain(|host| !found.knows(host));
        let wanted = Wanted {
            inventory: true,
            ..Wanted::default()
        };
        found.add(self.evaluate_hosts(&rest, wanted).await?);
        Ok(Survey {
            inventory: Inventory {
                version: VERSION,
                stage: overview.stage.unwrap_or(self.stage),
                hosts_dir: overview.hosts_dir,
                hermetic: overview.hermetic,
                hosts: found
                    .healthy
                    .into_iter()
                    .filter_map(|(name, done)| Some((name, done.inventory?)))
                    .collect(),
            },
            failed: found.failed,
        })
    }

    /// Evaluates hosts in as many processes as there are cores, each host however many of the others fail.
    ///
    /// # Errors
    /// If the flake fails as a whole.
    pub async fn evaluate_hosts(&self, hosts: &[HostName], wanted: Wanted) -> Result<Found> {
        let mut waiting: VecDeque<Vec<HostName>> = hosts
            .chunks(hosts_per_process(self.stage))
            .map(<[HostName]>::to_vec)
            .collect();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut all = Found::default();
        let mut running = tokio::task::JoinSet::new();
        loop {
            while running.len() < workers {
                let Some(hosts) = waiting.pop_front() else {
                    break;
                };
                let fleet = self.clone();
                running.spawn(async move {
                    let expression = apply::expression(&hosts, wanted);
                    let found = fleet.evaluate(&expression, &hosts).await;
                    (hosts, found)
                });
            }
            let Some(done) = running.join_next().await else {
                return Ok(all);
            };
            let (mut hosts, found) = done?;
            all.add(found?);
            // What came after a host that failed is asked again.
            hosts.retain(|host| !all.knows(host));
            if !hosts.is_empty() {
                waiting.push_back(hosts);
            }
        }
    }

    /// What deploy-rs copies to each of these hosts that has a node; the derivations are in the store afterwards.
    ///
    /// # Errors
    /// Failed, if one of them does not evaluate.
    pub async fn profiles(&self, hosts: &[HostName]) -> Result<BTreeMap<HostName, Profile>> {
        let wanted = Wanted {
            profile: true,
            ..Wanted::default()
        };
        let found = self.evaluate_hosts(hosts, wanted).await?;
        if let Some((host, error)) = found.failed.iter().next() {
            let message = format!(
                "the deploy-rs node of host {host} does not evaluate: {}",
                self.worded(error)
            );
            return Err(self.failure(message).into());
        }
        let profiles = found.healthy.into_iter();
        Ok(profiles
            .filter_map(|(host, done)| Some((host, done.profile?)))
            .collect())
    }

    /// Runs one process. A failure that is one host's is part of what was found; what comes after it is not.
    async fn evaluate(&self, expression: &str, hosts: &[HostName]) -> Result<Found> {
        let mut found = Found::default();
        let mut begun: Option<HostName> = None;
        let output = self
            .nix
            .evaluation(&self.flake, self.stage, expression)
            .stream(|line| match apply::event(line) {
                Some(Event::Overview(overview)) => found.overview = Some(overview),
                Some(Event::Begin(host)) => begun = Some(host),
                Some(Event::Done(done)) => {
                    begun = None;
                    found.healthy.insert(done.host.clone(), done);
                }
                Some(Event::Warning(_)) | None => (),
            })
            .await?;
        let error = || self.error(&output);
        let culprit = if output.status.success() {
            // A host that Nix said nothing of is never asked for again, else it would be asked for ever.
            hosts.iter().find(|host| !found.knows(host)).cloned()
        } else if begun.is_some() {
            begun
        } else {
            let (reference, error) = (&self.flake.reference, self.worded(&error()));
            let message = format!("cannot evaluate {reference}: {error}");
            return Err(self.failure(message).into());
        };
        found.failed.extend(culprit.map(|host| (host, error())));
        Ok(found)
    }

    /// Says in full why hosts do not evaluate; an exit code that tells whether there are such hosts.
    pub fn tell_failures(&self, survey: &Survey) -> Exit {
        for (host, error) in &survey.failed {
            report::say(&format!(
                "error: host {host} does not evaluate: {}",
                self.worded(error)
            ));
            if let Some(next_step) = self.after_error(&error.message) {
                report::say(&format!("try: {next_step}"));
            }
        }
        Exit::passed_if(survey.failed.is_empty())
    }

    /// What went wrong, in the names of the fleet's own files.
    pub fn error(&self, output: &Output) -> EvaluationError {
        let mut error = error::parse(&output.stderr, error::files_of(self.folder()));
        if !output.stderr.lines().any(|line| line.starts_with("error:")) {
            error.message = match apply::unreadable(&output.stderr) {
                // What Nix itself computes is always as it should be.
                Some(why) => format!("its config.homelab.inventory is of another shape: {why}"),
                None => format!("nix eval {}: {}", output.status, error.message),
            };
        }
        error
    }

    /// What to try after an evaluation failed with this message.
    pub fn after_error(&self, message: &str) -> Option<String> {
        let unknown = message.contains("The option `") && message.contains("' does not exist");
        if self.stage == Stage::Rehearsal && unknown {
            return Some(UNKNOWN_OPTION.to_owned());
        }
        let trace = || "the same with --show-trace, for Nix' whole trace".to_owned();
        (!self.show_trace).then(trace)
    }

    /// An evaluation that failed, and what to try.
    pub fn failure(&self, message: String) -> Failure {
        let next_step = self.after_error(&message);
        let failure = Failure::failed(message);
        match next_step {
            Some(next_step) => failure.try_next(next_step),
            None => failure,
        }
    }

    /// An error as this run wants it: in short, or with Nix' whole trace.
    pub fn worded(&self, error: &EvaluationError) -> String {
        if self.show_trace {
            error.trace.clone()
        } else {
            error.to_string()
        }
    }
}

impl Found {
    fn add(&mut self, other: Self) {
        self.healthy.extend(other.healthy);
        self.failed.extend(other.failed);
    }

    fn knows(&self, host: &HostName) -> bool {
        self.healthy.contains_key(host) || self.failed.contains_key(host)
    }
}

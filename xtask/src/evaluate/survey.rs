//! The inventory of a fleet, host by host: what one host's failure hides is only that host.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;

use super::apply::{self, Event, Overview, Wanted};
use super::error::{self, EvaluationError};
use super::{kept, Fleet};
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Host, Inventory};
use crate::fleet::stage::Stage;
use crate::process::Output;

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

/// Hosts that one process evaluates: it keeps them all in memory, and a real NixOS host takes some hundred MiB.
fn hosts_per_process(stage: Stage) -> usize {
    match stage {
        Stage::Nixos => 8,
        Stage::Rehearsal => 64,
    }
}

/// What one process found.
#[derive(Default)]
struct Found {
    overview: Option<Overview>,
    healthy: BTreeMap<HostName, Host>,
    /// The host that ended the process.
    failed: Option<(HostName, EvaluationError)>,
}

impl Fleet {
    /// The inventory: kept from an earlier run if nothing changed since, else evaluated.
    ///
    /// # Errors
    /// If the flake fails as a whole, or has no hosts.
    pub async fn survey(&self) -> Result<Survey> {
        let fingerprint = self.source.whole();
        if let Some(inventory) = kept::read(&self.cache, "inventory", &fingerprint) {
            return Ok(Survey {
                inventory,
                failed: BTreeMap::new(),
            });
        }
        let survey = self.evaluate_all().await?;
        // A failure may have had a passing cause, such as a full disk; only what worked is kept.
        if survey.failed.is_empty() {
            kept::write(&self.cache, "inventory", &fingerprint, &survey.inventory)?;
        }
        Ok(survey)
    }

    async fn evaluate_all(&self) -> Result<Survey> {
        let size = hosts_per_process(self.stage);
        let first = self.evaluate(apply::survey(size), &[]).await?;
        let Some(overview) = first.overview.clone() else {
            return Err(Failure::failed(format!(
                "cannot evaluate {}: no answer from nix eval",
                self.flake.reference
            ))
            .into());
        };
        if overview.hosts.is_empty() {
            return Err(Failure::usage(format!(
                "{} has no nixosConfigurations",
                self.flake.reference
            ))
            .into());
        }
        let mut survey = Survey {
            inventory: Inventory {
                version: VERSION,
                stage: overview.stage.unwrap_or(self.stage),
                hosts_dir: overview.hosts_dir,
                hermetic: overview.hermetic,
                hosts: BTreeMap::new(),
            },
            failed: BTreeMap::new(),
        };
        survey.add(first);

        let rest: Vec<HostName> = overview
            .hosts
            .into_iter()
            .filter(|host| !survey.knows(host))
            .collect();
        let mut waiting: VecDeque<Vec<HostName>> =
            rest.chunks(size).map(<[HostName]>::to_vec).collect();
        let mut running = tokio::task::JoinSet::new();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        loop {
            while running.len() < workers {
                let Some(hosts) = waiting.pop_front() else {
                    break;
                };
                let fleet = self.clone();
                running.spawn(async move {
                    let wanted = Wanted {
                        inventory: true,
                        ..Wanted::default()
                    };
                    let found = fleet
                        .evaluate(apply::expression(&hosts, wanted), &hosts)
                        .await;
                    (hosts, found)
                });
            }
            let Some(done) = running.join_next().await else {
                break;
            };
            let (mut hosts, found) = done?;
            survey.add(found?);
            hosts.retain(|host| !survey.knows(host));
            if !hosts.is_empty() {
                waiting.push_back(hosts);
            }
        }
        Ok(survey)
    }

    /// Runs one evaluation. A failure that is one host's is part of what was found.
    async fn evaluate(&self, expression: String, hosts: &[HostName]) -> Result<Found> {
        let mut found = Found::default();
        let mut begun: Option<HostName> = None;
        let output = self
            .nix
            .evaluation(&self.flake, self.stage, &expression)
            .stream(|line| match apply::event(line) {
                Some(Event::Overview(overview)) => found.overview = Some(overview),
                Some(Event::Begin(host)) => begun = Some(host),
                Some(Event::Done(done)) => {
                    begun = None;
                    if let Some(host) = done.inventory {
                        found.healthy.insert(done.host, host);
                    }
                }
                Some(Event::Warning(_)) | None => (),
            })
            .await?;
        if output.status.success() {
            let silent = hosts.iter().find(|host| !found.healthy.contains_key(host));
            return match silent {
                // Never asked for again, else it would be asked for ever.
                Some(host) => {
                    found.failed = Some((host.clone(), self.error(&output)));
                    Ok(found)
                }
                None => Ok(found),
            };
        }
        match begun {
            Some(host) => {
                found.failed = Some((host, self.error(&output)));
                Ok(found)
            }
            None => Err(Failure::failed(format!(
                "cannot evaluate {}: {}",
                self.flake.reference,
                self.worded(&self.error(&output))
            ))
            .into()),
        }
    }

    /// What went wrong, in the names of the fleet's own files.
    pub fn error(&self, output: &Output) -> EvaluationError {
        let mut error = error::parse(&output.stderr, error::files_of(self.flake.root.as_deref()));
        if !output.stderr.lines().any(|line| line.starts_with("error:")) {
            error.message = format!("nix eval {}: {}", output.status, error.message);
        }
        error
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

impl Survey {
    fn add(&mut self, found: Found) {
        self.inventory.hosts.extend(found.healthy);
        self.failed.extend(found.failed);
    }

    fn knows(&self, host: &HostName) -> bool {
        self.inventory.hosts.contains_key(host) || self.failed.contains_key(host)
    }
}

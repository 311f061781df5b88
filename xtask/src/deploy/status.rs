//! What hosts run, and how far that is from what they should: asked of all at once, and told as a table or a document.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::ask::{self, Place};
use super::live::{self, Live};
use crate::build::provenance;
use crate::diff::system::System;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::{self, HostName};
use crate::fleet::refs;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::report::table::Table;
use crate::tools::ssh::{Ssh, Target};

/// The whole answer (docs/json/status.schema.json).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    pub hosts: BTreeMap<HostName, HostStatus>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// Why it does not answer; null if it does.
    pub unreachable: Option<String>,
    pub live: Option<Live>,
    /// Where what it runs came from; null if nobody here remembers.
    pub origin: Option<Origin>,
    /// Why a reboot is due; null if that is not known.
    pub reboot_due: Option<Vec<String>>,
    /// Whether it looks for newer releases itself, and need not always answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub upgrades: bool,
}

/// The commit that a closure was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub commit: String,
    /// There were uncommitted changes besides.
    pub dirty: bool,
    /// Commits of `main` that are not in it; null if it is no commit of this repository.
    pub behind: Option<u32>,
    /// Its own commits that are not on `main`.
    pub ahead: Option<u32>,
}

impl Report {
    pub fn all_answered(&self) -> bool {
        self.hosts.values().all(|host| host.unreachable.is_none())
    }
}

/// The wanted hosts that are deployed, as ssh reaches them; all of them if none is wanted.
///
/// # Errors
/// Usage, if one of them is not in the fleet, or is not deployed.
pub fn targets(
    survey: &Survey,
    wanted: &[String],
    stage: Stage,
) -> Result<Vec<(Target, bool)>, Failure> {
    let names = survey.names();
    let mut targets = Vec::new();
    for name in host::select(&names, wanted)? {
        let host = survey.inventory.hosts.get(&name);
        match host.and_then(|host| Some((ask::target(host, stage, Place::Away)?, host.guard))) {
            Some(target) => targets.push(target),
            None if wanted.is_empty() => (),
            None => return Err(not_deployable(name.as_str())),
        }
    }
    Ok(targets)
}

/// One host, as ssh reaches it.
///
/// # Errors
/// Usage, if it is not in the fleet, or is not deployed.
pub fn target(survey: &Survey, wanted: &str, stage: Stage) -> Result<Target, Failure> {
    let found = targets(survey, &[wanted.to_owned()], stage)?.pop();
    found
        .map(|(target, _)| target)
        .ok_or_else(|| not_deployable(wanted))
}

fn not_deployable(host: &str) -> Failure {
    Failure::usage(format!("host {host} is not deployable"))
        .try_next("homelab.deploy.enable = true in its configuration")
}

/// Asks the hosts, and says where what they run came from.
///
/// # Errors
/// Usage, if a wanted host is none of the fleet's; else if ssh or git cannot be started.
pub async fn of(fleet: &Fleet, survey: &Survey, wanted: &[String]) -> Result<Report> {
    let targets = targets(survey, wanted, fleet.stage)?;
    let ssh = Arc::new(Ssh::knowing(targets.iter().map(|(target, _)| target)).await?);
    let mut hosts = BTreeMap::new();
    for (name, answer) in ask::all(&ssh, targets).await? {
        let upgrades = (survey.inventory.hosts.get(&name)).is_some_and(|host| host.upgrade);
        let status = match answer {
            Ok(live) => HostStatus {
                upgrades,
                unreachable: None,
                origin: origin(fleet, &live).await?,
                reboot_due: reboot_due(&live),
                live: Some(live),
            },
            Err(why) => HostStatus {
                upgrades,
                unreachable: Some(why),
                live: None,
                origin: None,
                reboot_due: None,
            },
        };
        hosts.insert(name, status);
    }
    Ok(Report {
        version: 1,
        stage: fleet.stage,
        hosts,
    })
}

async fn origin(fleet: &Fleet, live: &Live) -> Result<Option<Origin>> {
    let of_guard = live.guard.as_ref().and_then(|it| it.running_commit.clone());
    let recorded = || {
        let origin = provenance::of(&fleet.cache.closures(), live.running.as_ref()?)?;
        Some((origin.revision?, origin.dirty))
    };
    let Some((commit, dirty)) = of_guard.map(|commit| (commit, false)).or_else(recorded) else {
        return Ok(None);
    };
    let distance = match fleet.git() {
        Ok(git) => git.distance("main", &commit).await?,
        Err(_) => None,
    };
    Ok(Some(Origin {
        commit,
        dirty,
        behind: distance.map(|(behind, _)| behind),
        ahead: distance.map(|(_, ahead)| ahead),
    }))
}

/// What only a boot into the default would bring into effect.
pub fn reboot_due(live: &Live) -> Option<Vec<String>> {
    if let Some(guard) = &live.guard {
        return Some(guard.reboot_due.clone());
    }
    let (booted, next) = (live.booted.as_ref()?, live.boot_default.as_ref()?);
    // Both have to be in this machine's store to be compared.
    let read = |path: &StorePath| {
        let there = Path::exists(path.as_path());
        there.then(|| System::read(path.as_path()).ok()).flatten()
    };
    let (booted, next) = (read(booted)?, read(next)?);
    let parts = booted.boot_changes(&next);
    Some(parts.iter().map(|part| part.name().to_owned()).collect())
}

/// A row a host.
pub fn text(report: &Report) -> String {
    let header = ["host", "state", "runs", "boots", "reboot", "failed units"];
    let mut table = Table::new(header);
    for (name, host) in &report.hosts {
        let itself = if host.upgrades {
            ", upgrades itself"
        } else {
            ""
        };
        let Some(live) = &host.live else {
            let why = host.unreachable.clone().unwrap_or_default();
            let state = format!("unreachable{itself}");
            let row = [&name.to_string(), &state, &why, "", "", ""];
            table.row(row.map(str::to_owned));
            continue;
        };
        let reboot = match host.reboot_due.as_deref() {
            None => "?".to_owned(),
            Some([]) => String::new(),
            Some(why) => format!("due: {}", why.join(", ")),
        };
        table.row([
            name.to_string(),
            format!("{}{itself}", live::words(&live.state)),
            runs(host, live),
            boots(live).to_owned(),
            reboot,
            live.failed_units.join(", "),
        ]);
    }
    table.text()
}

/// What boots next, against what runs.
pub(super) fn boots(live: &Live) -> &'static str {
    match (&live.running, &live.boot_default) {
        (_, None) => "?",
        (running, default) if running == default => "the same",
        _ => "something else",
    }
}

/// `0123456789, main is 3 ahead`.
pub(super) fn runs(host: &HostStatus, live: &Live) -> String {
    let Some(origin) = &host.origin else {
        return live
            .running
            .as_ref()
            .map_or("?".to_owned(), ToString::to_string);
    };
    let short = refs::short(&origin.commit);
    let dirty = if origin.dirty { " with changes" } else { "" };
    let distance = match (origin.behind, origin.ahead) {
        (Some(0), Some(0)) => ", as main".to_owned(),
        (Some(behind), Some(0)) => format!(", main is {behind} ahead"),
        (Some(0), Some(ahead)) => format!(", {ahead} ahead of main"),
        (Some(behind), Some(ahead)) => format!(", {ahead} ahead of main and {behind} behind"),
        _ => String::new(),
    };
    format!("{short}{dirty}{distance}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::live;

    #[test]
    fn a_person_reads_a_row_a_host() {
        let answered =
            |live: Live, origin: Option<Origin>, reboot_due: Option<Vec<String>>| HostStatus {
                upgrades: false,
                unreachable: None,
                live: Some(live),
                origin,
                reboot_due,
            };
        let origin = |behind, ahead, dirty| {
            Some(Origin {
                commit: "0123456789abcdef".to_owned(),
                dirty,
                behind,
                ahead,
            })
        };
        let mut ill = live('o', 'n');
        ill.failed_units = vec!["backup.service".to_owned()];
        let kernel = Some(vec!["kernel".to_owned()]);
        let hosts = [
            (
                "Good",
                answered(
                    live('n', 'n'),
                    origin(Some(0), Some(0), false),
                    Some(vec![]),
                ),
            ),
            (
                "Late",
                answered(live('n', 'n'), origin(Some(3), Some(0), true), kernel),
            ),
            (
                "Apart",
                answered(live('n', 'n'), origin(Some(2), Some(1), false), None),
            ),
            ("Ill", answered(ill, None, None)),
            (
                "Off",
                HostStatus {
                    upgrades: true,
                    unreachable: Some("connection timed out".to_owned()),
                    live: None,
                    origin: None,
                    reboot_due: None,
                },
            ),
        ];
        let report = Report {
            version: 1,
            stage: Stage::Rehearsal,
            hosts: hosts
                .into_iter()
                .map(|(name, host)| (HostName::known(name), host))
                .collect(),
        };
        insta::assert_snapshot!(text(&report));
        assert!(!report.all_answered());
    }
}

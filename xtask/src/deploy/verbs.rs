//! What only a host's guard can tell or do: its own record, and going back to what it recorded as good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use guard::answer::{Activation, Done, Entry, Event, History, Outcome, Purpose};
use guard::config::longest_activation;
use guard::refusal::Refusal;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::task::JoinSet;

use super::ask::UNKNOWN_COMMAND;
use super::status::{self, targets, Report};
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::refs;
use crate::fleet::stage::Stage;
use crate::process::Status;
use crate::report::{self, words};
use crate::tools::ssh::{complaint, Ssh, Target, SSH_FAILED};

/// What hosts recorded (docs/json/history.schema.json).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Histories {
    pub version: u32,
    pub stage: Stage,
    pub hosts: BTreeMap<HostName, HostHistory>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostHistory {
    /// Why there is none; null if there is.
    pub missing: Option<String>,
    /// The newest first.
    pub entries: Vec<Entry>,
}

impl Histories {
    pub fn complete(&self) -> bool {
        self.hosts.values().all(|host| host.missing.is_none())
    }
}

/// What a person has a guard do with its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Back to a closure that it recorded as confirmed: the last one, or that of this generation.
    Rollback(Option<u32>),
    /// What it tests becomes what it boots.
    Keep,
}

/// What came of it, and what the host says afterwards.
#[derive(Debug)]
pub struct Changed {
    pub done: Done,
    pub after: Report,
}

impl Changed {
    /// Whether the host has it for good.
    pub fn is_good(&self) -> bool {
        let ended = self
            .done
            .activation
            .as_ref()
            .and_then(|it| it.ended.as_ref());
        let confirmed = ended.is_some_and(|ended| ended.outcome == Outcome::Confirmed);
        confirmed && self.after.all_answered()
    }
}

impl Change {
    fn question(self, host: &str) -> String {
        match self {
            Self::Rollback(_) => format!("Return {host} to an earlier closure?"),
            Self::Keep => format!("Make what {host} tests permanent?"),
        }
    }

    fn verb(self) -> String {
        match self {
            Self::Rollback(Some(number)) => format!("rollback --to {number}"),
            Self::Rollback(None) => "rollback".to_owned(),
            Self::Keep => "keep".to_owned(),
        }
    }

    fn failed(self, host: &HostName, why: &str) -> Failure {
        match self {
            Self::Rollback(_) => Failure::failed(format!("host {host} does not go back: {why}"))
                .try_next("docs/runbook.md, at night"),
            Self::Keep => Failure::failed(format!("host {host} keeps nothing: {why}")).try_next(
                format!("cargo xtask status {host}, which says what it tests"),
            ),
        }
    }
}

const NO_GUARD: &str = "it has no guard, and nothing else keeps a record";

/// Asks hosts for their records, all at once.
///
/// # Errors
/// Usage, if a wanted host is none of the fleet's; else if ssh cannot be started.
pub async fn history(
    fleet: &Fleet,
    survey: &Survey,
    wanted: &[String],
    limit: u16,
) -> Result<Histories> {
    let targets = targets(survey, wanted, fleet.stage)?;
    let ssh = Arc::new(Ssh::knowing(targets.iter().map(|(target, _)| target)).await?);
    let mut asking = JoinSet::new();
    for (target, _) in targets {
        let ssh = Arc::clone(&ssh);
        asking.spawn(async move {
            let verb = format!("history --limit {limit}");
            let answer = call::<History>(&ssh, &target, &verb, Duration::from_secs(30)).await;
            (target.host, answer)
        });
    }
    let mut hosts = BTreeMap::new();
    while let Some(answer) = asking.join_next().await {
        let (host, answer) = answer?;
        let history = match answer? {
            Ok(history) => HostHistory {
                missing: None,
                entries: history.entries,
            },
            Err(why) => HostHistory {
                missing: Some(why),
                entries: Vec::new(),
            },
        };
        hosts.insert(host, history);
    }
    Ok(Histories {
        version: 1,
        stage: fleet.stage,
        hosts,
    })
}

/// Has a host's guard do it, says what came of it, and asks what the host runs; none if the person who is asked, unless
/// they said `yes` already, does not want it.
///
/// # Errors
/// Usage, if there is no such host; failed, with the guard's own words, if it was not done; else if ssh cannot be started.
pub async fn change(
    fleet: &Fleet,
    host: &str,
    change: Change,
    yes: bool,
) -> Result<Option<Changed>> {
    let survey = fleet.survey().await?;
    // Who does not exist is not asked about.
    let target = status::target(&survey, host, fleet.stage)?;
    if !yes && !report::confirm(&change.question(host)).await? {
        report::say("nothing was done");
        return Ok(None);
    }
    let host = &target.host;
    let activation = survey.inventory.hosts[host].activation_timeout();
    let longest = longest_activation(activation);
    let ssh = Ssh::knowing([&target]).await?;
    let answer = call::<Done>(&ssh, &target, &change.verb(), longest).await?;
    let done = answer.map_err(|why| change.failed(host, &why))?;
    if let Some(activation) = &done.activation {
        report::say(&format!("{host}: {}", activation_words(activation)));
    }
    // What the host runs is the host's to say, again.
    let after = status::of(fleet, &survey, &[host.to_string()]).await?;
    Ok(Some(Changed { done, after }))
}

/// The answer to one verb; the inner error says in a few words why there is none.
pub(super) async fn call<T: DeserializeOwned>(
    ssh: &Ssh,
    target: &Target,
    verb: &str,
    timeout: Duration,
) -> Result<Result<T, String>> {
    if !target.may_be_asked() {
        return Ok(Err(super::ask::NOT_ASKED.to_owned()));
    }
    let output = ssh
        .command(target, verb)
        .timeout(target.slowness.over(timeout))
        .capture()
        .await?;
    let text = output.text();
    let answer = match output.status {
        // Some shells have a `history` of their own, which knows nothing or complains of how it is used; a guard ends
        // in neither way.
        Status::Code(UNKNOWN_COMMAND | 2) => Err(NO_GUARD.to_owned()),
        Status::Code(0) if text.is_empty() => Err(NO_GUARD.to_owned()),
        Status::Code(SSH_FAILED) => Err(complaint(&output.stderr)),
        Status::Code(0) => serde_json::from_str(&text)
            .map_err(|error| format!("its guard's answer cannot be read: {error}")),
        status => Err(match Refusal::find(&output.stderr) {
            Some(refusal) => refusal.to_string(),
            None => format!("its guard {status}: {}", output.last_lines(1)),
        }),
    };
    Ok(answer.map_err(|why| words::of_elsewhere(&why)))
}

/// A line an entry, the newest first.
pub fn text(histories: &Histories) -> String {
    let mut text = String::new();
    for (host, history) in &histories.hosts {
        text.push_str(&format!("{host}\n"));
        if let Some(why) = &history.missing {
            text.push_str(&format!("  {why}\n"));
        }
        for entry in &history.entries {
            text.push_str(&format!(
                "  {}  {}: {}\n",
                entry.at,
                entry.by,
                words(&entry.event)
            ));
        }
    }
    text
}

fn words(event: &Event) -> String {
    match event {
        Event::ReleaseAccepted { release, signer } => {
            let commit = refs::short(&release.commit);
            format!(
                "release {} of {commit}, signed by {signer}",
                release.counter
            )
        }
        Event::Activation { activation } => activation_words(activation),
        Event::Held { reason } => match reason {
            Some(reason) => format!("held: {reason}"),
            None => "held".to_owned(),
        },
        Event::Unheld => "no longer held".to_owned(),
        Event::Reboot { reasons } => format!("reboot: {}", reasons.join(", ")),
        Event::Booted { toplevel, note } => {
            let what = toplevel
                .as_ref()
                .map_or("something unknown", |path| path.name());
            format!("booted {what} ({note})")
        }
    }
}

/// `switch to nixos-system-Niko-26.05 of 0123456789: confirmed`.
pub fn activation_words(activation: &Activation) -> String {
    let purpose = match activation.purpose {
        Purpose::Switch => "switch",
        Purpose::Boot => "boot",
        Purpose::Test => "test",
        Purpose::DryActivate => "dry activation",
        Purpose::Keep => "test kept",
        Purpose::Rollback => "rollback",
        Purpose::LeaseEnd => "end of a test",
        Purpose::Recovery => "recovery",
    };
    let commit = match &activation.release {
        Some(release) => format!(" of {}", refs::short(&release.commit)),
        None => String::new(),
    };
    let ended = match activation.ended.as_ref().map(|ended| &ended.outcome) {
        None => "going on".to_owned(),
        Some(Outcome::Confirmed) => "confirmed".to_owned(),
        Some(Outcome::Testing { until }) => format!("until {until}"),
        Some(Outcome::BootPending) => "boot pending".to_owned(),
        Some(Outcome::Dry) => "looked at".to_owned(),
        Some(Outcome::Refused { refusal }) => refusal.to_string(),
        Some(Outcome::RolledBack { text, .. }) => format!("rolled back: {text}"),
        Some(Outcome::Stranded { text }) => format!("stranded: {text}"),
        Some(Outcome::Interrupted) => "interrupted, and booted the old closure".to_owned(),
        Some(Outcome::TrialFailed { text }) => format!("trial failed: {text}"),
    };
    format!(
        "{purpose} to {}{commit}: {ended}",
        activation.toplevel.name()
    )
}

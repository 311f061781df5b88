//! Has the guard activate what was fetched, and confirms it: what deploy-rs does over ssh, from the host itself.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::plan::Candidate;
use super::{Outcome, Settings};
use crate::answer::{Status, UpgradeResult};
use crate::client::{self, Ended};
use crate::command::{Activate, Mode};
use crate::release::ActionKind;
use crate::runner::outcome_line;
use crate::wire::Request;

/// Between two tries to confirm: the network may just be coming up as it is now configured.
const PAUSE: Duration = Duration::from_secs(2);
/// An activation may restart the guard's service.
const STATUS_WITHIN: Duration = Duration::from_secs(60);

/// `reaches` is what a confirmation takes; without one the guard goes back by itself.
pub(super) fn activate(
    settings: &Settings,
    candidate: &Candidate,
    reaches: impl Fn() -> Result<()>,
) -> Result<Outcome> {
    let activate = request(settings, candidate);
    let confirmed = candidate.kind != ActionKind::Boot;
    let ended = std::thread::scope(|scope| {
        let activation = scope.spawn(|| client::converse(&settings.socket, &activate));
        if confirmed {
            confirm(settings, candidate, reaches);
        }
        activation
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the activation was not followed")))
    })?;
    Ok(match ended {
        Ended::Refused(refusal) => Outcome::of_refusal(&refusal),
        Ended::Exit(0) => Outcome::new(
            UpgradeResult::Upgraded,
            format!("{} {}", candidate.kind.as_str(), candidate.toplevel.name()),
        ),
        Ended::Exit(_) => Outcome::new(UpgradeResult::Failed, how_it_ended(settings)?),
    })
}

fn request(settings: &Settings, candidate: &Candidate) -> Request {
    let mode = match candidate.kind {
        ActionKind::Switch => Mode::Plain,
        ActionKind::Boot => Mode::Boot,
        ActionKind::Test => Mode::Test,
    };
    let activate = Activate {
        profile: candidate.profile.clone(),
        mode,
        confirmed: mode != Mode::Boot,
        confirm_timeout: Duration::from_secs(settings.confirm_timeout_seconds),
    };
    Request::of(activate.words())
}

/// Once the guard waits for it. That it came to nothing is told by how the activation ends.
fn confirm(settings: &Settings, candidate: &Candidate, reaches: impl Fn() -> Result<()>) {
    let profile = &candidate.profile;
    let wait = Request::of([
        &format!("{profile}/activate-rs"),
        "wait",
        profile.as_str(),
        "--temp-path",
        "/tmp",
        "--activation-timeout",
        "3600",
    ]);
    if !matches!(
        client::converse(&settings.socket, &wait),
        Ok(Ended::Exit(0))
    ) {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(settings.confirm_timeout_seconds);
    while let Err(error) = reaches() {
        super::say(&format!("not confirmed: {error:#}"));
        if Instant::now() + PAUSE >= deadline {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    let canary = format!("/tmp/deploy-rs-canary-{}", profile.hash());
    if let Err(error) = client::converse(&settings.socket, &Request::of(["rm", &canary])) {
        super::say(&format!("not confirmed: {error:#}"));
    }
}

fn how_it_ended(settings: &Settings) -> Result<String> {
    let begun = Instant::now();
    let status: Status = loop {
        match client::status(&settings.socket) {
            Ok(status) => break status,
            Err(error) if begun.elapsed() > STATUS_WITHIN => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    let ended = status.last_activation.and_then(|last| last.ended);
    Ok(ended.map_or_else(
        || "nobody knows how it ended".to_owned(),
        |ended| outcome_line(&ended.outcome),
    ))
}

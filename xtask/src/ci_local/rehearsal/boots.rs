//! Machines on which the commit's system waits for its boot: rebooted over the harness's own channel, as a person would
//! reboot the host, and asked what came of it once the trial is over. What blocks here is for a thread of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guard::answer::{HostState, Outcome, Status};
use harness::{ErrorKind, Exec, Machine};

use super::judged::Booted;
use crate::deploy::reboot;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::words::seconds;
use crate::scenarios::ground::worded;

/// As whoever stands at the console asks.
const STATUS: [&str; 3] = [
    "/run/current-system/sw/bin/slipway-guard",
    "local",
    "status",
];

/// Guest seconds from a boot until every unit has been started and every health check made, and for the boot back.
const TRIAL: Duration = Duration::from_secs(600);

/// Whether this system is to be booted the next time, and was not yet. Pure.
fn waits_for_its_boot(status: &Status, system: &StorePath) -> bool {
    let last = status.last_activation.as_ref();
    let deployed = last.filter(|last| last.toplevel.as_str() == system.as_str());
    let ended = deployed.and_then(|last| last.ended.as_ref());
    status.state == HostState::OnTrial { booted: false }
        && ended.is_some_and(|ended| ended.outcome == Outcome::BootPending)
}

/// Of those on which this system waits for its boot, what came of that. All are rebooted at once; the inner error is why it
/// is not known.
pub fn all(
    machines: Vec<(HostName, Machine, StorePath)>,
) -> BTreeMap<HostName, Result<Booted, String>> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = machines
            .iter()
            .map(|(host, machine, system)| (host, scope.spawn(|| one(host, machine, system))))
            .collect();
        let mut booted = BTreeMap::new();
        for (host, thread) in asked {
            let ended = match thread.join() {
                Ok(ended) => ended.map_err(|error| format!("{error:#}")).transpose(),
                Err(_) => Some(Err("the thread that was to reboot it panicked".to_owned())),
            };
            booted.extend(ended.map(|ended| (host.clone(), ended)));
        }
        booted
    })
}

fn one(host: &HostName, machine: &Machine, system: &StorePath) -> Result<Option<Booted>> {
    let before = status(machine)?;
    if !waits_for_its_boot(&before, system) {
        return Ok(None);
    }
    report::say(&format!(
        "machine {host}: the commit's system waits for its boot, and gets it"
    ));
    let began = Instant::now();
    machine.reboot().map_err(worded)?;
    let mut found = None;
    machine
        .wait_until("the end of the trial", TRIAL, || {
            found = settled(machine, &before)?;
            Ok(found.is_some())
        })
        .map_err(worded)?;
    let (trial, after) = found.context("nobody knows how the trial ended")?;
    let running = after.running.context("it does not know what it runs")?;
    let took = seconds(began.elapsed().as_secs_f64());
    report::say(&format!("machine {host}: booted in {took} s"));
    Ok(Some(Booted {
        running: StorePath::parse(running.as_str())?,
        trial,
    }))
}

/// What a machine's guard says.
fn status(machine: &Machine) -> Result<Status> {
    let output = machine.exec(Exec::new(STATUS)).map_err(worded)?;
    anyhow::ensure!(
        output.success(),
        "its guard does not answer: {}",
        output.last_lines(1)
    );
    serde_json::from_str(&output.text()).context("cannot read its guard's answer")
}

/// None while it boots, is on trial, or is about to go back.
fn settled(
    machine: &Machine,
    before: &Status,
) -> harness::Result<Option<(Result<(), String>, Status)>> {
    let output = match machine.exec(Exec::new(STATUS)) {
        Ok(output) if output.success() => output,
        // Its guard is not there yet, or the machine went down over the question.
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Command => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(after) = serde_json::from_str::<Status>(&output.text()) else {
        return Ok(None);
    };
    let goes_back = matches!(after.state, HostState::OnTrial { .. }) && after.unattended_reboot;
    Ok(reboot::booted(before, &after)
        .filter(|trial| trial.is_ok() || !goes_back)
        .map(|trial| (trial, after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::reboot::plan::tests::{path, status, trial};

    #[test]
    fn what_waits_is_what_was_deployed_last_and_has_not_been_booted() {
        let waits = |state, outcome, system| {
            let status = Status {
                state,
                last_activation: Some(trial(Some(outcome))),
                ..status()
            };
            let system = StorePath::parse(path(system).as_str()).unwrap();
            waits_for_its_boot(&status, &system)
        };
        let on_trial = |booted| HostState::OnTrial { booted };
        assert!(waits(on_trial(false), Outcome::BootPending, 'n'));
        // Another system waits, it was booted, or nothing waits.
        assert!(!waits(on_trial(false), Outcome::BootPending, 'm'));
        assert!(!waits(on_trial(true), Outcome::BootPending, 'n'));
        assert!(!waits(HostState::Idle, Outcome::BootPending, 'n'));
        assert!(!waits(on_trial(false), Outcome::Confirmed, 'n'));
        let nothing = StorePath::parse(path('n').as_str()).unwrap();
        assert!(!waits_for_its_boot(&status(), &nothing));
    }
}

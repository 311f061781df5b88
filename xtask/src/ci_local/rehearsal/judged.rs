//! What the machines run, held against what the commit is: which of it passes, and which was not asked for. Pure.

use super::lineup::Lineup;
use crate::ci::on::Event;
use crate::ci_local::outcome::{MachineReport, MachineState};
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;

/// What a push leaves aside that a person started with inputs.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub event: Event,
    pub inputs: &'a [(String, String)],
}

impl Asking<'_> {
    /// Whether the workflow was asked to deploy this host.
    pub fn deploys(self, host: &HostName) -> bool {
        let input = |name: &str| {
            let found = self.inputs.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        if self.event != Event::Dispatch {
            return true;
        }
        let only = input("host");
        input("plan-only") != "true" && (only.is_empty() || only == host.as_str())
    }
}

/// What a machine runs, held against what it is to run. `deployed`: somebody asked for that.
pub fn judged(
    host: HostName,
    installed: Option<StorePath>,
    wanted: Option<StorePath>,
    running: Result<StorePath, String>,
    deployed: bool,
) -> MachineReport {
    let (state, why) = match &running {
        Err(why) => (MachineState::Unknown, Some(why.clone())),
        Ok(running) if wanted.as_ref() == Some(running) => (MachineState::Equal, None),
        Ok(running) if installed.as_ref() == Some(running) => match deployed {
            true => (
                MachineState::AsBefore,
                Some("the commit's system does not run".to_owned()),
            ),
            false => (
                MachineState::NotAsked,
                Some("nobody asked to deploy it".to_owned()),
            ),
        },
        Ok(_) => (
            MachineState::Other,
            Some("neither the commit's system nor what was installed".to_owned()),
        ),
    };
    MachineReport {
        host,
        state,
        why,
        installed,
        wanted,
        running: running.ok(),
    }
}

/// As a plan has it.
pub fn planned(lineup: &Lineup) -> Vec<MachineReport> {
    let mut all = left_out(lineup);
    for host in &lineup.machines {
        all.push(MachineReport::of(host, MachineState::Planned, None));
    }
    all.sort_by(|a, b| a.host.cmp(&b.host));
    all
}

/// Hosts without a machine, and why.
pub fn left_out(lineup: &Lineup) -> Vec<MachineReport> {
    let hosts = lineup.left_out.iter();
    hosts
        .map(|(host, why)| MachineReport::of(host, MachineState::LeftOut, Some(why.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::parse(&format!("/nix/store/{}-{name}", "0".repeat(32))).unwrap()
    }

    #[test]
    fn only_the_commits_own_system_is_good() {
        let judged = |running: Result<&str, &str>, deployed| {
            let running = running.map(path).map_err(str::to_owned);
            let host = HostName::known("A");
            judged(
                host,
                Some(path("old")),
                Some(path("new")),
                running,
                deployed,
            )
            .state
        };
        assert_eq!(judged(Ok("new"), true), MachineState::Equal);
        assert_eq!(judged(Ok("old"), true), MachineState::AsBefore);
        assert_eq!(judged(Ok("old"), false), MachineState::NotAsked);
        assert_eq!(judged(Ok("third"), false), MachineState::Other);
        assert_eq!(judged(Err("off"), true), MachineState::Unknown);
        let good = [
            MachineState::Equal,
            MachineState::NotAsked,
            MachineState::LeftOut,
            MachineState::Planned,
        ];
        assert!(good.iter().all(|it| it.is_good()));
        assert!(
            !MachineState::AsBefore.is_good()
                && !MachineState::Other.is_good()
                && !MachineState::Unknown.is_good()
        );
    }

    #[test]
    fn who_dispatches_may_leave_hosts_aside() {
        let host = HostName::known("A");
        let deploys = |event, inputs: &[(&str, &str)]| {
            let inputs: Vec<(String, String)> = inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            Asking {
                event,
                inputs: &inputs,
            }
            .deploys(&host)
        };
        assert!(deploys(Event::Push, &[]));
        assert!(deploys(Event::Dispatch, &[("host", "A")]));
        assert!(!deploys(Event::Dispatch, &[("host", "B")]));
        assert!(!deploys(Event::Dispatch, &[("plan-only", "true")]));
    }
}

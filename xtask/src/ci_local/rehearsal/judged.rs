//! What the machines run, held against what the commit is: which of it passes, and which was not asked for. Pure.

use super::lineup::{Lineup, NOT_ASKED};
use crate::ci::on::Event;
use crate::ci_local::outcome::{MachineReport, MachineState};
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;

/// What the push asks for by its commit, and what a person who started the workflow did by inputs.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub event: Event,
    pub inputs: &'a [(String, String)],
}

/// What was asked for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// To be left alone.
    Nothing,
    /// To run the commit's system; to boot it, where that is the only way.
    Deployed,
    /// To boot it the next time, and not to run it before.
    Boot,
}

impl<'a> Asking<'a> {
    /// An input, if it was given and the event has any.
    fn input(self, name: &str) -> Option<&'a str> {
        let given = self.inputs.iter().filter(|_| self.event == Event::Dispatch);
        let mut values = given
            .filter(|(it, _)| it == name)
            .map(|(_, value)| value.as_str());
        values.next().filter(|value| !value.is_empty())
    }

    /// The only host that is to be deployed.
    pub fn only(self) -> Option<&'a str> {
        self.input("host")
    }

    /// `boot` is whether the commit itself asks for that. Of a host that is to be deployed, if any is.
    pub fn expected(self, boot: bool) -> Expected {
        match self.input("plan-only") {
            Some("true") => Expected::Nothing,
            _ if boot || self.input("boot") == Some("always") => Expected::Boot,
            _ => Expected::Deployed,
        }
    }
}

/// What came of a boot into the commit's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// What the machine runs after it.
    pub running: StorePath,
    /// The inner error is why the boot was a bad one.
    pub trial: Result<(), String>,
}

/// All that was seen of a machine.
#[derive(Debug, Clone)]
pub struct Seen {
    pub host: HostName,
    pub installed: Option<StorePath>,
    pub wanted: Option<StorePath>,
    /// When the jobs had ended.
    pub running: Result<StorePath, String>,
    /// Of one on which the commit's system waited for it, or that does not say whether it does.
    pub boot: Option<Result<Booted, String>>,
}

impl Seen {
    /// What it has to do with the commit, held against what was asked for.
    pub fn judged(self, expected: Expected) -> MachineReport {
        let rebooted = matches!(self.boot, Some(Ok(_)));
        let is = |known: &Option<StorePath>, running: &StorePath| known.as_ref() == Some(running);
        let (state, why, running) = match (self.running, self.boot) {
            (Err(why), _) | (Ok(_), Some(Err(why))) => (MachineState::Unknown, Some(why), None),
            (Ok(_), Some(Ok(Booted { running, trial }))) => {
                let state = match trial {
                    Ok(()) if is(&self.wanted, &running) => MachineState::Equal,
                    Err(_) if is(&self.wanted, &running) => MachineState::Unproved,
                    _ if is(&self.installed, &running) => MachineState::AsBefore,
                    _ => MachineState::Other,
                };
                let why = match (state, trial) {
                    (MachineState::Equal, _) => None,
                    (_, Err(why)) => Some(format!("it was rebooted: {why}")),
                    (_, Ok(())) => {
                        Some("it was rebooted, and does not run the commit's system".to_owned())
                    }
                };
                (state, why, Some(running))
            }
            (Ok(running), None) => {
                let (state, why) = match expected {
                    Expected::Boot if is(&self.wanted, &running) => (
                        MachineState::Other,
                        Some("it was to boot the commit's system, and was switched to it"),
                    ),
                    _ if is(&self.wanted, &running) => (MachineState::Equal, None),
                    _ if !is(&self.installed, &running) => (MachineState::Other, None),
                    Expected::Nothing => (MachineState::NotAsked, Some(NOT_ASKED)),
                    Expected::Deployed => (
                        MachineState::AsBefore,
                        Some("the commit's system does not run"),
                    ),
                    Expected::Boot => (
                        MachineState::AsBefore,
                        Some("the commit's system does not wait for its boot"),
                    ),
                };
                (state, why.map(str::to_owned), Some(running))
            }
        };
        let why = match state {
            MachineState::Other => why
                .or_else(|| Some("neither the commit's system nor what was installed".to_owned())),
            _ => why,
        };
        MachineReport {
            host: self.host,
            state,
            why,
            installed: self.installed,
            wanted: self.wanted,
            running,
            rebooted,
        }
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

    fn judged(
        running: Result<&str, &str>,
        boot: Option<Result<Booted, String>>,
        expected: Expected,
    ) -> MachineReport {
        let seen = Seen {
            host: HostName::known("A"),
            installed: Some(path("old")),
            wanted: Some(path("new")),
            running: running.map(path).map_err(str::to_owned),
            boot,
        };
        seen.judged(expected)
    }

    #[test]
    fn only_the_commits_own_system_is_good() {
        let judged = |running, expected| judged(running, None, expected).state;
        let deployed = Expected::Deployed;
        assert_eq!(judged(Ok("new"), deployed), MachineState::Equal);
        assert_eq!(judged(Ok("old"), deployed), MachineState::AsBefore);
        assert_eq!(judged(Ok("old"), Expected::Nothing), MachineState::NotAsked);
        assert_eq!(judged(Ok("third"), Expected::Nothing), MachineState::Other);
        assert_eq!(judged(Err("off"), deployed), MachineState::Unknown);
        let good = [
            MachineState::Equal,
            MachineState::NotAsked,
            MachineState::LeftOut,
            MachineState::Planned,
        ];
        assert!(good.iter().all(|it| it.is_good()));
        let bad = [
            MachineState::AsBefore,
            MachineState::Other,
            MachineState::Unknown,
            MachineState::Unproved,
        ];
        assert!(!bad.iter().any(|it| it.is_good()));
    }

    #[test]
    fn what_is_to_be_booted_is_not_to_run_before_and_has_to_prove_itself() {
        let told = |running, boot, expected| {
            let report = judged(running, boot, expected);
            let why = report.why.unwrap_or_default();
            format!("{:?}, rebooted: {}. {why}", report.state, report.rebooted)
                .trim_end()
                .to_owned()
        };
        let booted = |running: &str, trial: Result<(), &str>| {
            Some(Ok(Booted {
                running: path(running),
                trial: trial.map_err(str::to_owned),
            }))
        };
        let failed = Err("its trial failed: a.service failed");
        let lost = Some(Err("its guard does not answer".to_owned()));
        let all = [
            told(Ok("old"), booted("new", Ok(())), Expected::Boot),
            // The commit could not be switched to.
            told(Ok("old"), booted("new", Ok(())), Expected::Deployed),
            told(Ok("old"), booted("old", failed), Expected::Boot),
            // Nobody lets it reboot by itself.
            told(Ok("old"), booted("new", failed), Expected::Boot),
            told(Ok("old"), booted("third", failed), Expected::Boot),
            told(Ok("old"), booted("old", Ok(())), Expected::Boot),
            told(Ok("old"), lost, Expected::Boot),
            told(Ok("old"), None, Expected::Boot),
            told(Ok("new"), None, Expected::Boot),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        Equal, rebooted: true.
        Equal, rebooted: true.
        AsBefore, rebooted: true. it was rebooted: its trial failed: a.service failed
        Unproved, rebooted: true. it was rebooted: its trial failed: a.service failed
        Other, rebooted: true. it was rebooted: its trial failed: a.service failed
        AsBefore, rebooted: true. it was rebooted, and does not run the commit's system
        Unknown, rebooted: false. its guard does not answer
        AsBefore, rebooted: false. the commit's system does not wait for its boot
        Other, rebooted: false. it was to boot the commit's system, and was switched to it
        ");
    }

    #[test]
    fn who_dispatches_may_name_a_host_and_have_it_boot() {
        let asked = |event, boot, inputs: &[(&str, &str)]| {
            let inputs: Vec<(String, String)> = inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let asking = Asking {
                event,
                inputs: &inputs,
            };
            (asking.only().map(str::to_owned), asking.expected(boot))
        };
        let (of_all, of_a) = (None, Some("A".to_owned()));
        assert_eq!(
            asked(Event::Push, false, &[]),
            (of_all.clone(), Expected::Deployed)
        );
        assert_eq!(
            asked(Event::Push, true, &[]),
            (of_all.clone(), Expected::Boot)
        );
        let dispatched = |boot, inputs: &[(&str, &str)]| asked(Event::Dispatch, boot, inputs);
        assert_eq!(
            dispatched(false, &[("host", "A"), ("boot", "auto")]),
            (of_a.clone(), Expected::Deployed)
        );
        assert_eq!(
            dispatched(false, &[("host", ""), ("boot", "always")]),
            (of_all.clone(), Expected::Boot)
        );
        assert_eq!(dispatched(true, &[("host", "A")]), (of_a, Expected::Boot));
        assert_eq!(
            dispatched(true, &[("plan-only", "true")]),
            (of_all, Expected::Nothing)
        );
    }
}

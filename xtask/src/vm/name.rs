//! What a person calls a machine: `HOST`, or `PLAY/MACHINE` for one that a failed play left. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::fleet::nearest::nearest;

/// The harness's name for the group of machines that are started by the name of their host.
const HOSTS: &str = "started";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    pub group: String,
    pub machine: String,
}

impl Name {
    pub fn of_host(host: &str) -> Self {
        Self {
            group: HOSTS.to_owned(),
            machine: host.to_owned(),
        }
    }

    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((group, machine)) => Self {
                group: group.to_owned(),
                machine: machine.to_owned(),
            },
            None => Self::of_host(text),
        }
    }

    pub fn of_kept(kept: &harness::Kept) -> Self {
        Self {
            group: kept.group.clone(),
            machine: kept.machine.clone(),
        }
    }

    pub fn is_host(&self) -> bool {
        self.group == HOSTS
    }

    /// Its folder below that of all held machines. No host has a plus in its name.
    pub fn folder(&self) -> String {
        format!("{}+{}", self.group, self.machine)
    }

    /// The name that has this folder.
    pub fn of_folder(folder: &str) -> Option<Self> {
        let (group, machine) = folder.split_once('+')?;
        Some(Self {
            group: group.to_owned(),
            machine: machine.to_owned(),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() {
            f.pad(&self.machine)
        } else {
            f.pad(&format!("{}/{}", self.group, self.machine))
        }
    }
}

/// That a machine does not run, with those that do, or how to start it.
pub fn not_running(name: &Name, running: &[Name]) -> Failure {
    let failure = Failure::usage(format!("{name} does not run"));
    let names: Vec<String> = running.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match nearest(&name.to_string(), &names).first() {
        Some(near) => failure.try_next(format!("{near}, which runs")),
        None if name.is_host() => failure.try_next(format!("cargo xtask vm start {name}")),
        None => failure.try_next("cargo xtask vm list"),
    }
}

/// That a machine cannot be stopped, with those that can: whoever stops does not want to start.
pub fn nothing_to_stop(name: &Name, running: &[Name]) -> Failure {
    let failure = Failure::usage(format!("no machine {name} runs"));
    let names: Vec<String> = running.iter().map(ToString::to_string).collect();
    match names.join(", ") {
        none if none.is_empty() => failure.try_next("cargo xtask vm list: no machine runs"),
        names => failure.try_next(format!("one of those that run: {names}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_slash_and_a_kept_machine_has_one() {
        for text in ["Niko", "deploy-rollback/Niko"] {
            assert_eq!(Name::parse(text).to_string(), text);
        }
        assert!(Name::parse("Niko").is_host());
        let kept = Name::parse("boot-Niko/Niko");
        assert_eq!(kept.folder(), "boot-Niko+Niko");
        assert_eq!(Name::of_folder(&kept.folder()), Some(kept));
    }

    #[test]
    fn what_does_not_run_can_be_started_or_was_misspelt() {
        let failure = not_running(&Name::parse("Niko"), &[]);
        assert_eq!(failure.to_string(), "Niko does not run");
        assert_eq!(failure.next_step(), Some("cargo xtask vm start Niko"));
        let failure = not_running(&Name::parse("Nikko"), &[Name::parse("Niko")]);
        assert_eq!(failure.next_step(), Some("Niko, which runs"));
    }

    #[test]
    fn who_stops_is_told_what_runs_and_not_how_to_start() {
        let failure = nothing_to_stop(&Name::parse("Nope"), &[]);
        assert_eq!(failure.to_string(), "no machine Nope runs");
        assert!(!failure.next_step().unwrap().contains("start"));
        let running = ["Niko", "boot/Web"].map(Name::parse);
        let failure = nothing_to_stop(&Name::parse("Nope"), &running);
        assert_eq!(
            failure.next_step(),
            Some("one of those that run: Niko, boot/Web")
        );
    }
}

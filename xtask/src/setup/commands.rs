//! Which of xtask's commands work on this machine, told from the tools that were found. Pure.

use serde::Serialize;

use super::survey::{Need, State, Tool};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub name: &'static str,
    pub works: Works,
    /// What it installs first, or what stands in the way.
    pub lacks: Vec<Need>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Works {
    Now,
    /// It installs what it lacks first.
    AfterSetup,
    No,
}

const FLEET: &[Need] = &[Need::Git, Need::Nix, Need::Store];

/// What each command needs.
const COMMANDS: [(&str, &[Need]); 12] = [
    ("build-all", FLEET),
    ("hosts, nodes", FLEET),
    ("diff", FLEET),
    ("check", FLEET),
    ("fmt", &[Need::Git]),
    ("secrets check", FLEET),
    (
        "secrets rekey",
        &[Need::Git, Need::Nix, Need::Store, Need::Sops],
    ),
    ("ci-local", &[Need::Git, Need::Nix, Need::Store, Need::Act]),
    (
        "test",
        &[
            Need::Git,
            Need::Nix,
            Need::Store,
            Need::NixNewer,
            Need::Cargo,
            Need::Rustfmt,
            Need::Clippy,
            Need::DeployRs,
            Need::Act,
            Need::Vm,
            Need::Pytest,
            Need::Prometheus,
            Need::Sops,
        ],
    ),
    (
        "vm-test",
        &[
            Need::Git,
            Need::Nix,
            Need::Store,
            Need::DeployRs,
            Need::Sops,
            Need::Vm,
        ],
    ),
    ("bench", FLEET),
    (
        "setup",
        &[Need::Git, Need::Nix, Need::Store, Need::DeployRs, Need::Act],
    ),
];

/// Every command, with what it lacks here.
pub fn all(tools: &[Tool], store_usable: bool) -> Vec<Command> {
    COMMANDS
        .iter()
        .map(|(name, needs)| command(name, needs, tools, store_usable))
        .collect()
}

fn command(name: &'static str, needs: &[Need], tools: &[Tool], store_usable: bool) -> Command {
    let state = |need: Need| match tools.iter().find(|tool| tool.name == need) {
        Some(tool) => tool.state,
        None if need == Need::Store && store_usable => State::Found,
        None => State::Missing,
    };
    let lacks: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|need| state(*need) != State::Found)
        .collect();
    let works = lacks
        .iter()
        .map(|need| match state(*need) {
            State::Found => Works::Now,
            State::OnDemand => Works::AfterSetup,
            State::TooOld | State::Missing => Works::No,
        })
        .max()
        .unwrap_or(Works::Now);
    // What stands in the way; what would be installed on the way does not.
    let lacks = lacks
        .into_iter()
        .filter(|need| works != Works::No || state(*need) != State::OnDemand)
        .collect();
    Command { name, works, lacks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn having(states: &[(Need, State)]) -> Vec<Tool> {
        states
            .iter()
            .map(|&(name, state)| Tool {
                name,
                state,
                version: None,
                path: None,
                purpose: "",
                cure: None,
            })
            .collect()
    }

    #[test]
    fn a_command_works_as_well_as_the_worst_of_what_it_needs() {
        let tools = having(&[(Need::Git, State::Found), (Need::Nix, State::OnDemand)]);
        let usable = command("build-all", FLEET, &tools, true);
        assert_eq!(usable.works, Works::AfterSetup);
        assert_eq!(usable.lacks, [Need::Nix]);
        let foreign = command("build-all", FLEET, &tools, false);
        assert_eq!(foreign.works, Works::No);
        assert_eq!(foreign.lacks, [Need::Store]);
        assert_eq!(
            command("fmt", &[Need::Git], &tools, false).works,
            Works::Now
        );
    }
}

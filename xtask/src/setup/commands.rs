//! Which of xtask's commands work on this machine, told from the tools that were found. Pure.

use serde::Serialize;

use super::survey::{State, Tool};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub name: &'static str,
    pub works: Works,
    /// What it installs first, or what stands in the way.
    pub lacks: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Works {
    Now,
    /// It installs what it lacks first.
    AfterSetup,
    No,
}

/// What each command needs; `/nix` stands for a store that this user can use.
const COMMANDS: [(&str, &[&str]); 8] = [
    ("build-all", &["git", "nix", "/nix"]),
    ("hosts, nodes", &["git", "nix", "/nix"]),
    ("diff", &["git", "nix", "/nix"]),
    ("check", &["git", "nix", "/nix"]),
    ("fmt", &["git"]),
    (
        "test",
        &[
            "git",
            "nix",
            "/nix",
            "nix-newer",
            "cargo",
            "rustfmt",
            "clippy",
        ],
    ),
    ("bench", &["git", "nix", "/nix"]),
    ("setup", &["git", "nix", "/nix", "deploy-rs", "act"]),
];

/// Every command, with what it lacks here.
pub fn all(tools: &[Tool], store_usable: bool) -> Vec<Command> {
    COMMANDS
        .iter()
        .map(|(name, needs)| command(name, needs, tools, store_usable))
        .collect()
}

fn command(
    name: &'static str,
    needs: &[&'static str],
    tools: &[Tool],
    store_usable: bool,
) -> Command {
    let state = |need: &str| match tools.iter().find(|tool| tool.name == need) {
        Some(tool) => tool.state,
        None if store_usable => State::Found,
        None => State::Missing,
    };
    let lacks: Vec<&str> = needs
        .iter()
        .copied()
        .filter(|need| state(need) != State::Found)
        .collect();
    let works = lacks
        .iter()
        .map(|need| match state(need) {
            State::Found => Works::Now,
            State::OnDemand => Works::AfterSetup,
            State::TooOld | State::Missing => Works::No,
        })
        .max()
        .unwrap_or(Works::Now);
    // What stands in the way; what would be installed on the way does not.
    let lacks = lacks
        .into_iter()
        .filter(|need| works != Works::No || state(need) != State::OnDemand)
        .collect();
    Command { name, works, lacks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn having(states: &[(&'static str, State)]) -> Vec<Tool> {
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
        let tools = having(&[("git", State::Found), ("nix", State::OnDemand)]);
        let needs = ["git", "nix", "/nix"];
        let usable = command("build-all", &needs, &tools, true);
        assert_eq!(usable.works, Works::AfterSetup);
        assert_eq!(usable.lacks, ["nix"]);
        let foreign = command("build-all", &needs, &tools, false);
        assert_eq!(foreign.works, Works::No);
        assert_eq!(foreign.lacks, ["/nix"]);
        assert_eq!(command("fmt", &["git"], &tools, false).works, Works::Now);
    }
}

//! The facts about a machine as a person reads them.

use super::table::table;
use crate::setup::survey::{Disk, State, Survey, Tool, Works};

pub fn render(survey: &Survey) -> String {
    let root = if survey.root { "" } else { ", not root" };
    let mut text = format!(
        "{} ({}), as {}{root}\n",
        survey.distribution, survey.system, survey.user
    );
    let store = &survey.store;
    text.push_str(&format!(
        "store  {}: {}\n",
        free(&store.disk),
        store.finding
    ));
    text.push_str(&format!("cache  {}\n\n", free(&survey.cache)));

    let tools = survey.tools.iter().map(|tool| {
        [
            tool.name.to_owned(),
            state(tool).to_owned(),
            tool.version
                .map_or_else(String::new, |version| version.to_string()),
            tool.path
                .as_ref()
                .map_or_else(String::new, |path| path.display().to_string()),
            tool.purpose.to_owned(),
        ]
    });
    text.push_str(&table(["tool", "state", "version", "path", "for"], tools));
    text.push('\n');

    let commands = survey.commands.iter().map(|command| {
        let works = match command.works {
            Works::Now => "works".to_owned(),
            Works::AfterSetup => format!("works, installs {} first", command.lacks.join(", ")),
            Works::No => format!("lacks {}", command.lacks.join(", ")),
        };
        [command.name.to_owned(), works]
    });
    let as_user = if survey.root {
        "here"
    } else {
        "without root here"
    };
    text.push_str(&table(["command", as_user], commands));

    let cures = survey
        .tools
        .iter()
        .map(|tool| (tool.name, &tool.cure))
        .chain([("/nix", &store.cure)])
        .filter_map(|(name, cure)| Some((name, cure.as_ref()?)));
    let cures: Vec<[String; 2]> = cures
        .map(|(name, cure)| [name.to_owned(), cure.clone()])
        .collect();
    if !cures.is_empty() {
        text.push('\n');
        text.push_str(&table(["to get", "type"], cures));
    }
    text
}

fn state(tool: &Tool) -> &'static str {
    match tool.state {
        State::Found => "found",
        State::OnDemand => "on demand",
        State::TooOld => "too old",
        State::Missing => "missing",
    }
}

fn free(disk: &Disk) -> String {
    let path = disk.path.display();
    match disk.free_mib {
        Some(mib) => format!("{path} ({mib} MiB free)"),
        None => format!("{path} (free space unknown)"),
    }
}

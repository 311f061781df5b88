//! The facts about a machine as a person reads them.

use super::commands::Works;
use super::survey::{Disk, Need, State, Survey, Tool};
use crate::report::table::Table;

pub fn doctor(survey: &Survey) -> String {
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

    let mut tools = Table::new(["tool", "state", "version", "path", "for"]);
    for tool in &survey.tools {
        tools.row([
            tool.name.name().to_owned(),
            state(tool).to_owned(),
            tool.version
                .map_or_else(String::new, |version| version.to_string()),
            tool.path
                .as_ref()
                .map_or_else(String::new, |path| path.display().to_string()),
            tool.purpose.to_owned(),
        ]);
    }
    text.push_str(&tools.text());
    text.push('\n');

    let here = if survey.root {
        "here"
    } else {
        "without root here"
    };
    let mut commands = Table::new(["command", here]);
    for command in &survey.commands {
        let lacks: Vec<&str> = command.lacks.iter().map(|need| need.name()).collect();
        let lacks = lacks.join(", ");
        let works = match command.works {
            Works::Now => "works".to_owned(),
            Works::AfterSetup => format!("works, installs {lacks} first"),
            Works::No => format!("lacks {lacks}"),
        };
        commands.row([command.name.to_owned(), works]);
    }
    text.push_str(&commands.text());

    let cures: Vec<(&str, &String)> = survey
        .tools
        .iter()
        .map(|tool| (tool.name.name(), &tool.cure))
        .chain([(Need::Store.name(), &store.cure)])
        .filter_map(|(name, cure)| Some((name, cure.as_ref()?)))
        .collect();
    if !cures.is_empty() {
        let mut table = Table::new(["to get", "do"]);
        for (name, cure) in cures {
            table.row([name, cure]);
        }
        text.push('\n');
        text.push_str(&table.text());
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

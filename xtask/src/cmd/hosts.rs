//! `cargo xtask hosts`.

use anyhow::Result;

use crate::add_host::{self, Request};
use crate::cli::{Global, Hosts, HostsAdd, HostsCommand, HostsFormat, HostsList};
use crate::evaluate::{self, render};
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Hosts) -> Result<Exit> {
    match args.command {
        None => list(global, &args.list).await,
        Some(HostsCommand::List(args)) => list(global, &args).await,
        Some(HostsCommand::Add(args)) => add(global, &args).await,
    }
}

async fn list(global: &Global, args: &HostsList) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let text = match args.format {
        _ if args.json => render::json(&survey)?,
        HostsFormat::Table => render::table(&survey),
        HostsFormat::Markdown => render::markdown(&survey.inventory),
        HostsFormat::Matrix => render::matrix(&survey.inventory)?,
    };
    report::data(&text)?;
    Ok(fleet.tell_failures(&survey))
}

async fn add(global: &Global, args: &HostsAdd) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let wanted = Request {
        name: &args.name,
        address: &args.address,
        from: &args.from,
    };
    let added = add_host::run(&fleet, &survey, &wanted).await?;
    report::say(&format!(
        "wrote {}, copied from {}",
        added.file.display(),
        args.from
    ));
    if added.known_to_git {
        report::say("git knows it now (git add --intent-to-add), so Nix sees it");
    }
    report::say(&format!(
        "next: say what it is for in {}",
        added.file.display()
    ));
    let flake = match &global.flake {
        Some(flake) => format!(" --flake {flake}"),
        None => String::new(),
    };
    report::say(&format!("then: cargo xtask build-all{flake} {}", args.name));
    if fleet
        .folder()
        .is_some_and(|root| root.join("docs/hosts.md").is_file())
    {
        report::say(&format!(
            "and:  cargo xtask hosts{flake} --format markdown > docs/hosts.md"
        ));
    }
    Ok(Exit::Passed)
}

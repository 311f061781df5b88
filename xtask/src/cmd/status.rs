//! `cargo xtask status`.

use anyhow::{Context, Result};
use guard::time::Time;

use crate::cli::{Global, Status};
use crate::deploy::{page, status, verbs};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;
use crate::whole_file;

/// Of each host's record, for the page.
const ENTRIES: u16 = 200;

pub async fn run(global: &Global, args: Status) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let answer = status::of(&fleet, &survey, &args.hosts).await?;
    report::answer(&answer, args.json, status::text)?;
    if let Some(file) = &args.html {
        let histories = verbs::history(&fleet, &survey, &args.hosts, ENTRIES).await?;
        let page = page::page(page::Facts {
            hosts: &survey.inventory.hosts,
            report: &answer,
            histories: &histories,
            now: Time::now(),
        });
        whole_file::write(file, page)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Exit::passed_if(answer.all_answered()))
}

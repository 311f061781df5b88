//! `cargo xtask rollback`.

use anyhow::Result;

use crate::cli::{Global, Rollback};
use crate::deploy::{status, verbs};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Rollback) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let hosts = std::slice::from_ref(&args.host);
    // Who does not exist is not asked about.
    let target = status::target(&survey, &args.host, fleet.stage)?;
    if !args.yes && !report::confirm(&format!("Return {} to an earlier closure?", args.host))? {
        report::say("nothing was done");
        return Ok(Exit::Failed);
    }
    let done = verbs::rollback(&target, args.to).await?;
    if let Some(activation) = &done.activation {
        report::say(&format!(
            "{}: {}",
            args.host,
            verbs::activation_words(activation)
        ));
    }
    // What the host runs is the host's to say, again.
    let answer = status::of(&fleet, &survey, hosts).await?;
    let text = if args.json {
        report::json(&answer)?
    } else {
        status::text(&answer)
    };
    report::data(&text)?;
    Ok(if answer.all_answered() && verbs::went_back(&done) {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

//! `cargo xtask secrets`.

use anyhow::Result;

use crate::cli::{Global, Secrets, SecretsCommand};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;
use crate::secrets;

pub async fn run(global: &Global, args: Secrets) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let (found, json) = match args.command {
        SecretsCommand::Check(args) => (secrets::look(&fleet, &survey).await?, args.json),
        SecretsCommand::Rekey(args) => (secrets::rekey(global, &fleet, &survey).await?, args.json),
    };
    report::answer(&found, json, secrets::render::text)?;
    // What a host that does not evaluate has for secrets, nobody knows.
    let healthy = fleet.tell_failures(&survey);
    Ok(if found.passed { healthy } else { Exit::Failed })
}

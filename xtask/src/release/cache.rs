//! The fleet's binary cache gets what is released. It is a help, and no part of a release: hosts get their closures by
//! ssh, too, so that a cache that is off, full or slow is told and stops nothing.

use std::collections::BTreeMap;

use anyhow::Result;

use super::config::Config;
use crate::cache::{self, push, server};
use crate::evaluate::{Fleet, Survey};
use crate::failure;
use crate::fleet::closure::Closure;
use crate::fleet::host::HostName;
use crate::report;

/// Closures that are signed already.
pub async fn fill(
    fleet: &Fleet,
    survey: &Survey,
    config: &Config,
    closures: &BTreeMap<HostName, Closure>,
) {
    if let Err(error) = try_to(fleet, survey, config, closures).await {
        let next = failure::find(&error).and_then(|failure| failure.next_step());
        let next = next.map(|next| format!("\n  try: {next}"));
        report::say(&format!(
            "warning: released without the binary cache: {error:#}{}\n  and then: cargo xtask cache push",
            next.unwrap_or_default()
        ));
    }
}

async fn try_to(
    fleet: &Fleet,
    survey: &Survey,
    config: &Config,
    closures: &BTreeMap<HostName, Closure>,
) -> Result<()> {
    let inventory = &survey.inventory;
    let clients = cache::clients(inventory)
        .map(|(host, client)| (host.clone(), client))
        .collect();
    let wanted = push::wanted(&clients, closures);
    let serves = inventory.hosts.values().any(|it| it.binary_cache.is_some());
    if wanted.is_empty() || !serves {
        return Ok(());
    }
    let found = server::find(inventory, None)?;
    let server = server::Server::open(found, config.cache_key.as_deref(), fleet.stage).await?;
    let pushed = push::push(&fleet.nix, &server, &wanted, None).await?;
    report::say(&cache::render::pushed(&pushed));
    Ok(())
}

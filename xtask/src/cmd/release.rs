//! `cargo xtask release`.

use std::path::Path;

use anyhow::Result;

use crate::cli::{Global, Release};
use crate::failure::Exit;
use crate::release::config::{Config, USUAL_PLACE};
use crate::release::{self, Request};
use crate::report;

pub async fn run(global: &Global, args: Release) -> Result<Exit> {
    let config = Config::read(args.config.as_deref().unwrap_or(Path::new(USUAL_PLACE)))?;
    let request = Request {
        wanted: args.commit,
        remove_guards: args.removes_guard,
        live: report::live(global.plain),
    };
    let signed = release::make(global, &config, &request).await?;
    report::data(&format!("{}\n", signed.to_wire()?))?;
    Ok(Exit::Passed)
}

//! `cargo xtask release`.

use std::path::Path;

use anyhow::Result;

use crate::cli::{Global, Release, ReleaseBoot};
use crate::evaluate;
use crate::failure::Exit;
use crate::release::config::{Config, USUAL_PLACE};
use crate::release::{self, ask, Request};
use crate::report;

pub async fn run(global: &Global, args: Release) -> Result<Exit> {
    let boot = args.boot == ReleaseBoot::Always;
    let signed = match args.from {
        Some(builder) => {
            let here = evaluate::open(global).await?;
            let request = ask::Request {
                wanted: args.commit,
                builder,
                boot,
            };
            ask::ask(&here, &request).await?.signed
        }
        None => {
            let place = args.config.as_deref().unwrap_or(Path::new(USUAL_PLACE));
            let request = Request {
                wanted: args.commit,
                boot,
                remove_guards: args.removes_guard,
                lease: args.lease,
                live: report::live(global.plain),
            };
            release::make(global, &Config::read(place)?, &request).await?
        }
    };
    if let Some(folder) = &args.publish {
        release::publish(folder, &signed)?;
    }
    report::data(&format!("{}\n", signed.to_wire()?))?;
    Ok(Exit::Passed)
}

//! `cargo xtask deploy`.

use anyhow::Result;

use crate::cli::{BootChoice, Deploy, Global};
use crate::deploy::plan::Boot;
use crate::deploy::{self, render, Request};
use crate::evaluate;
use crate::failure::Exit;
use crate::report;

pub async fn run(global: &Global, args: Deploy) -> Result<Exit> {
    let here = evaluate::open(global).await?;
    let request = request(global, &args);
    let plan = deploy::prepare(&here, &request).await?;
    let text = if args.json {
        report::json(&plan)?
    } else if args.markdown {
        render::markdown(&plan)
    } else {
        format!("{}{}\n", render::text(&plan), render::summary(&plan))
    };
    report::data(&text)?;
    Ok(Exit::Passed)
}

fn request(global: &Global, args: &Deploy) -> Request {
    Request {
        hosts: args.hosts.clone(),
        reference: args.reference.clone(),
        boot: match args.boot {
            BootChoice::Auto => Boot::Auto,
            BootChoice::Always => Boot::Always,
            BootChoice::Never => Boot::Never,
        },
        wave: args.wave,
        lease: args.lease,
        against: args.against.clone(),
        live: report::live(global.plain),
    }
}

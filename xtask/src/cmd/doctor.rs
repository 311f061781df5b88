//! `cargo xtask doctor`.

use anyhow::Result;

use crate::cache_dir::CacheDir;
use crate::cli::{Doctor, Global};
use crate::failure::Exit;
use crate::report;
use crate::setup::survey::Survey;

pub async fn run(_global: &Global, args: Doctor) -> Result<Exit> {
    let survey = Survey::take(&CacheDir::find()?).await?;
    if args.json {
        report::data(&format!("{}\n", serde_json::to_string_pretty(&survey)?));
    } else {
        report::data(&report::doctor::render(&survey));
    }
    Ok(if survey.can_build() {
        Exit::Passed
    } else {
        Exit::Missing
    })
}

//! `cargo xtask doctor`.

use anyhow::Result;

use crate::cache_dir::CacheDir;
use crate::cli::{Doctor, Global};
use crate::failure::Exit;
use crate::report;
use crate::setup::render;
use crate::setup::survey::Survey;

pub async fn run(_global: &Global, args: Doctor) -> Result<Exit> {
    let survey = Survey::take(&CacheDir::find()?).await?;
    report::answer(&survey, args.json, render::doctor)?;
    Ok(if survey.can_build() {
        Exit::Passed
    } else {
        Exit::Missing
    })
}

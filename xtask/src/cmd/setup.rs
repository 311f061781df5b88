//! `cargo xtask setup`.

use anyhow::Result;

use crate::cli::{Global, Setup};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Setup) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

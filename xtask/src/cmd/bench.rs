//! `cargo xtask bench`.

use anyhow::Result;

use crate::cli::{Bench, Global};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Bench) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

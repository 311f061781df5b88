//! `cargo xtask check`.

use anyhow::Result;

use crate::cli::{Check, Global};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Check) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

//! `cargo xtask diff`.

use anyhow::Result;

use crate::cli::{Diff, Global};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Diff) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

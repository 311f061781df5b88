//! `cargo xtask nodes`.

use anyhow::Result;

use crate::cli::{Global, Nodes};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Nodes) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

//! `cargo xtask doctor`.

use anyhow::Result;

use crate::cli::{Doctor, Global};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Doctor) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

//! `cargo xtask hosts`.

use anyhow::Result;

use crate::cli::{Global, Hosts};
use crate::failure::{Exit, Failure};

pub async fn run(_global: &Global, args: Hosts) -> Result<Exit> {
    Err(Failure::failed(format!("not built yet: {args:?}")).into())
}

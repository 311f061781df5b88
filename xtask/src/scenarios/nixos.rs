//! The stage nixos: plays as NixOS tests, which Nix builds and the test driver plays.

use anyhow::Result;

use super::select::Choice;
use super::{Options, Plays};
use crate::evaluate::Fleet;

pub(super) async fn play(_fleet: &Fleet, _choices: &[Choice], _options: &Options) -> Result<Plays> {
    anyhow::bail!("scenarios are not played in stage nixos yet")
}

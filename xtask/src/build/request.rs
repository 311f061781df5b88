//! What a run is asked for, and how it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::memory::Memory;
use super::outcome::{Evaluation, Host};
use super::reuse::Kept;
use crate::evaluate::apply::Overview;
use crate::fleet::host::HostName;
use crate::fleet::inventory;

/// What is to be done, and with how much.
#[derive(Debug, Clone)]
pub struct Request {
    /// In the order of the report.
    pub hosts: Vec<HostName>,
    pub jobs: u32,
    pub memory: Memory,
    /// Where the links are made that keep the closures from being collected.
    pub roots: PathBuf,
    /// What deploy-rs copies is evaluated too.
    pub profiles: bool,
    /// Inventory entries that are known.
    pub entries: BTreeMap<HostName, inventory::Host>,
}

/// How a run ends.
#[derive(Debug)]
pub enum Finished {
    Done(Box<Done>),
    /// The fleet is not made of what was assumed: nothing of this run counts.
    Other(Overview),
}

/// What became of all hosts.
#[derive(Debug)]
pub struct Done {
    pub hosts: BTreeMap<HostName, Host>,
    pub evaluation: Evaluation,
    /// For the next run.
    pub kept: Kept,
}

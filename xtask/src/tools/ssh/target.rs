//! From what the inventory says of a host to how ssh reaches it.

use super::{here, Target};
use crate::fleet::inventory::Host;
use crate::fleet::stage::Stage;

impl Target {
    /// A host at the address that it is deployed at, as this user; none if nobody knows its address.
    pub fn of(host: &Host, user: Option<String>, stage: Stage) -> Option<Self> {
        let node = host.node.as_ref();
        let address = node
            .map(|node| &node.hostname)
            .or(host.target_host.as_ref())?;
        Some(Self {
            host: host.name.clone(),
            address: address.clone(),
            user,
            options: node.map(|node| node.ssh_opts.clone()).unwrap_or_default(),
            keys: host.host_keys.clone(),
            loopback_only: stage == Stage::Rehearsal,
            here: false,
            slowness: host.slowness,
        })
    }

    /// The same host, which this machine is.
    pub fn here(host: &Host, stage: Stage) -> Self {
        Self {
            host: host.name.clone(),
            address: "localhost".to_owned(),
            user: Some(here::user()),
            options: Vec::new(),
            keys: Vec::new(),
            loopback_only: stage == Stage::Rehearsal,
            here: true,
            slowness: host.slowness,
        }
    }
}

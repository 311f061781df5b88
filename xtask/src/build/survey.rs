//! What is asked of the fleet apart from its toplevels: which hosts there are, and single inventory entries.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::evaluate::apply::{self, Event, Overview, Wanted};
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::inventory::Host;

impl Fleet {
    /// What the fleet is made of, without evaluating a host.
    ///
    /// # Errors
    /// If the flake does not evaluate, or has no hosts.
    pub async fn overview(&self) -> Result<Overview> {
        let wanted = Wanted {
            overview: true,
            ..Wanted::default()
        };
        let mut found = None;
        let output = self
            .nix
            .evaluation(&self.flake, self.stage, &apply::expression(&[], wanted))
            .stream(|line| {
                if let Some(Event::Overview(overview)) = apply::event(line) {
                    found = Some(overview);
                }
            })
            .await?;
        let reference = &self.flake.reference;
        match found {
            Some(overview) if output.status.success() => {
                if overview.hosts.is_empty() {
                    let failure = Failure::usage(format!("{reference} has no nixosConfigurations"));
                    return Err(failure.into());
                }
                Ok(self.complete(overview))
            }
            _ => {
                let text = self.worded(&self.error(&output));
                let message = format!("cannot evaluate {reference}: {text}");
                Err(self.failure(message).into())
            }
        }
    }

    /// A flake that says nothing of stages is in the one that it was opened in.
    pub fn complete(&self, mut overview: Overview) -> Overview {
        overview.stage = overview.stage.or(Some(self.stage));
        overview
    }

    /// The inventory entries of hosts whose toplevels fail; of a host whose entry fails too there is none.
    ///
    /// # Errors
    /// If Nix cannot be started.
    pub async fn entries(&self, hosts: &[HostName]) -> Result<BTreeMap<HostName, Host>> {
        let wanted = Wanted {
            inventory: true,
            ..Wanted::default()
        };
        let mut found = BTreeMap::new();
        for host in hosts {
            let expression = apply::expression(std::slice::from_ref(host), wanted);
            self.nix
                .evaluation(&self.flake, self.stage, &expression)
                .stream(|line| {
                    if let Some(Event::Done(done)) = apply::event(line) {
                        found.extend(done.inventory.map(|entry| (done.host, entry)));
                    }
                })
                .await?;
        }
        Ok(found)
    }
}

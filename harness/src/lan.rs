//! The network that the machines of a run share: who is on it, by which name and address, and each one's cable.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::network::{Condition, Switch};
use crate::run::{require_socket, Run};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    run: std::sync::Weak<crate::run::Inner>,
    name: String,
    dir: PathBuf,
    /// Addresses with prefix length, by machine name.
    members: BTreeMap<String, String>,
    switch: Switch,
}

impl Run {
    /// A network with a place for each of these machines: name and address with prefix length (`192.168.0.31/24`).
    /// Every machine knows all names from its start, in `/etc/hosts`.
    pub fn lan(&self, name: &str, members: &[(&str, &str)]) -> Result<Lan> {
        let dir = self.0.sockets().join(format!("lan-{name}"));
        cache::create_dir(&dir)?;
        let mut places = BTreeMap::new();
        for (member, _) in members {
            require_socket(&dir.join(member))?;
        }
        for (member, address) in members {
            let is_address = address.split_once('/').is_some_and(|(ip, bits)| {
                ip.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok()
            });
            if !is_address {
                return Err(Error::new(
                    ErrorKind::State,
                    format!("`{address}` of {member} is no address with prefix length"),
                )
                .try_next("write it as 192.168.0.31/24"));
            }
            if places
                .insert((*member).to_owned(), (*address).to_owned())
                .is_some()
            {
                return Err(Error::new(
                    ErrorKind::State,
                    format!("two machines of network {name} have the name {member}"),
                ));
            }
        }
        Ok(Lan(Arc::new(Inner {
            run: Arc::downgrade(&self.0),
            name: name.to_owned(),
            dir,
            members: places,
            switch: Switch::new(),
        })))
    }
}

impl Lan {
    /// Sets what the cable of one machine does from now on; the machine is not told.
    ///
    /// # Errors
    /// `State` if the machine is not on this network.
    pub fn cable(&self, machine: &str, condition: Condition) -> Result<()> {
        if let Some(run) = self.0.run.upgrade() {
            run.transcript
                .note(machine, format!("cable to {}: {condition:?}", self.0.name));
        }
        self.0.switch.set(machine, condition)
    }

    pub(crate) fn address(&self, machine: &str) -> Result<String> {
        self.0.members.get(machine).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::State,
                format!("network {} has no place for {machine}", self.0.name),
            )
            .try_next("name it when the network is made")
        })
    }

    /// Lines for the `/etc/hosts` of each of its machines.
    pub(crate) fn hosts(&self) -> String {
        self.0
            .members
            .iter()
            .map(|(name, address)| {
                let ip = address.split('/').next().unwrap_or(address);
                format!("{ip} {name}")
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(crate) fn socket(&self, machine: &str) -> PathBuf {
        self.0.dir.join(machine)
    }

    /// Opens the machine's port and gives its MAC there: a function of its name, so that runs are alike.
    pub(crate) fn join(&self, machine: &str) -> Result<String> {
        self.address(machine)?;
        self.0.switch.add_port(machine, &self.socket(machine))?;
        Ok(mac(machine))
    }

    /// Closes the port: a machine of this name may join again.
    pub(crate) fn leave(&self, machine: &str) {
        self.0.switch.remove_port(machine);
    }
}

/// Locally administered, for one machine.
fn mac(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    format!(
        "52:54:01:{:02x}:{:02x}:{:02x}",
        digest[0], digest[1], digest[2]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_cards_differ_by_name_and_stay() {
        assert_eq!(mac("web"), mac("web"));
        assert_ne!(mac("web"), mac("cache"));
        assert!(mac("web").starts_with("52:54:01:"));
    }
}

//! To whom each file is to be encrypted, as the inventory says it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::finding::{of_host, Fault, Finding};
use super::recipients::Recipient;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Host, Inventory, Use};

/// What the inventory says of all files.
#[derive(Debug, Default)]
pub struct Plan {
    /// By their paths, relative to the flake.
    pub files: BTreeMap<String, Wanted>,
    /// Who reads what no host uses: the operators of all hosts.
    pub operators: Readers,
    /// Whose each key of the fleet is, in the form of age where it has one.
    owners: BTreeMap<Recipient, Owner>,
    /// What the inventory itself leaves open.
    pub findings: Vec<Finding>,
}

/// Who can read a file, with which key.
pub type Readers = BTreeSet<(Owner, Recipient)>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Host(HostName),
    Operator(String),
    DeployKey(String),
    /// One that asks the builder for releases.
    ReleasesKey(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "host {name}"),
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::DeployKey(name) => write!(f, "deploy key {name}"),
            Self::ReleasesKey(name) => write!(f, "key {name} that asks for releases"),
        }
    }
}

#[derive(Debug, Default)]
pub struct Wanted {
    pub hosts: BTreeSet<HostName>,
    pub readers: Readers,
    /// What each host takes out of it: host, the secret's name, and where it is.
    pub uses: Vec<(HostName, String, Use)>,
}

impl Plan {
    pub fn of(inventory: &Inventory) -> Self {
        let mut plan = Self::default();
        // All of them first: whoever comes later is held against them.
        for host in inventory.hosts.values() {
            for key in host_keys(host).into_iter().flatten() {
                plan.owners.insert(key, Owner::Host(host.name.clone()));
            }
            // CI has one of them, or both in one key: of all hosts, those without secrets too.
            let asks = host.releases.iter().flat_map(|it| &it.keys);
            let asks = asks.map(|(holder, key)| (key, Owner::ReleasesKey(holder.clone())));
            let deploys = host.deploy_keys.iter();
            let deploys = deploys.map(|(holder, key)| (key, Owner::DeployKey(holder.clone())));
            for (key, owner) in asks.chain(deploys) {
                // One that age does not take can read nothing.
                if let Ok(key) = Recipient::parse(key) {
                    plan.owners.insert(key.as_age().unwrap_or(key), owner);
                }
            }
        }
        for host in inventory.hosts.values() {
            plan.add(host);
        }
        plan
    }

    fn add(&mut self, host: &Host) {
        let Some(secrets) = &host.secrets else {
            return;
        };
        let name = &host.name;
        let mut readers = Readers::new();
        for key in host_keys(host) {
            match key {
                Ok(key) => {
                    readers.insert((Owner::Host(name.clone()), key));
                }
                Err(why) => self.findings.push(of_host(
                    name,
                    Fault::BadKey,
                    format!("its host key is none to encrypt to: {why}"),
                    "in homelab.deploy.hostKeys, the line of /etc/ssh/ssh_host_ed25519_key.pub",
                )),
            }
        }
        if readers.is_empty() {
            self.findings.push(of_host(
                name,
                Fault::NoHostKey,
                "it has secrets, and no ssh-ed25519 key that they could be encrypted to".to_owned(),
                "homelab.deploy.hostKeys = [ \"…\" ], the line of /etc/ssh/ssh_host_ed25519_key.pub on the host",
            ));
        }
        let operators = self.operators_of(name, &secrets.operators);
        readers.extend(operators.clone());
        self.operators.extend(operators);
        if let Some(file) = &secrets.file {
            self.file(file, name, &readers);
        }
        for (secret, place) in &secrets.uses {
            if place.file.starts_with('/') {
                let message = format!(
                    "its secret {secret} comes from {}, which is not the fleet's",
                    place.file
                );
                let cure = format!("sops.secrets.{secret}.sopsFile = ./secrets.yaml");
                self.findings
                    .push(of_host(name, Fault::OutsideOfFleet, message, &cure));
                continue;
            }
            let file = self.file(&place.file, name, &readers);
            file.uses
                .push((name.clone(), secret.clone(), place.clone()));
        }
    }

    fn operators_of(&mut self, host: &HostName, stated: &BTreeMap<String, String>) -> Readers {
        let mut readers = Readers::new();
        for (holder, key) in stated {
            let key = match Recipient::parse(key) {
                Ok(key) => key,
                Err(why) => {
                    let message =
                        format!("the key of operator {holder} is none to encrypt to: {why}");
                    let cure = "an ed25519, rsa or age key of theirs, in homelab.secrets.operators";
                    self.findings
                        .push(of_host(host, Fault::BadKey, message, cure));
                    continue;
                }
            };
            let own = key.as_age().unwrap_or_else(|| key.clone());
            let (fault, whose, cure) = match self.owners.get(&own) {
                Some(owner @ Owner::Host(_)) => (
                    Fault::OperatorIsHost,
                    format!("that of {owner}"),
                    "a key that is no host's, in homelab.secrets.operators",
                ),
                Some(owner @ (Owner::DeployKey(_) | Owner::ReleasesKey(_))) => (
                    Fault::OperatorDeploys,
                    format!("the {owner}"),
                    "a key that deploys nothing, in homelab.secrets.operators",
                ),
                _ => {
                    let owner = Owner::Operator(holder.clone());
                    self.owners.insert(own, owner.clone());
                    readers.insert((owner, key));
                    continue;
                }
            };
            let message = format!("the key of operator {holder} is also {whose}");
            self.findings.push(of_host(host, fault, message, cure));
        }
        if stated.is_empty() {
            self.findings.push(of_host(
                host,
                Fault::NoOperator,
                "it has secrets that no operator could read".to_owned(),
                "homelab.secrets.operators, or homelab.users.operator.keys",
            ));
        }
        readers
    }

    fn file(&mut self, file: &str, host: &HostName, readers: &Readers) -> &mut Wanted {
        let wanted = self.files.entry(file.to_owned()).or_default();
        wanted.hosts.insert(host.clone());
        wanted.readers.extend(readers.clone());
        wanted
    }

    /// Whose key this is, for a person: `host Ingress`, `deploy key ci`, or that nobody knows it.
    pub fn owner(&self, recipient: &str) -> String {
        let key = Recipient::parse(recipient).ok();
        let own = key.and_then(|key| key.as_age().or(Some(key)));
        match own.and_then(|own| self.owners.get(&own)) {
            Some(owner) => format!("{owner} ({})", short(recipient)),
            None => format!("a key that is nobody's in the fleet ({})", short(recipient)),
        }
    }

    /// `.sops.yaml`, whole; none if no host has secrets.
    pub fn rules(&self) -> Option<String> {
        if self.files.is_empty() {
            return None;
        }
        let mut text = "# Made from the fleet by `cargo xtask secrets rekey`; `cargo xtask secrets check` compares the two.\n\
                        creation_rules:\n"
            .to_owned();
        for (file, wanted) in &self.files {
            text.push_str(&rule(&pattern(file), &wanted.readers));
        }
        text.push_str("  # What no host uses is the operators'.\n");
        text.push_str(&rule(".*", &self.operators));
        Some(text)
    }
}

fn host_keys(host: &Host) -> Vec<Result<Recipient, String>> {
    let keys = host.host_keys.iter();
    keys.filter_map(|line| Recipient::of_host_key(line))
        .collect()
}

fn rule(pattern: &str, readers: &Readers) -> String {
    let mut text = format!("  - path_regex: '{pattern}'\n    key_groups:\n      - age:\n");
    let mut keys = BTreeSet::new();
    for (owner, key) in readers {
        // Somebody may have two names, and sops would take the key twice.
        if keys.insert(key) {
            text.push_str(&format!("          # {owner}\n          - {key}\n"));
        }
    }
    text
}

/// A regular expression, in single quotes, that only this path matches.
fn pattern(path: &str) -> String {
    let mut text = "^".to_owned();
    for c in path.chars() {
        match c {
            '\'' => text.push_str("''"),
            c if r"\.+*?()|[]{}^$".contains(c) => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text.push('$');
    text
}

/// The end of a key, by which people tell keys apart.
fn short(recipient: &str) -> String {
    let mut words = recipient.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let key = words.next().unwrap_or(kind);
    let end: Vec<char> = key.chars().rev().take(8).collect();
    let end: String = end.into_iter().rev().collect();
    if key == kind {
        format!("age1…{end}")
    } else {
        format!("{kind} …{end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_one_path() {
        assert_eq!(pattern("hosts/a.b/it's.yaml"), r"^hosts/a\.b/it''s\.yaml$");
    }

    #[test]
    fn keys_are_told_apart_by_their_end() {
        assert_eq!(short("ssh-rsa AAAAB3NzaC1yc2E x@y"), "ssh-rsa …zaC1yc2E");
        assert_eq!(short("age1qyqszqgpqyqs3290gq"), "age1…qs3290gq");
    }
}

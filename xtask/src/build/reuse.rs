//! Which hosts' evaluations of earlier runs still hold. Pure: fingerprints in, decisions out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::evaluate::apply::{HostEvaluation, Overview};
use crate::evaluate::source::{Fingerprint, Source};
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Host, Inventory};
use crate::fleet::store_path::StorePath;

/// Evaluations that are kept of each host: going back to an earlier commit finds them again.
const KEPT: usize = 4;

/// What earlier runs found of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Of all files, at the last run.
    whole: Fingerprint,
    pub overview: Overview,
    /// Complete, or none.
    inventory: Option<Inventory>,
    /// The newest first.
    hosts: BTreeMap<HostName, Vec<Known>>,
}

/// One evaluation of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    whole: Fingerprint,
    /// Of what the host's evaluation reads; none if that was not known.
    own: Option<Fingerprint>,
    pub evaluation: HostEvaluation,
    closure_size: Option<u64>,
}

impl Known {
    pub fn out(&self) -> Option<&StorePath> {
        Some(&self.evaluation.toplevel.as_ref()?.out)
    }
}

impl Kept {
    /// The tree is what it was at the last run.
    pub fn is_same(&self, source: &Source) -> bool {
        self.whole == source.whole()
    }

    /// What the fleet is made of, if that is still known without asking Nix: what all hosts share is what it was, and
    /// there are the same hosts.
    pub fn overview_holds(&self, source: &Source) -> bool {
        let Some(inventory) = &self.inventory else {
            return false;
        };
        let Some(dir) = inventory.hosts_dir.as_ref().filter(|_| inventory.hermetic) else {
            return false;
        };
        let folders: BTreeSet<&str> = source.folders(dir).collect();
        let hosts: BTreeSet<&str> = inventory.hosts.keys().map(HostName::as_str).collect();
        let own = source.of_hosts(inventory);
        folders == hosts
            && own
                .keys()
                .any(|host| self.under(host, inventory, &own).is_some())
    }

    /// Whether the fleet is most likely made of what it was: each host has its folder.
    pub fn overview_is_likely(&self, source: &Source) -> bool {
        let Some(dir) = &self.overview.hosts_dir else {
            return false;
        };
        let folders: BTreeSet<&str> = source.folders(dir).collect();
        let hosts = self.overview.hosts.iter().map(HostName::as_str);
        self.overview.declared && folders == hosts.collect()
    }

    /// Each host's last closure.
    pub fn last(&self) -> impl Iterator<Item = &StorePath> {
        self.hosts.values().filter_map(|list| list.first()?.out())
    }

    fn certain(&self, host: &HostName, whole: &Fingerprint) -> Option<&Known> {
        self.of(host).find(|known| known.whole == *whole)
    }

    /// What is known of a host under an inventory, whose fingerprints are `own`.
    fn under(&self, host: &HostName, inventory: &Inventory, own: &Own) -> Option<&Known> {
        let own = own.get(host)?;
        self.of(host)
            .filter(|known| known.own.as_ref() == Some(own))
            .find(|known| known.evaluation.inventory.as_ref() == inventory.hosts.get(host))
    }

    fn of(&self, host: &HostName) -> impl Iterator<Item = &Known> {
        self.hosts.get(host).into_iter().flatten()
    }
}

type Own = BTreeMap<HostName, Fingerprint>;

/// The decisions of one run.
///
/// In a hermetic fleet a host's evaluation reads its own folder, what all hosts share, and the inventory. The inventory
/// of the tree as it is now is not known before the changed hosts are evaluated. So that of the last run is assumed, and
/// what holds under it is used once the changed hosts' own entries turn out to be what was assumed.
#[derive(Debug)]
pub struct Reuse {
    source: Source,
    overview: Overview,
    kept: Option<Kept>,
    /// These hold, whatever comes.
    certain: BTreeMap<HostName, Known>,
    /// These hold if the changed hosts' entries are what was assumed.
    assumed: BTreeMap<HostName, Known>,
    changed: BTreeSet<HostName>,
    /// The inventory of the last run, if the hosts that did not change are still as it says.
    inventory: Option<Inventory>,
    settled: bool,
}

impl Reuse {
    /// What holds for the `wanted` hosts. `entries` are inventory entries of the tree as it is now, as far as they are
    /// known beforehand.
    pub fn plan(
        source: Source,
        overview: Overview,
        kept: Option<Kept>,
        wanted: &[HostName],
        entries: &BTreeMap<HostName, Host>,
    ) -> Self {
        let mut reuse = Self {
            source,
            overview,
            kept,
            certain: BTreeMap::new(),
            assumed: BTreeMap::new(),
            changed: BTreeSet::new(),
            inventory: None,
            settled: false,
        };
        let Some(kept) = &reuse.kept else {
            return reuse;
        };
        let whole = reuse.source.whole();
        if kept.whole == whole {
            reuse.inventory = kept.inventory.clone();
        }
        for host in wanted {
            if let Some(known) = kept.certain(host, &whole) {
                reuse.certain.insert(host.clone(), known.clone());
            }
        }
        let Some(inventory) = &kept.inventory else {
            return reuse;
        };
        if reuse.certain.len() == wanted.len() || !kept.overview_holds(&reuse.source) {
            return reuse;
        }
        let own = reuse.source.of_hosts(inventory);
        for host in &reuse.overview.hosts {
            match kept.under(host, inventory, &own) {
                None => drop(reuse.changed.insert(host.clone())),
                Some(known) if wanted.contains(host) && !reuse.certain.contains_key(host) => {
                    reuse.assumed.insert(host.clone(), known.clone());
                }
                Some(_) => (),
            }
        }
        // The entry of a changed host that is not evaluated stays unknown, if nobody said it.
        let told = |host: &HostName| wanted.contains(host) || entries.contains_key(host);
        if reuse.changed.iter().all(told) {
            reuse.inventory = Some(inventory.clone());
        } else {
            reuse.assumed.clear();
        }
        reuse
    }

    /// The outputs whose presence decides what is left to do.
    pub fn outputs(&self) -> Vec<&StorePath> {
        self.all().filter_map(|(_, known)| known.out()).collect()
    }

    /// What became of the outputs and derivations of earlier runs: without both, a host is evaluated again.
    pub fn forget_collected(
        &mut self,
        valid: &BTreeSet<StorePath>,
        exists: impl Fn(&StorePath) -> bool,
    ) {
        let lost: Vec<HostName> = self
            .all()
            .filter(|(_, known)| {
                let toplevel = known.evaluation.toplevel.as_ref();
                !toplevel.is_some_and(|it| valid.contains(&it.out) || exists(&it.drv))
            })
            .map(|(host, _)| host.clone())
            .collect();
        for host in lost {
            self.certain.remove(&host);
            self.assumed.remove(&host);
        }
        for known in self.certain.values_mut().chain(self.assumed.values_mut()) {
            let there = known.out().is_some_and(|out| valid.contains(out));
            if !there {
                known.closure_size = None;
            }
        }
    }

    /// This host need not be evaluated, as far as is known now.
    pub fn holds(&self, host: &HostName) -> bool {
        self.known(host).is_some()
    }

    /// `settle` may still hand out hosts.
    pub fn is_open(&self) -> bool {
        !self.settled
    }

    pub fn known(&self, host: &HostName) -> Option<&HostEvaluation> {
        let known = self.certain.get(host).or_else(|| self.assumed.get(host));
        known.map(|known| &known.evaluation)
    }

    /// Bytes of a known host's closure; none if it has to be built.
    pub fn closure_size(&self, host: &HostName) -> Option<u64> {
        let known = self.certain.get(host).or_else(|| self.assumed.get(host));
        known?.closure_size
    }

    /// Hosts that are known without any evaluation.
    pub fn certain(&self) -> Vec<HostEvaluation> {
        let all = self.certain.values();
        all.map(|known| known.evaluation.clone()).collect()
    }

    /// The changed hosts whose inventory entry is needed and not among `entries`.
    pub fn missing_entries(&self, entries: &BTreeMap<HostName, Host>) -> Vec<HostName> {
        if self.settled || self.assumed.is_empty() {
            return Vec::new();
        }
        let missing = self
            .changed
            .iter()
            .filter(|host| !entries.contains_key(*host));
        missing.cloned().collect()
    }

    /// The changed hosts are evaluated, with these inventory entries: each assumed host holds, or is evaluated too.
    pub fn settle(
        &mut self,
        entries: &BTreeMap<HostName, Host>,
    ) -> Vec<(HostName, Option<HostEvaluation>)> {
        if std::mem::replace(&mut self.settled, true) {
            return Vec::new();
        }
        let assumed = std::mem::take(&mut self.assumed);
        let now = self.inventory(entries);
        let same = now.is_some() && now == self.inventory;
        let own = match &now {
            Some(now) if !same => self.source.of_hosts(now),
            _ => Own::new(),
        };
        let mut settled = Vec::new();
        for (host, known) in assumed {
            let known = match (&now, &self.kept) {
                _ if same => Some(known),
                (Some(now), Some(kept)) => kept.under(&host, now, &own).cloned(),
                _ => None,
            };
            settled.push((host.clone(), known.as_ref().map(|it| it.evaluation.clone())));
            if let Some(known) = known {
                self.certain.insert(host, known);
            }
        }
        settled
    }

    /// The inventory with these entries and, of the unchanged hosts, those of the last run; none if one is missing.
    fn inventory(&self, entries: &BTreeMap<HostName, Host>) -> Option<Inventory> {
        let of = |host: &HostName| {
            let before = || {
                let unchanged = !self.changed.contains(host);
                self.inventory
                    .as_ref()
                    .filter(|_| unchanged)?
                    .hosts
                    .get(host)
            };
            entries
                .get(host)
                .or_else(|| self.certain.get(host)?.evaluation.inventory.as_ref())
                .or_else(before)
        };
        let hosts = self.overview.hosts.iter();
        Some(Inventory {
            version: 1,
            stage: self.overview.stage?,
            hosts_dir: self.overview.hosts_dir.clone(),
            hermetic: self.overview.hermetic,
            hosts: hosts
                .map(|host| Some((host.clone(), of(host)?.clone())))
                .collect::<Option<_>>()?,
        })
    }

    /// What the next run may start from. `evaluated` and the closures' sizes are this run's.
    pub fn keep(
        self,
        evaluated: &BTreeMap<HostName, HostEvaluation>,
        entries: &BTreeMap<HostName, Host>,
        sizes: &BTreeMap<StorePath, u64>,
    ) -> Kept {
        let whole = self.source.whole();
        let same_tree = self.kept.as_ref().is_some_and(|kept| kept.whole == whole);
        if let (true, true, Some(kept)) = (same_tree, evaluated.is_empty(), &self.kept) {
            return kept.clone();
        }
        let inventory = self.inventory(entries);
        let own = match &inventory {
            Some(inventory) if inventory.hermetic => self.source.of_hosts(inventory),
            _ => Own::new(),
        };
        let mut hosts = self
            .kept
            .as_ref()
            .map_or_else(BTreeMap::new, |kept| kept.hosts.clone());
        let certain = self.certain.values().map(|known| &known.evaluation);
        for evaluation in evaluated.values().chain(certain) {
            let out = evaluation.toplevel.as_ref().map(|it| &it.out);
            let list = hosts.entry(evaluation.host.clone()).or_default();
            let before = list.iter().find(|known| known.out() == out);
            let size = out.and_then(|out| sizes.get(out).copied());
            let known = Known {
                whole: whole.clone(),
                closure_size: size.or_else(|| before.and_then(|known| known.closure_size)),
                own: own.get(&evaluation.host).cloned(),
                evaluation: evaluation.clone(),
            };
            list.retain(|other| {
                other.whole != known.whole && (known.own.is_none() || other.own != known.own)
            });
            list.insert(0, known);
            list.truncate(KEPT);
        }
        hosts.retain(|host, _| self.overview.hosts.contains(host));
        Kept {
            whole,
            overview: self.overview,
            inventory: inventory.or_else(|| self.kept.and_then(|kept| kept.inventory)),
            hosts,
        }
    }

    fn all(&self) -> impl Iterator<Item = (&HostName, &Known)> {
        self.certain.iter().chain(&self.assumed)
    }
}

#[cfg(test)]
mod tests;

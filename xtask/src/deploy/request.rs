//! What a deployment was asked for, held against the fleet: which hosts, and what becomes of them.

use std::collections::BTreeSet;

use anyhow::Result;
use guard::release::{ActionKind, Release, SignedRelease};

use super::ask::Place;
use super::plan::Boot;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::{self, HostName};
use crate::fleet::refs::{self, Meaning};

/// What a person or CI wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// Only these; all that the ref concerns if empty.
    pub hosts: Vec<String>,
    /// None: the branch that is checked out.
    pub reference: Option<String>,
    /// What is done with the hosts, whatever the ref means; none leaves it to the ref.
    pub action: Option<ActionKind>,
    /// Where the hosts are.
    pub place: Place,
    pub boot: Boot,
    /// Only hosts of this wave.
    pub wave: Option<u32>,
    /// A revision that stands for what the hosts run.
    pub against: Option<String>,
    /// What a signer said the hosts are to have; it decides on the commit, the hosts and what is done with them.
    pub release: Option<Released>,
    /// Live lines instead of plain ones.
    pub live: bool,
}

/// A release as it came, and what it says.
#[derive(Debug, Clone)]
pub struct Released {
    pub signed: SignedRelease,
    pub release: Release,
}

impl Released {
    /// Reads a document; whether its signature holds is the hosts' to say.
    ///
    /// # Errors
    /// Usage, if it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let signed = SignedRelease::from_wire(bytes);
        let read = signed.and_then(|signed| {
            let release = Release::parse(&signed.release)?;
            Ok(Self { signed, release })
        });
        read.map_err(|refusal| {
            Failure::usage(format!("this is no release: {}", refusal.text))
                .try_next("what `cargo xtask release` printed")
        })
    }

    /// Seconds that its test lasts; none if it has none, or leaves that to the host.
    fn lease(&self) -> Option<u64> {
        let mut hosts = self.release.hosts.values();
        hosts.find_map(|host| host.action.lease_seconds)
    }

    /// That it is of this fleet, and for the hosts that were asked for.
    fn names(&self, fleet: &[HostName], asked: &[String]) -> Result<(), Failure> {
        let for_whom: Vec<&str> = self.release.hosts.keys().map(String::as_str).collect();
        let commit = &self.release.commit;
        let foreign = for_whom
            .iter()
            .find(|name| !fleet.iter().any(|it| it.as_str() == **name));
        if let Some(name) = foreign {
            return Err(Failure::usage(format!(
                "the release of {commit} names {name}, and the fleet has no such host"
            ))
            .try_next("a release of this fleet"));
        }
        match asked.iter().find(|name| !for_whom.contains(&name.as_str())) {
            Some(name) => Err(Failure::usage(format!(
                "the release of {commit} has nothing for {name}"
            ))
            .try_next(format!("the same with hosts of {}", for_whom.join(", ")))),
            None => Ok(()),
        }
    }

    /// What it asks for, in a ref's terms.
    fn meaning(&self) -> Meaning {
        let actions = || {
            self.release
                .hosts
                .iter()
                .map(|(host, it)| (host, it.action.kind))
        };
        for (host, kind) in actions() {
            if kind == ActionKind::Test {
                return Meaning::Test {
                    host: HostName::from_release(host),
                };
            }
        }
        Meaning::Deploy {
            boot: actions().any(|(_, kind)| kind == ActionKind::Boot),
        }
    }
}

/// The hosts that are concerned.
pub struct Chosen {
    pub meaning: Meaning,
    pub hosts: Vec<HostName>,
}

impl Request {
    /// # Errors
    /// Usage, if the ref's branch name, the commit's trailer or a host's name does not fit the fleet.
    pub async fn choose(&self, fleet: &Fleet, survey: &Survey, reference: &str) -> Result<Chosen> {
        let message = match &fleet.source.revision {
            Some(commit) => fleet.git()?.message(commit).await?,
            None => String::new(),
        };
        Ok(self.choice(survey, reference, &message)?)
    }

    /// A release leaves no choice between switch and boot, and neither does a person who named one.
    pub fn boot_for(&self, meaning: &Meaning) -> Boot {
        let decided = self.release.is_some() || self.action.is_some();
        match meaning {
            _ if !decided => self.boot,
            Meaning::Deploy { boot: true } => Boot::Always,
            _ => Boot::Never,
        }
    }

    /// Seconds that a test lasts, as far as a release says so: only its host's guard holds to that.
    pub fn lease(&self) -> Option<u64> {
        self.release.as_ref().and_then(Released::lease)
    }

    fn choice(&self, survey: &Survey, reference: &str, message: &str) -> Result<Chosen, Failure> {
        let names = survey.names();
        // A host that does not evaluate is not left out silently: it cannot be built, and that is told.
        let deployable = |name: &HostName| {
            let host = survey.inventory.hosts.get(name);
            host.is_none_or(|host| host.deployable)
        };
        let known: Vec<refs::Known> = names
            .iter()
            .map(|name| refs::Known {
                name,
                deployable: deployable(name),
            })
            .collect();
        let selected = host::select(&names, &self.hosts)?;
        if let Some(released) = &self.release {
            released.names(&names, &self.hosts)?;
        }
        let meaning = match (&self.release, self.action) {
            (Some(released), _) => released.meaning(),
            (None, Some(_)) if self.hosts.is_empty() => {
                return Err(Failure::usage("--action is for hosts that are named")
                    .try_next("the same with the name of a host, or without --action"))
            }
            (None, Some(action)) => asked_for(action, &selected)?,
            (None, None) => refs::meaning(reference, message, &known)?,
        };
        let wave = |name: &HostName| survey.inventory.hosts.get(name).map(|host| host.wave);
        let in_wave = |name: &HostName| self.wave.is_none() || self.wave == wave(name);
        let in_release = |name: &HostName| {
            let released = self.release.as_ref();
            released.is_none_or(|it| it.release.hosts.contains_key(name.as_str()))
        };
        let hosts = match &meaning {
            Meaning::Build => selected,
            Meaning::Test { host } if !deployable(host) => return Err(not_deployable(host)),
            Meaning::Test { host } if self.hosts.is_empty() || selected == [host.clone()] => {
                vec![host.clone()]
            }
            Meaning::Test { host } => {
                return Err(Failure::usage(format!(
                    "branch {reference} concerns {host} and no other host"
                ))
                .try_next(format!("the same with {host}, or without a host")))
            }
            Meaning::Deploy { .. } => {
                if let Some(name) = selected
                    .iter()
                    .find(|name| !self.hosts.is_empty() && !deployable(name))
                {
                    return Err(not_deployable(name));
                }
                selected.into_iter().filter(deployable).collect()
            }
        };
        let waves: BTreeSet<u32> = hosts.iter().filter_map(wave).collect();
        let hosts: Vec<HostName> = hosts
            .into_iter()
            .filter(in_wave)
            .filter(in_release)
            .collect();
        match self.wave {
            Some(wanted) if hosts.is_empty() => {
                let waves: Vec<String> = waves.iter().map(ToString::to_string).collect();
                Err(
                    Failure::usage(format!("none of these hosts is in wave {wanted}"))
                        .try_next(format!("--wave with one of {}", waves.join(", "))),
                )
            }
            _ => Ok(Chosen { meaning, hosts }),
        }
    }
}

fn not_deployable(host: &HostName) -> Failure {
    Failure::usage(format!("host {host} is not deployable"))
        .try_next("homelab.deploy.enable = true in its configuration")
}

/// What a person asked for, in a ref's terms.
fn asked_for(action: ActionKind, hosts: &[HostName]) -> Result<Meaning, Failure> {
    match (action, hosts) {
        (ActionKind::Switch, _) => Ok(Meaning::Deploy { boot: false }),
        (ActionKind::Boot, _) => Ok(Meaning::Deploy { boot: true }),
        (ActionKind::Test, [host]) => Ok(Meaning::Test { host: host.clone() }),
        (ActionKind::Test, _) => Err(Failure::usage("one host at a time tries something")
            .try_next("--action test with the name of one host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::inventory::Inventory;

    fn survey() -> Survey {
        let host = |name: &str, wave: u32, deployable: bool| serde_json::json!({ "name": name, "system": "x86_64-linux", "wave": wave, "deployable": deployable });
        let inventory: Inventory = serde_json::from_value(serde_json::json!({
            "version": 1, "stage": "rehearsal", "hostsDir": null, "hermetic": true,
            "hosts": { "A": host("A", 0, true), "B": host("B", 1, true), "T": host("T", 1, false) },
        }))
        .unwrap();
        Survey {
            inventory,
            failed: std::collections::BTreeMap::default(),
        }
    }

    fn request(hosts: &[&str], wave: Option<u32>) -> Request {
        Request {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            reference: None,
            action: None,
            place: Place::Away,
            boot: Boot::Auto,
            wave,
            against: None,
            release: None,
            live: false,
        }
    }

    fn chosen(hosts: &[&str], wave: Option<u32>, reference: &str) -> Result<Vec<String>, String> {
        request(hosts, wave)
            .choice(&survey(), reference, "subject")
            .map(|chosen| chosen.hosts.iter().map(ToString::to_string).collect())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_ref_and_names_choose_hosts() {
        let some = |hosts: &[&str]| Ok(hosts.iter().map(|host| (*host).to_owned()).collect());
        assert_eq!(chosen(&[], None, "main"), some(&["A", "B"]));
        assert_eq!(chosen(&[], Some(1), "main"), some(&["B"]));
        assert_eq!(chosen(&["B"], None, "main"), some(&["B"]));
        assert_eq!(chosen(&[], None, "topic"), some(&["A", "B", "T"]));
        assert_eq!(chosen(&[], None, "test-B"), some(&["B"]));
        assert_eq!(chosen(&["B"], None, "test-B"), some(&["B"]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let error = |hosts: &[&str], reference| chosen(hosts, None, reference).unwrap_err();
        assert_eq!(error(&["T"], "main"), "host T is not deployable");
        assert_eq!(error(&["C"], "main"), "the fleet has no host `C`");
        assert_eq!(
            error(&["A"], "test-B"),
            "branch test-B concerns B and no other host"
        );
        assert_eq!(
            error(&[], "test-T"),
            "branch test-T: host T is not deployable"
        );
    }

    #[test]
    fn what_a_person_names_outranks_the_ref() {
        let asked = |action, hosts: &[&str], reference| {
            let request = Request {
                action: Some(action),
                ..request(hosts, None)
            };
            let chosen = request.choice(&survey(), reference, "subject").ok()?;
            let names = chosen.hosts.iter().map(ToString::to_string);
            let names: Vec<String> = names.collect();
            Some((names.join(" "), request.boot_for(&chosen.meaning)))
        };
        let b = |boot| Some(("B".to_owned(), boot));
        assert_eq!(asked(ActionKind::Switch, &["B"], "topic"), b(Boot::Never));
        assert_eq!(asked(ActionKind::Boot, &["B"], "test-A"), b(Boot::Always));
        assert_eq!(asked(ActionKind::Test, &["B"], "main"), b(Boot::Never));
        assert_eq!(asked(ActionKind::Test, &["A", "B"], "main"), None);
        assert_eq!(asked(ActionKind::Switch, &[], "main"), None);
        assert_eq!(asked(ActionKind::Switch, &["T"], "main"), None);
    }

    /// A release that has these hosts do this.
    fn released(hosts: &[(&str, &str)]) -> Released {
        let path = |name: &str| format!("/nix/store/{}-{name}", "0".repeat(32));
        let hosts: serde_json::Map<_, _> = hosts
            .iter()
            .map(|(host, kind)| {
                let value = serde_json::json!({
                    "toplevel": path("toplevel"), "profile": path("profile"), "action": { "kind": kind }
                });
                ((*host).to_owned(), value)
            })
            .collect();
        let text = serde_json::json!({
            "document": "slipway-release", "version": 1, "commit": "0".repeat(40), "counter": 1,
            "made": "2026-11-21T12:00:00Z", "expires": "2026-11-28T12:00:00Z", "hosts": hosts,
        })
        .to_string();
        Released {
            release: Release::parse(&text).unwrap(),
            signed: SignedRelease {
                release: text,
                signature: String::new(),
            },
        }
    }

    #[test]
    fn a_release_has_to_be_for_the_hosts_that_are_named() {
        let chosen = |hosts: &[&str], names: &[(&str, &str)]| {
            let request = Request {
                release: Some(released(names)),
                ..request(hosts, None)
            };
            let chosen = request.choice(&survey(), "main", "subject");
            let hosts = chosen.map_err(|failure| failure.to_string())?.hosts;
            Ok(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let commit = "0".repeat(40);
        let switch = [("A", "switch"), ("B", "switch")];
        assert_eq!(
            chosen(&[], &switch),
            Ok(vec!["A".to_owned(), "B".to_owned()])
        );
        assert_eq!(chosen(&["B"], &switch), Ok(vec!["B".to_owned()]));
        assert_eq!(
            chosen(&["A", "B"], &switch[..1]),
            Err(format!("the release of {commit} has nothing for B"))
        );
        assert_eq!(
            chosen(&[], &[("A", "switch"), ("Ghost", "switch")]),
            Err(format!(
                "the release of {commit} names Ghost, and the fleet has no such host"
            ))
        );
        assert_eq!(
            chosen(&[], &[("T", "test")]),
            Err("host T is not deployable".to_owned())
        );
    }

    #[test]
    fn a_wave_that_no_host_is_in_is_told_with_those_that_there_are() {
        let failure = request(&[], Some(9)).choice(&survey(), "main", "subject");
        let failure = failure.map(|chosen| chosen.hosts).unwrap_err();
        assert_eq!(failure.to_string(), "none of these hosts is in wave 9");
        assert_eq!(failure.next_step(), Some("--wave with one of 0, 1"));
    }
}

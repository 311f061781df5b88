//! A look at the binary cache before hosts are deployed. It decides nothing: what a host cannot fetch, or does not trust
//! there, is sent to it over ssh, so that a cache that is dead or behind makes a deployment slower, at night too, and
//! stops none. It is told, with what there is to do about it.

use std::time::Duration;

use super::ask::Place;
use super::Prepared;
use crate::cache::{self, preflight, Fault};
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::report;

/// Nobody waits longer for what only may be worth a warning.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says what hosts that are touched would not get from their cache.
pub async fn look(prepared: &Prepared) {
    let wanted = wanted(prepared);
    if wanted.is_empty() {
        return;
    }
    let looking = preflight::look(&prepared.fleet.nix, &wanted);
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(lacks)) => {
            for lack in lacks {
                report::say(&words(&lack, prepared.place));
            }
        }
        Ok(Err(error)) => report::say(&format!(
            "warning: the binary cache was not looked at: {error:#}"
        )),
        Err(_) => report::say(&format!(
            "warning: the binary cache was not looked at: it takes longer than {} s",
            PATIENCE.as_secs()
        )),
    }
}

/// The hosts that are touched and use a cache; in the rehearsal stage only one on this machine.
fn wanted(prepared: &Prepared) -> preflight::Wanted<'_> {
    let inventory = &prepared.survey.inventory;
    let touched = prepared
        .plan
        .hosts
        .iter()
        .filter(|host| host.action.deploys());
    let clients = touched.filter_map(|host| {
        let client = inventory.hosts.get(&host.host)?.cache.as_ref()?;
        let asked = prepared.fleet.stage != Stage::Rehearsal || cache::is_here(&client.url);
        asked.then(|| (host.host.clone(), (client, host.new.clone())))
    });
    clients.collect()
}

fn words(lack: &preflight::Lack, place: Place) -> String {
    let hosts: Vec<&str> = lack.hosts.iter().map(HostName::as_str).collect();
    let hosts = hosts.join(", ");
    let effect = match (lack.fault, place) {
        (_, Place::Here) => String::new(),
        (Fault::Unreachable, Place::Away) => {
            format!("; {hosts} will wait for it, and get everything over ssh")
        }
        (_, Place::Away) => format!("; {hosts} will get that over ssh"),
    };
    format!(
        "warning: {}{effect}\n  try: {}",
        lack.message, lack.next_step
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_what_it_means_for_the_hosts() {
        let lack = |fault| preflight::Lack {
            hosts: ["A", "B"].map(HostName::known).into(),
            fault,
            message: "the binary cache http://c lacks 2 paths".to_owned(),
            next_step: "on the builder: cargo xtask cache push A B".to_owned(),
        };
        assert_eq!(
            words(&lack(Fault::Missing), Place::Away),
            "warning: the binary cache http://c lacks 2 paths; A, B will get that over ssh\n  \
             try: on the builder: cargo xtask cache push A B"
        );
        assert!(words(&lack(Fault::Unreachable), Place::Away).contains("will wait for it"));
        assert!(!words(&lack(Fault::Missing), Place::Here).contains("ssh"));
    }
}

//! Where the machines of a play are; `tests/machine/addresses.nix` says the same to their closures. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use harness::scenario::{Machine, Play};

use crate::failure::Failure;
use crate::fleet::inventory::Inventory;

/// Addresses that are nobody's in the inventory; `tests/machine` has the same.
const HELPERS: [(&str, &str); 4] = [
    ("controller", "192.168.0.240"),
    ("builder", "192.168.0.241"),
    ("attacker", "192.168.0.242"),
    ("client", "192.168.0.243"),
];
const WITHOUT_ADDRESS: &str = "192.168.0.99";

/// A machine has the address of its host in the inventory, so that closures are the same in every scenario; a helper
/// has its own.
pub fn addresses(play: &Play, inventory: &Inventory) -> BTreeMap<String, String> {
    let of = |name: &str, machine: &Machine| match machine {
        Machine::Host(machine) => of_host(&machine.host, inventory),
        // The language knows no other helpers.
        Machine::Helper => HELPERS
            .iter()
            .find(|(helper, _)| *helper == name)
            .map_or_else(String::new, |(_, address)| (*address).to_owned()),
    };
    let machines = play.machines.iter();
    machines
        .map(|(name, machine)| (name.clone(), of(name, machine)))
        .collect()
}

/// Hosts whose address is a name stand at the same one, in their closures too: there can be one of them in a play.
///
/// # Errors
/// Usage, naming the machines that would be at one address.
pub fn an_address_each<'a>(
    plays: impl IntoIterator<Item = &'a Play>,
    inventory: &Inventory,
) -> Result<(), Failure> {
    for play in plays {
        let mut at = BTreeMap::new();
        for (machine, address) in addresses(play, inventory) {
            if let Some(other) = at.insert(address.clone(), machine.clone()) {
                return Err(Failure::usage(format!(
                    "{}: the machines {other} and {machine} would both be at {address}",
                    play.file
                ))
                .try_next(format!(
                    "an IPv4 address as homelab.deploy.targetHost of {other}'s or of {machine}'s host"
                )));
            }
        }
    }
    Ok(())
}

pub fn of_host(host: &str, inventory: &Inventory) -> String {
    let known = inventory.hosts.iter();
    let entry = known.filter(|(name, _)| name.as_str() == host);
    let address = entry
        .filter_map(|(_, entry)| entry.target_host.clone())
        .next();
    address
        .filter(|address| address.parse::<Ipv4Addr>().is_ok())
        .unwrap_or_else(|| WITHOUT_ADDRESS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::samples::play;
    use super::*;

    fn inventory(address: &str) -> Inventory {
        let host = format!(r#"{{"name":"Niko","system":"x86_64-linux","targetHost":{address}}}"#);
        serde_json::from_str(&format!(
            r#"{{"version":1,"stage":"rehearsal","hostsDir":"hosts","hermetic":true,"hosts":{{"Niko":{host}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_machine_has_its_hosts_address_and_a_helper_its_own() {
        let mut play = play("one");
        let all = addresses(&play, &inventory(r#""192.168.0.31""#));
        assert_eq!(all["Niko"], "192.168.0.31");
        assert_eq!(all["client"], "192.168.0.243");
        an_address_each([&play], &inventory("null")).unwrap();
        for none in ["null", r#""niko.lan""#] {
            assert_eq!(addresses(&play, &inventory(none))["Niko"], WITHOUT_ADDRESS);
        }
        let mut nameless = play.machines["Niko"].clone();
        if let Machine::Host(host) = &mut nameless {
            host.host = "Other".to_owned();
        }
        play.machines.insert("Other".to_owned(), nameless);
        let error = an_address_each([&play], &inventory("null")).unwrap_err();
        let words = "the machines Niko and Other would both be at 192.168.0.99";
        assert!(error.to_string().ends_with(words), "{error}");
    }
}

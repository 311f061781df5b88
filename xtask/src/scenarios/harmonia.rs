//! Harmonia on the machine that serves the cache: it is in no registry, so that it comes from whoever plays. Without it the
//! same scenarios are played with nginx over an export of the store (nix/rehearsal/modules/harmonia.nix).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use harness::scenario::Machine;

use super::select::Choice;
use crate::failure::Failure;
use crate::fleet::inventory::Inventory;
use crate::report;

/// Its program, by which it is looked for.
const PROGRAM: &str = "harmonia-cache";

/// The program, if these plays have a machine for it; says whether it is there.
///
/// # Errors
/// Usage, if the one that was named cannot be read, or no guest could run it.
pub fn provide(
    named: Option<&Path>,
    choices: &[Choice],
    inventory: &Inventory,
) -> Result<Option<PathBuf>, Failure> {
    if !is_needed(choices, inventory) {
        return Ok(None);
    }
    let found = named
        .map(PathBuf::from)
        .or_else(|| which::which(PROGRAM).ok());
    let Some(file) = found else {
        report::say(&format!(
            "the cache is nginx over an export of the store: no {PROGRAM} on PATH, and no --harmonia PATH"
        ));
        return Ok(None);
    };
    let shown = file.display();
    let head = head(&file).map_err(|error| {
        Failure::usage(format!("cannot read {shown}: {error}"))
            .try_next(format!("--harmonia with the program {PROGRAM}"))
    })?;
    match unfit(&head) {
        None => {
            report::say(&format!("the cache is Harmonia: {shown}"));
            Ok(Some(file))
        }
        // One that nobody named is none that has to be taken.
        Some(why) if named.is_none() => {
            report::say(&format!(
                "the cache is nginx over an export of the store: {shown} {why}"
            ));
            Ok(None)
        }
        Some(why) => Err(Failure::usage(format!("{shown} {why}")).try_next(
            "one that was built on Debian: cargo build --release -p harmonia-cache in Harmonia's repository",
        )),
    }
}

fn is_needed(choices: &[Choice], inventory: &Inventory) -> bool {
    let plays = choices.iter().flat_map(|choice| &choice.plays);
    let mut machines = plays.flat_map(|play| play.machines.values());
    machines.any(|machine| {
        let Machine::Host(kind) = machine else {
            return false;
        };
        let mut hosts = inventory.hosts.values();
        hosts.any(|host| host.name.as_str() == kind.host && host.binary_cache.is_some())
    })
}

/// The first page of a program, in which the loader's path stands.
fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(4096).read_to_end(&mut head)?;
    Ok(head)
}

/// Why a Debian guest could not run the program that begins so.
fn unfit(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x7fELF") {
        return Some("is no program");
    }
    let in_store = head.windows(11).any(|window| window == b"/nix/store/");
    in_store.then_some("needs a store that guests have not got")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_cannot_run_is_told() {
        assert_eq!(unfit(b"#!/bin/sh\n"), Some("is no program"));
        assert_eq!(unfit(b"\x7fELF.../lib64/ld-linux-x86-64.so.2"), None);
        let of_nix = b"\x7fELF.../nix/store/abc-glibc/lib/ld-linux-x86-64.so.2";
        assert!(unfit(of_nix).unwrap().contains("store"));
        // This very test.
        let own = head(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(unfit(&own), None);
    }
}

//! The machine that this runs on as the host that is deployed: which one it is, and whether it may be.

use std::path::Path;

use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::process::Command;
pub use crate::tools::ssh::here::name;

/// What a system of the rehearsal stage says of itself, on the machine that runs it.
const INTERFACE: &str = "/run/current-system/init-interface-version";

/// What has to be deployed here is this machine's host and no other: another's configuration would take its place.
///
/// # Errors
/// Usage, if there are several, or this machine is another host of the fleet.
pub fn only(hosts: &[HostName], fleet: &[HostName]) -> Result<(), Failure> {
    one_of_us(hosts, fleet, &name())
}

fn one_of_us(hosts: &[HostName], fleet: &[HostName], here: &str) -> Result<(), Failure> {
    match hosts {
        [host] if host.as_str() == here => Ok(()),
        // A machine that is none of the fleet's yet may become any.
        [host] if fleet.iter().all(|other| other.as_str() != here) => {
            crate::report::say(&format!(
                "warning: this machine calls itself {here}, and becomes {host}"
            ));
            Ok(())
        }
        [host] => Err(Failure::usage(format!(
            "nothing is deployed: this machine is {here}, and what was asked for is {host}"
        ))
        .try_next(format!("--local {here}, or {host} without --local"))),
        _ => Err(Failure::usage(format!(
            "nothing is deployed: this machine is one host, and {} were asked for",
            hosts.len()
        ))
        .try_next("--local with the name of this machine's host")),
    }
}

/// Whether what this stage builds may be activated here, and root can be become.
///
/// # Errors
/// Usage, if the closures are stand-ins and the machine is a real one; missing, if sudo asks for a password.
pub async fn usable(stage: Stage) -> Result<(), Failure> {
    if stage == Stage::Rehearsal && !is_rehearsed(Path::new(INTERFACE)) {
        return Err(Failure::usage(
            "nothing is deployed: the rehearsal stage's closures are stand-ins, and this machine runs a system of its own",
        )
        .try_next("--stage nixos, or on a machine of cargo xtask vm start"));
    }
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let asked = Command::new("sudo").args(["-n", "true"]).capture().await;
    if asked.is_ok_and(|asked| asked.status.success()) {
        return Ok(());
    }
    Err(Failure::missing(
        "nothing is deployed: root activates a system, and sudo gives it to nobody without a password",
    )
    .try_next("the same as root"))
}

fn is_rehearsed(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.starts_with("rehearsal-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_the_fleet_becomes_no_other() {
        let names = |names: &[&str]| -> Vec<HostName> {
            names.iter().copied().map(HostName::known).collect()
        };
        let fleet = names(&["Niko", "Testing"]);
        let asked = |hosts: &[&str], here: &str| {
            one_of_us(&names(hosts), &fleet, here).map_err(|failure| failure.to_string())
        };
        assert_eq!(asked(&["Niko"], "Niko"), Ok(()));
        assert_eq!(asked(&["Niko"], "nixos"), Ok(()), "an installer's name");
        assert_eq!(
            asked(&["Niko"], "Testing").unwrap_err(),
            "nothing is deployed: this machine is Testing, and what was asked for is Niko"
        );
        assert!(asked(&["Niko", "Testing"], "Niko").is_err());
    }

    #[test]
    fn only_a_rehearsed_machine_takes_stand_ins() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("init-interface-version");
        assert!(!is_rehearsed(&file));
        for (text, rehearsed) in [("systemd 1", false), ("rehearsal-1", true)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(is_rehearsed(&file), rehearsed, "{text}");
        }
    }
}

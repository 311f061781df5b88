//! A new host: a copy of another host's folder with an address of its own.

mod edit;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::evaluate::apply::Wanted;
use crate::evaluate::{Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::host::{self, HostName};
use crate::fleet::inventory::Inventory;

/// What is asked for.
pub struct Request<'a> {
    pub name: &'a str,
    /// Where deployments reach the new host.
    pub address: &'a str,
    /// The host whose folder is copied.
    pub from: &'a str,
}

/// What was written.
pub struct Added {
    /// Relative to the fleet.
    pub file: PathBuf,
    pub known_to_git: bool,
}

/// Writes the folder and evaluates the new host; nothing is left behind if that fails.
///
/// # Errors
/// Usage, if the name or the address is not free or not valid; failed, if the copy does not evaluate to what was asked for.
pub async fn run(fleet: &Fleet, survey: &Survey, wanted: &Request<'_>) -> Result<Added> {
    let name = HostName::new(wanted.name)?;
    check_name(&name, &survey.names())?;
    check_address(wanted.address, &survey.inventory)?;
    let all = survey.names();
    let from = host::select(&all, &[wanted.from.to_owned()]).map_err(|failure| {
        let names: Vec<&str> = all.iter().map(HostName::as_str).collect();
        Failure::usage(failure.to_string()).try_next(format!("--from {}", names.join(", --from ")))
    })?;
    let root = fleet.folder().ok_or_else(|| {
        Failure::usage(format!(
            "cannot add a host to {}: it is not on this machine",
            fleet.flake.reference
        ))
        .try_next("--flake with a clone of it")
    })?;
    let hosts_dir = survey.inventory.hosts_dir.as_ref().ok_or_else(|| {
        Failure::usage(format!(
            "cannot add a host to {}: it does not make hosts of the folders in one place, as mkFleet does",
            root.display()
        ))
    })?;
    let template = root.join(hosts_dir).join(from.first().unwrap_or(&name));
    let folder = root.join(hosts_dir).join(&name);
    let file = Path::new(hosts_dir).join(&name).join("default.nix");
    if folder.exists() {
        let failure = Failure::usage(format!("{} is already there", folder.display()))
            .try_next("another name, or remove that folder");
        return Err(failure.into());
    }
    // An interrupt drops this before it is kept.
    let mut unfinished = Unfinished(Some(folder.clone()));
    if let Err(error) = write(&template, &folder, &name, wanted.address) {
        remove(&folder)?;
        return Err(error);
    }
    match check(fleet, &folder, &name, wanted.address).await {
        Ok(known_to_git) => {
            unfinished.0 = None;
            Ok(Added { file, known_to_git })
        }
        Err(error) => {
            remove(&folder)?;
            fleet.forget(&folder).await?;
            let context = format!("cannot add host {name} as a copy of {}", wanted.from);
            Err(error.context(context))
        }
    }
}

/// A new host's folder that goes again unless it is kept.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // Where the failure is told already, the folder is gone; an interrupt has nobody left to tell.
            let _ = remove(folder);
        }
    }
}

fn check_name(name: &HostName, all: &[HostName]) -> Result<(), Failure> {
    // Names on a network do not tell capitals apart, and nor do some file systems.
    match all
        .iter()
        .find(|host| host.as_str().eq_ignore_ascii_case(name.as_str()))
    {
        Some(other) => Err(
            Failure::usage(format!("the fleet has a host `{other}` already"))
                .try_next("another name, or edit the folder of that host"),
        ),
        None => Ok(()),
    }
}

fn check_address(address: &str, inventory: &Inventory) -> Result<(), Failure> {
    let label = |label: &str| HostName::new(label).is_ok();
    let numeric = |c: char| c.is_ascii_digit() || c == '.';
    // What looks like an IPv4 address has to be one: 192.168.0.300 is no name.
    let is_name = !address.chars().all(numeric) && address.split('.').all(label);
    if address.parse::<IpAddr>().is_err() && !is_name {
        return Err(Failure::usage(format!(
            "`{address}` is no address: neither an IP address nor a host name"
        ))
        .try_next("--address 192.168.0.40, or a name that DNS knows"));
    }
    let owner = inventory
        .hosts
        .values()
        .find(|host| host.target_host.as_deref() == Some(address));
    match owner {
        Some(host) => Err(Failure::usage(format!(
            "the address {address} belongs to host {}",
            host.name
        ))
        .try_next("a free address; `cargo xtask hosts` lists those in use")),
        None => Ok(()),
    }
}

fn write(template: &Path, folder: &Path, name: &HostName, address: &str) -> Result<()> {
    copy(template, folder)
        .with_context(|| format!("cannot copy {} to {}", template.display(), folder.display()))?;
    let file = folder.join("default.nix");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    std::fs::write(&file, edit::host(&text, name, address))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Evaluates the new host, and sees that it is what was asked for.
async fn check(fleet: &Fleet, folder: &Path, name: &HostName, address: &str) -> Result<bool> {
    let known_to_git = fleet.make_known(folder).await?;
    let wanted = Wanted {
        inventory: true,
        toplevel: true,
        ..Wanted::default()
    };
    let found = fleet
        .evaluate_hosts(std::slice::from_ref(name), wanted)
        .await?;
    if let Some(error) = found.failed.get(name) {
        let message = format!("it does not evaluate: {}", fleet.worded(error));
        return Err(fleet.failure(message).into());
    }
    let host = found
        .healthy
        .get(name)
        .and_then(|done| done.inventory.as_ref());
    let is_wanted = host.is_some_and(|host| {
        host.name == *name && host.deployable && host.target_host.as_deref() == Some(address)
    });
    if is_wanted {
        Ok(known_to_git)
    } else {
        Err(Failure::failed(format!(
            "where it sets homelab.deploy.targetHost and homelab.deploy.enable is not found in {}",
            folder.join("default.nix").display()
        ))
        .try_next("--from a host that sets them in its default.nix")
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::stage::Stage;

    fn inventory() -> Inventory {
        let host = r#"{"name":"Web","system":"x86_64-linux","targetHost":"192.168.0.5"}"#;
        Inventory {
            version: 1,
            stage: Stage::Rehearsal,
            hosts_dir: Some("hosts".to_owned()),
            hermetic: true,
            hosts: [(HostName::known("Web"), serde_json::from_str(host).unwrap())].into(),
        }
    }

    #[test]
    fn a_folder_that_is_not_kept_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("Web");
        for kept in [false, true] {
            std::fs::create_dir(&folder).unwrap();
            drop(Unfinished((!kept).then(|| folder.clone())));
            assert_eq!(folder.exists(), kept);
        }
    }

    #[test]
    fn a_name_is_taken_in_any_case() {
        let all = [HostName::known("Web")];
        let error = check_name(&HostName::known("web"), &all).unwrap_err();
        assert_eq!(error.to_string(), "the fleet has a host `Web` already");
        assert!(check_name(&HostName::known("Web2"), &all).is_ok());
    }

    #[test]
    fn an_address_is_an_ip_address_or_a_name_and_free() {
        for good in ["10.0.0.1", "fd00::1", "web.lan", "web"] {
            assert!(check_address(good, &inventory()).is_ok(), "{good}");
        }
        for bad in ["192.168.0.300", "10.0.0", "", "a b", "-x", "web..lan"] {
            assert!(check_address(bad, &inventory()).is_err(), "{bad}");
        }
        let error = check_address("192.168.0.5", &inventory()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the address 192.168.0.5 belongs to host Web"
        );
    }
}

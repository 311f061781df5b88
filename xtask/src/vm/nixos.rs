//! In the stage nixos a host's machine is NixOS's own: `system.build.vm`, a script that runs QEMU in the foreground.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::place::{Place, Port};
use super::start::Wanted;
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::process::Command;
use crate::report;

/// The script, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    program: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Runner {
    pub fn command(&self) -> Command {
        let command = Command::new(&self.program);
        self.env
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value))
    }
}

/// Builds it, and says how it is run.
///
/// # Errors
/// Usage, for what NixOS's own machine cannot do; failed, if it does not build.
pub(super) async fn build(fleet: &Fleet, place: &Place, wanted: &Wanted) -> Result<Runner> {
    let host = &wanted.host;
    if let Some(generation) = &wanted.generation {
        return Err(Failure::usage(format!(
            "no generation {generation} of {host} in the stage nixos: NixOS builds a machine of the host as it is configured"
        ))
        .try_next(format!("cargo xtask vm start {host} --stage rehearsal --generation {generation}"))
        .into());
    }
    place.make()?;
    report::say(&format!("{host}: building its machine"));
    let built = fleet
        .nix
        .build_attribute(&fleet.flake, fleet.stage, &attribute(host))
        .success()
        .await
        .with_context(|| format!("cannot build the machine of {host}"))?
        .text();
    let disk = place.dir().join("nixos.qcow2");
    if wanted.fresh && disk.exists() {
        std::fs::remove_file(&disk).with_context(|| format!("cannot remove {}", disk.display()))?;
    }
    let script = script(&Path::new(&built).join("bin"))?;
    Ok(plan(script, &disk, &wanted.forwards))
}

fn attribute(host: &str) -> String {
    format!("nixosConfigurations.\"{host}\".config.system.build.vm")
}

/// `run-NAME-vm`, whatever the host calls itself.
fn script(bin: &Path) -> Result<PathBuf> {
    let entries =
        std::fs::read_dir(bin).with_context(|| format!("cannot read {}", bin.display()))?;
    let is_script = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("run-") && name.ends_with("-vm"))
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(is_script)
        .with_context(|| format!("no script run-…-vm in {}", bin.display()))
}

/// NixOS's script reads its options from the environment. The console is this terminal.
fn plan(program: PathBuf, disk: &Path, forwards: &[Port]) -> Runner {
    let forwards: Vec<String> = forwards
        .iter()
        .map(|port| format!("hostfwd=tcp:127.0.0.1:{}-:{}", port.host, port.guest))
        .collect();
    let mut env = vec![
        ("NIX_DISK_IMAGE", disk.display().to_string()),
        ("QEMU_OPTS", "-nographic".to_owned()),
        ("QEMU_KERNEL_PARAMS", "console=ttyS0".to_owned()),
    ];
    if !forwards.is_empty() {
        env.push(("QEMU_NET_OPTS", forwards.join(",")));
    }
    Runner { program, env }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_told_its_disk_and_its_ports_on_loopback() {
        let port = |host, guest| Port { host, guest };
        let runner = plan(
            "/out/bin/run-Niko-vm".into(),
            Path::new("/held/nixos.qcow2"),
            &[port(8080, 80), port(8443, 443)],
        );
        assert_eq!(
            runner.env,
            [
                ("NIX_DISK_IMAGE", "/held/nixos.qcow2".to_owned()),
                ("QEMU_OPTS", "-nographic".to_owned()),
                ("QEMU_KERNEL_PARAMS", "console=ttyS0".to_owned()),
                (
                    "QEMU_NET_OPTS",
                    "hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:8443-:443".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn without_ports_qemu_is_told_of_none() {
        let runner = plan("/r".into(), Path::new("/d"), &[]);
        assert!(runner.env.iter().all(|(name, _)| *name != "QEMU_NET_OPTS"));
    }

    #[test]
    fn the_script_has_whatever_name_the_host_has() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["switch-to-configuration", "run-niko-vm"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        assert!(script(dir.path()).unwrap().ends_with("run-niko-vm"));
    }

    #[test]
    fn a_host_with_a_dot_in_its_name_is_one_attribute() {
        assert_eq!(
            attribute("web.lan"),
            "nixosConfigurations.\"web.lan\".config.system.build.vm"
        );
    }
}

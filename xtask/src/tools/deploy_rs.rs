//! deploy-rs: one host a call, prebuilt closures, and nothing evaluated but a file that says so.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::nix::Nix;
use crate::fleet::flake::folder_reference;
use crate::fleet::host::HostName;
use crate::fleet::inventory;
use crate::fleet::store_path::StorePath;
use crate::process::Command;

/// A node as deploy-rs reads it.
#[derive(Debug, Serialize)]
pub struct Node {
    #[serde(flatten)]
    pub settings: inventory::Node,
    pub profiles: Profiles,
}

#[derive(Debug, Serialize)]
pub struct Profiles {
    pub system: Profile,
}

/// Both are in the store: nothing is built.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub path: String,
    pub drv_path: String,
}

/// How deploy-rs is to activate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Switch,
    Boot,
    Test,
    /// Say what activating would do, and change nothing but the store.
    DryActivate,
}

const FLAKE: &str = "{\n  outputs = _: {\n    deploy.nodes = builtins.fromJSON (builtins.readFile ./nodes.json);\n  };\n}\n";

/// Writes a flake that is nothing but this node.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_flake(folder: &Path, host: &HostName, node: &Node) -> Result<()> {
    let nodes = std::collections::BTreeMap::from([(host.as_str(), node)]);
    let write = |name: &str, text: &[u8]| {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    write("flake.nix", FLAKE.as_bytes())?;
    write("nodes.json", &serde_json::to_vec(&nodes)?)
}

/// The file on the host whose removal confirms this profile's activation.
pub fn canary(profile: &StorePath) -> String {
    format!("/tmp/deploy-rs-canary-{}", profile.hash())
}

/// Deploys the node of a flake that `write_flake` wrote.
pub fn deploy(program: &Path, nix: &Nix, folder: &Path, host: &HostName, mode: Mode) -> Command {
    let command = Command::new(program).args(arguments(folder, host, mode));
    with_flakes(nix, command)
        .current_dir(folder)
        // What it leaves running on the host rolls back by itself.
        .grace(Duration::from_secs(2))
}

/// Deploys all nodes of a flake, as a person does who has nothing but deploy-rs.
pub fn deploy_all(program: &Path, nix: &Nix, folder: &Path) -> Command {
    let command = Command::new(program)
        .args(QUIET)
        .arg(folder)
        .args(["--", "--offline"]);
    with_flakes(nix, command)
}

/// It starts `nix` by name, and flakes may be off in the machine's configuration.
fn with_flakes(nix: &Nix, command: Command) -> Command {
    nix.for_children(command).env(
        "NIX_CONFIG",
        "extra-experimental-features = nix-command flakes",
    )
}

const QUIET: [&str; 3] = ["--skip-checks", "--no-progress", "--no-demarcate-output"];

fn arguments(folder: &Path, host: &HostName, mode: Mode) -> Vec<String> {
    let target = format!("{}#{host}", folder_reference(folder));
    let flag = match mode {
        Mode::Switch => None,
        Mode::Boot => Some("--boot".to_owned()),
        Mode::Test => Some("--test".to_owned()),
        Mode::DryActivate => Some("--dry-activate".to_owned()),
    };
    QUIET
        .map(str::to_owned)
        .into_iter()
        .chain(flag)
        .chain(["--targets".to_owned(), target])
        // For `nix eval` and `nix build`: all that they need is here.
        .chain(["--".to_owned(), "--offline".to_owned()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_concerns_one_host_and_checks_nothing() {
        let words = |mode| arguments(Path::new("/f"), &HostName::known("Web"), mode).join(" ");
        assert_eq!(
            words(Mode::Test),
            "--skip-checks --no-progress --no-demarcate-output --test --targets path:/f#Web -- --offline"
        );
        assert!(words(Mode::Boot).contains("--boot"));
        assert!(words(Mode::DryActivate).contains("--dry-activate"));
        assert!(!words(Mode::Switch).contains("--test"));
    }
}

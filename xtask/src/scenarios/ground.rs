//! What plays stand on in the rehearsal stage: the harness, the guest image, the closures, and a controller with
//! deploy-rs and this program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::scenario::{Controller, Ground, Machine, Nix, Play, Trust};
use harness::{Accelerator, Harness, Image, Model, Options, Speed, Tools};

use super::generations::Generations;
use super::{controller, image};
use crate::cli::{Accel, Global};
use crate::evaluate::Fleet;
use crate::failure::{Exit, Failure};
use crate::fleet::inventory::Inventory;
use crate::setup;

/// Addresses that are nobody's in the inventory; `tests/machine` has the same.
const HELPERS: [(&str, &str); 4] = [
    ("controller", "192.168.0.240"),
    ("builder", "192.168.0.241"),
    ("attacker", "192.168.0.242"),
    ("client", "192.168.0.243"),
];
const WITHOUT_ADDRESS: &str = "192.168.0.99";

/// The public half of the key that signed what a machine was installed with; the generation `guard` trusts it.
pub const INSTALLED_KEY: &str = "/etc/slipway-test/installed-key";

/// The tools of a rehearsal, installed if they were missing.
#[derive(Debug, Clone)]
pub struct Provisions {
    vm: PathBuf,
    deploy: PathBuf,
    activate: Vec<u8>,
}

impl Provisions {
    /// # Errors
    /// Missing, if something is not here and may or can not be installed.
    pub async fn provide(global: &Global) -> Result<Self> {
        let vm = setup::vm(global).await?;
        let deploy = setup::deploy_rs(global).await?;
        let program = deploy.with_file_name("activate");
        let activate = std::fs::read(&program).map_err(|error| {
            Failure::missing(format!(
                "the guests need deploy-rs' `activate`, and {}: {error}",
                program.display()
            ))
            .try_next("cargo xtask setup deploy-rs, without another deploy-rs on PATH")
        })?;
        Ok(Self {
            vm,
            deploy,
            activate,
        })
    }

    /// deploy-rs' program of this name, which guests have.
    pub fn activate(&self) -> PathBuf {
        self.deploy.with_file_name("activate")
    }

    /// Opens the harness.
    ///
    /// # Errors
    /// Missing, if a tool is too old or its folder is incomplete.
    pub fn harness(&self, cache: &Path, options: HarnessOptions) -> Result<Harness> {
        open(&self.vm, cache, options)
    }

    /// The image of all plays, and how fast machines of it run; made now if need be, which takes a minute.
    ///
    /// # Errors
    /// Missing, without space or network.
    pub fn image(&self, harness: &Harness) -> Result<(Image, Speed)> {
        let recipe = image::recipe(self.activate.clone());
        let image = harness.image(&recipe).map_err(worded)?;
        let speed = harness.speed(&image).map_err(worded)?;
        Ok((image, speed))
    }
}

/// The harness with the tools in this folder, unpacked as Debian has them.
///
/// # Errors
/// Missing, if a tool is too old or the folder is incomplete.
pub fn open(tools: &Path, cache: &Path, options: HarnessOptions) -> Result<Harness> {
    let options = Options {
        tools: Tools::debian(tools),
        cache: cache.to_owned(),
        accelerator: options.accelerator,
        timeout_scale: options.timeout_scale,
        progress: options.progress,
    };
    Ok(Harness::open(options).map_err(worded)?)
}

pub fn accelerator(wanted: Accel) -> harness::Wanted {
    match wanted {
        Accel::Auto => harness::Wanted::Auto,
        Accel::Kvm => harness::Wanted::Kvm,
        Accel::Tcg => harness::Wanted::Tcg,
    }
}

/// What a person decides about the harness.
pub struct HarnessOptions {
    pub accelerator: harness::Wanted,
    pub timeout_scale: f64,
    pub progress: harness::Progress,
}

/// What is missing on this machine exits 69.
pub fn exit_of(kind: harness::ErrorKind) -> Exit {
    use harness::ErrorKind::{Download, NoSpace, ToolMissing, ToolTooOld};
    match kind {
        ToolMissing | ToolTooOld | NoSpace | Download => Exit::Missing,
        _ => Exit::Failed,
    }
}

/// The harness's error as one of ours.
pub fn worded(error: harness::Error) -> Failure {
    let failure = Failure::new(exit_of(error.kind()), error.to_string());
    match error.next_step() {
        Some(next_step) => failure.try_next(next_step),
        None => failure,
    }
}

pub fn accelerator_word(accelerator: Accelerator) -> String {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
    .to_owned()
}

/// What all plays of a run share.
#[derive(Debug)]
pub struct Shared {
    pub image: Image,
    pub generations: Generations,
    pub inventory: Inventory,
    controller: Controller,
    nix: Nix,
}

impl Shared {
    /// # Errors
    /// If this program cannot be found.
    pub fn new(
        fleet: &Fleet,
        provisions: &Provisions,
        image: Image,
        generations: Generations,
        inventory: Inventory,
    ) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this program itself")?;
        let programs: BTreeMap<String, PathBuf> = [
            ("deploy".to_owned(), provisions.deploy.clone()),
            ("xtask".to_owned(), own),
        ]
        .into();
        let controller = Controller {
            programs,
            path: ["/usr/local/bin", "/usr/bin", "/bin"]
                .map(PathBuf::from)
                .into(),
            env: BTreeMap::new(),
            signing_key_variable: "LOCAL_KEY".to_owned(),
            signer_key_variable: "RELEASE_KEY".to_owned(),
            files: controller::files,
        };
        let bin = fleet.nix.program().parent().unwrap_or(Path::new("/"));
        let nix = Nix {
            bin: bin.to_owned(),
            conf_dir: fleet.nix.conf_dir().map(Path::to_owned),
        };
        Ok(Self {
            image,
            generations,
            inventory,
            controller,
            nix,
        })
    }

    /// What one play stands on.
    pub fn ground(&self, play: &Play) -> Ground {
        Ground {
            image: self.image.clone(),
            model: Model::default(),
            closures: self.generations.closures(play),
            addresses: addresses(play, &self.inventory),
            controller: self.controller.clone(),
            trust: trust(),
            nix: self.nix.clone(),
        }
    }
}

/// As `tests/machine` and the generation `guard` have hosts' machines trust the keys of a play.
fn trust() -> Trust {
    let files = [
        ("authorized_keys/deploy", "{{ssh-key}}"),
        ("authorized_keys/operator", "{{ssh-key}}"),
        ("nix.conf", "extra-trusted-public-keys = {{nix-key}}"),
        ("trusted-keys", "{{nix-key}}"),
        (
            "allowed_signers",
            "play namespaces=\"slipway-release@v1\" {{signer-key}}",
        ),
    ];
    let folder = "/etc/slipway-test";
    Trust {
        user: "deploy".to_owned(),
        files: files
            .into_iter()
            .map(|(file, text)| (format!("{folder}/{file}"), text.to_owned()))
            .collect(),
        installed_key: INSTALLED_KEY.to_owned(),
    }
}

/// A machine has the address of its host in the inventory, so that closures are the same in every scenario.
fn addresses(play: &Play, inventory: &Inventory) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut spare = (200..240).map(|last| format!("192.168.0.{last}"));
    let of = |name: &str, machine: &Machine| match machine {
        Machine::Host(machine) => of_host(&machine.host, inventory),
        Machine::Helper => HELPERS
            .iter()
            .find(|(helper, _)| *helper == name)
            .map_or_else(String::new, |(_, address)| (*address).to_owned()),
    };
    let mut addresses = BTreeMap::new();
    for (name, machine) in &play.machines {
        let mut address = of(name, machine);
        // A second machine of the same host, or a helper of another name.
        if address.is_empty() || !taken.insert(address.clone()) {
            address = spare
                .find(|address| !taken.contains(address))
                .unwrap_or(address);
            taken.insert(address.clone());
        }
        addresses.insert(name.clone(), address);
    }
    addresses
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
        let again = play.machines["Niko"].clone();
        play.machines.insert("Second".to_owned(), again);
        let all = addresses(&play, &inventory(r#""192.168.0.31""#));
        assert_eq!(all["Niko"], "192.168.0.31");
        assert_eq!(all["client"], "192.168.0.243");
        assert_eq!(all["Second"], "192.168.0.200");
        for none in ["null", r#""niko.lan""#] {
            assert_eq!(addresses(&play, &inventory(none))["Niko"], WITHOUT_ADDRESS);
        }
    }

    #[test]
    fn what_is_missing_here_exits_69() {
        let error = |kind| worded(harness::Error::new(kind, "x").try_next("y"));
        let exit = |kind| crate::failure::exit_of(&error(kind).into());
        assert_eq!(exit(harness::ErrorKind::ToolTooOld), Exit::Missing);
        assert_eq!(exit(harness::ErrorKind::NoSpace), Exit::Missing);
        assert_eq!(exit(harness::ErrorKind::TimedOut), Exit::Failed);
        assert_eq!(error(harness::ErrorKind::Io).next_step(), Some("y"));
    }
}

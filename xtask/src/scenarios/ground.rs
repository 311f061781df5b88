//! What plays stand on in the rehearsal stage: the harness, the guest image, the closures, and a controller with
//! deploy-rs and this program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::scenario::{Controller, Ground, Nix, Play, Trust};
use harness::{Accelerator, Harness, Image, Model, Options, Speed, Tools};

use super::addresses::addresses;
use super::controller;
use super::generations::Generations;
use super::image::Programs;
use crate::cli::{Accel, Global};
use crate::evaluate::Fleet;
use crate::failure::{Exit, Failure};
use crate::fleet::inventory::Inventory;
use crate::process::own;
use crate::setup;

/// The public half of the key that signed what a machine was installed with; the generation `guard` trusts it.
pub const INSTALLED_KEY: &str = "/etc/slipway-test/installed-key";

/// The tools of a rehearsal, installed if they were missing.
#[derive(Debug, Clone)]
pub struct Provisions {
    vm: PathBuf,
    deploy: PathBuf,
    /// Those that guests have.
    pub of_image: Programs,
}

impl Provisions {
    /// # Errors
    /// Missing, if something is not here and may or can not be installed.
    pub async fn provide(global: &Global) -> Result<Self> {
        let vm = setup::vm(global).await?;
        let deploy = setup::deploy_rs(global).await?;
        let activate = deploy.with_file_name("activate");
        if !activate.is_file() {
            return Err(Failure::missing(format!(
                "the guests need deploy-rs' `activate`, and there is no {}",
                activate.display()
            ))
            .try_next("cargo xtask setup deploy-rs, without another deploy-rs on PATH")
            .into());
        }
        let sops = setup::sops(global).await?;
        Ok(Self {
            vm,
            deploy,
            of_image: Programs {
                activate,
                sops,
                harmonia: None,
            },
        })
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
        let recipe = self.of_image.recipe().map_err(worded)?;
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
    use harness::ErrorKind::{Download, NoKvm, NoSpace, ToolMissing, ToolTooOld};
    match kind {
        ToolMissing | ToolTooOld | NoKvm | NoSpace | Download => Exit::Missing,
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
    pub fn new(
        fleet: &Fleet,
        provisions: &Provisions,
        image: Image,
        generations: Generations,
        inventory: Inventory,
    ) -> Self {
        let programs: BTreeMap<String, PathBuf> = [
            ("deploy".to_owned(), provisions.deploy.clone()),
            ("sops".to_owned(), provisions.of_image.sops.clone()),
            ("xtask".to_owned(), own::program()),
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
        Self {
            image,
            generations,
            inventory,
            controller,
            nix,
        }
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
pub fn trust() -> Trust {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_here_exits_69() {
        let error = |kind| worded(harness::Error::new(kind, "x").try_next("y"));
        let exit = |kind| crate::failure::exit_of(&error(kind).into());
        assert_eq!(exit(harness::ErrorKind::ToolTooOld), Exit::Missing);
        assert_eq!(exit(harness::ErrorKind::NoKvm), Exit::Missing);
        assert_eq!(exit(harness::ErrorKind::NoSpace), Exit::Missing);
        assert_eq!(exit(harness::ErrorKind::TimedOut), Exit::Failed);
        assert_eq!(error(harness::ErrorKind::Io).next_step(), Some("y"));
    }
}

//! What a play stands on, all of it handed in: the image, the closures of its generations, the controller's programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::image::Image;
use crate::qemu::Model;
use crate::scenario::GenerationOf;

/// What machines and controller of a play are made of.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Of every machine, helpers too.
    pub image: Image,
    pub model: Model,
    /// Of every generation of every host's machine of the play, by the play's names. A control's `swap` is applied by
    /// the player.
    pub closures: Closures,
    /// Of every machine, without prefix length.
    pub addresses: BTreeMap<String, String>,
    pub controller: Controller,
    pub trust: Trust,
    pub nix: Nix,
}

/// How hosts' machines come to trust the keys of a play: their configuration reads these files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Whom `reachable` logs in as.
    pub user: String,
    /// What is written where, with the public halves of the play's keys in it: `{{ssh-key}}` logs in from the
    /// controller, `{{nix-key}}` signs what is deployed, `{{signer-key}}` (of ssh, too) signs whatever else is to be.
    pub files: BTreeMap<String, String>,
    /// Where an installation leaves the public half of the key that signed what it brought.
    pub installed_key: String,
}

pub type Closures = BTreeMap<GenerationOf, Closure>;

/// A generation, built; all paths are in the store of `Ground::nix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// What runs.
    pub toplevel: PathBuf,
    /// What a deployment copies; contains the toplevel's files as links.
    pub profile: PathBuf,
    /// What the controller is told of the host, as JSON.
    pub host: String,
}

/// Where deployments are started: a folder on this host, with a home, an environment and a store of its own.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Put on PATH under these names, before the folders of `path`.
    pub programs: BTreeMap<String, PathBuf>,
    /// Folders of PATH, behind the player's own `ssh` and Nix.
    pub path: Vec<PathBuf>,
    /// Besides HOME, PATH, and what Nix needs.
    pub env: BTreeMap<String, String>,
    /// The variable that names the file with the play's key for Nix.
    pub signing_key_variable: String,
    /// The variable that names the file with the play's key of ssh for other signatures.
    pub signer_key_variable: String,
    /// What lies in the working folder, relative to it; given the closures as the play means them.
    pub files: fn(&Closures) -> BTreeMap<PathBuf, String>,
}

/// The Nix of this host.
#[derive(Debug, Clone)]
pub struct Nix {
    /// The folder with `nix`, `nix-store` and their like.
    pub bin: PathBuf,
    /// NIX_CONF_DIR, if it has one of its own.
    pub conf_dir: Option<PathBuf>,
}

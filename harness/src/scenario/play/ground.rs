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
    /// Who logs in from the controller; the first is whom `reachable` asks for.
    pub users: Vec<String>,
    /// Has a file for each of them.
    pub authorized_keys: String,
    /// Included by nix.conf.
    pub nix_conf: String,
}

pub type Closures = BTreeMap<GenerationOf, Closure>;

/// A generation, built; all paths are in the store of `Ground::nix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// What runs.
    pub toplevel: PathBuf,
    /// What a deployment copies; contains the toplevel's files as links.
    pub profile: PathBuf,
    /// Data of the host's node, as JSON, without its profiles.
    pub node: String,
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
    /// The variable that names the file with the play's signing key.
    pub signing_key_variable: String,
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

//! The two stages: the locked inputs, or this repository's stand-ins for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where nixpkgs, deploy-rs and sops-nix come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The inputs that `flake.lock` names.
    Nixos,
    /// The stand-ins under `nix/rehearsal`; never deployed to a real host.
    Rehearsal,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nixos => "nixos",
            Self::Rehearsal => "rehearsal",
        })
    }
}

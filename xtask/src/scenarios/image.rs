//! The guest image of the fleet's machines in the rehearsal stage: Debian with what the stand-in's configurations expect
//! of it (`nix/rehearsal/README.md`). One image for all scenarios and for `vm start`.

use std::path::PathBuf;

use harness::Recipe;
use serde::{Deserialize, Serialize};

/// What configurations of the fleet find on a Debian guest: programs of their services, of activation and of tests.
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "jq",
    "nftables",
    "nginx-light",
    "nix-bin",
    "openssl",
    "perl",
    "prometheus-node-exporter",
    "systemd-timesyncd",
];

/// Debian starts them on its own; here a configuration says whether they run.
const DISABLED: &[&str] = &[
    "nftables.service",
    "nginx.service",
    "prometheus-node-exporter.service",
    "systemd-timesyncd.service",
];

/// Programs of the image that Debian does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// deploy-rs' program of this name.
    pub activate: PathBuf,
    /// With which a machine decrypts its secrets.
    pub sops: PathBuf,
    /// What serves the cache, where there is one.
    pub harmonia: Option<PathBuf>,
}

impl Programs {
    /// The image's recipe.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn recipe(&self) -> harness::Result<Recipe> {
        let read = |file: &PathBuf| {
            std::fs::read(file).map_err(|error| harness::Error::io("read", file, error))
        };
        let harmonia = self.harmonia.as_ref().map(read).transpose()?;
        Ok(recipe(read(&self.activate)?, read(&self.sops)?, harmonia))
    }
}

fn recipe(activate: Vec<u8>, sops: Vec<u8>, harmonia: Option<Vec<u8>>) -> Recipe {
    let mut recipe = Recipe::debian_13()
        .packages(PACKAGES.iter().copied())
        .file("/usr/bin/activate-rs", 0o755, activate)
        .file("/usr/bin/sops", 0o755, sops)
        // Without this file a configuration refuses to touch the machine; each boot entry gets these parameters.
        .file(
            "/etc/slipway-rehearsal-guest",
            0o644,
            format!("kernel-params={}\n", harness::kernel_options()),
        );
    if let Some(harmonia) = harmonia {
        recipe = recipe.file("/usr/bin/harmonia-cache", 0o755, harmonia);
    }
    Recipe {
        disable: DISABLED.iter().map(|unit| (*unit).to_owned()).collect(),
        ..recipe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_another_one_when_a_program_is() {
        let hash = |activate: &[u8], sops: &[u8], harmonia| {
            recipe(activate.to_vec(), sops.to_vec(), harmonia).hash()
        };
        assert_ne!(hash(b"1", b"1", None), hash(b"2", b"1", None));
        assert_ne!(hash(b"1", b"1", None), hash(b"1", b"2", None));
        assert_ne!(
            hash(b"1", b"1", None),
            hash(b"1", b"1", Some(b"3".to_vec()))
        );
    }

    #[test]
    fn boot_entries_find_the_root() {
        let recipe = recipe(Vec::new(), Vec::new(), None);
        let marker = recipe
            .files
            .iter()
            .find(|file| file.path == "/etc/slipway-rehearsal-guest")
            .unwrap();
        let text = String::from_utf8_lossy(&marker.content);
        assert!(text.starts_with("kernel-params=root=/dev/vda2 "), "{text}");
    }
}

//! The guest image of the fleet's machines in the rehearsal stage: Debian with what the stand-in's configurations expect
//! of it (`nix/rehearsal/README.md`). One image for all scenarios and for `vm start`.

use harness::Recipe;

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

/// The image's recipe; `activate` is the content of deploy-rs' program of this name, `harmonia` that of Harmonia's, which
/// is in no Debian.
pub fn recipe(activate: Vec<u8>, harmonia: Option<Vec<u8>>) -> Recipe {
    let mut recipe = Recipe::debian_13()
        .packages(PACKAGES.iter().copied())
        .file("/usr/bin/activate-rs", 0o755, activate)
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
    fn the_image_is_another_one_when_activate_is() {
        let with = |activate: &[u8], harmonia| recipe(activate.to_vec(), harmonia).hash();
        assert_ne!(with(b"1", None), with(b"2", None));
        assert_ne!(with(b"1", None), with(b"1", Some(b"3".to_vec())));
    }

    #[test]
    fn boot_entries_find_the_root() {
        let recipe = recipe(Vec::new(), None);
        let marker = recipe
            .files
            .iter()
            .find(|file| file.path == "/etc/slipway-rehearsal-guest")
            .unwrap();
        let text = String::from_utf8_lossy(&marker.content);
        assert!(text.starts_with("kernel-params=root=/dev/vda2 "), "{text}");
    }
}

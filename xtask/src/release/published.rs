//! Where hosts that upgrade themselves find their newest release: a file for each, so that a test of one host does not
//! hide from the others what they are to have.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use guard::release::{Release, SignedRelease};

use crate::whole_file;

/// Puts it into the folder for each host that it names; whoever serves the folder may read it.
///
/// # Errors
/// If it cannot be written.
pub fn publish(folder: &Path, signed: &SignedRelease) -> Result<()> {
    let wire = signed.to_wire()?;
    for host in Release::parse(&signed.release)?.hosts.keys() {
        let file = folder.join(format!("{host}.json"));
        whole_file::write(&file, &wire)
            .and_then(|()| std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)))
            .with_context(|| format!("cannot publish the release at {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(counter: u64, hosts: &[&str]) -> SignedRelease {
        let host = |name: &&str| {
            let path =
                |what: &str| format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{what}{name}");
            let host = serde_json::json!({ "toplevel": path(""), "profile": path("activatable-"), "action": { "kind": "switch" } });
            ((*name).to_owned(), host)
        };
        let hosts: serde_json::Map<String, serde_json::Value> = hosts.iter().map(host).collect();
        let release = serde_json::json!({
            "document": "slipway-release", "version": 1, "commit": "0".repeat(40), "counter": counter,
            "made": "2026-11-21T00:00:00Z", "expires": "2026-11-28T00:00:00Z", "hosts": hosts,
        });
        SignedRelease {
            release: release.to_string(),
            signature: String::new(),
        }
    }

    #[test]
    fn each_host_finds_the_newest_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("releases");
        let (main, test) = (signed(1, &["Niko", "Testing"]), signed(2, &["Testing"]));
        publish(&folder, &main).unwrap();
        publish(&folder, &test).unwrap();
        let found = |host: &str| {
            let bytes = std::fs::read(folder.join(format!("{host}.json"))).unwrap();
            SignedRelease::from_wire(&bytes).unwrap()
        };
        assert_eq!(found("Niko"), main);
        assert_eq!(found("Testing"), test);
        let mode = std::fs::metadata(folder.join("Niko.json"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o644);
    }
}

//! Releases, as the signer makes them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use guard::release::{
    Action, ActionKind, Document, HostRelease, Release, SignedRelease, NAMESPACE, VERSION,
};
use guard::time::Time;

use super::host::Host;
use super::PLACE;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// For the host Niko.
pub fn release(host: &Host, counter: u64, name: &str, kind: ActionKind) -> Release {
    let now = Time::now();
    let named = HostRelease {
        toplevel: host.toplevel(name),
        profile: host.profile(name),
        action: Action {
            kind,
            lease_seconds: None,
        },
        removes_guard: false,
    };
    Release {
        document: Document::Release,
        version: VERSION,
        commit: COMMIT.to_owned(),
        counter,
        made: now,
        expires: now.plus(Duration::from_secs(3600)),
        hosts: BTreeMap::from([("Niko".to_owned(), named)]),
    }
}

pub fn sign(release: &Release) -> SignedRelease {
    sign_text("signer", NAMESPACE, &release.to_text().unwrap())
}

pub fn sign_text(key: &str, namespace: &str, text: &str) -> SignedRelease {
    let file = format!("{PLACE}/to-sign");
    std::fs::write(&file, text).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .args([format!("{PLACE}/keys/{key}"), file.clone()])
        .status();
    assert!(signed.unwrap().success());
    let armored = format!("{file}.sig");
    let signature = std::fs::read_to_string(&armored).unwrap();
    std::fs::remove_file(armored).unwrap();
    SignedRelease {
        release: text.to_owned(),
        signature,
    }
}

//! A report that the tests of this folder share.

use super::outcome::{Committed, HostUpdate, Report};
use crate::build::outcome::Outcome;
use crate::deploy::plan::Reboot;
use crate::diff::closure::tests::example;
use crate::fleet::host::HostName;
use crate::fleet::lock::Lock;
use crate::fleet::stage::Stage;

fn lock(revision: char, modified: u64) -> Lock {
    let revision = revision.to_string().repeat(40);
    let text = format!(
        r#"{{"root":"root","version":7,"nodes":{{"root":{{"inputs":{{"nixpkgs":"nixpkgs"}}}},
        "nixpkgs":{{"locked":{{"type":"github","owner":"NixOS","repo":"nixpkgs",
        "rev":"{revision}","lastModified":{modified},"narHash":"sha256-{revision}"}}}}}}}}"#
    );
    Lock::parse(&text).unwrap()
}

/// Web changes and is to reboot, Base stays as it is.
pub fn report() -> Report {
    let diff = example();
    let host = |name: &str| HostUpdate {
        host: HostName::known(name),
        outcome: Outcome::AlreadyBuilt,
        error: None,
        old: Some(diff.old.clone()),
        new: Some(diff.old.clone()),
        diff: None,
        reboot: Reboot::NotDue,
    };
    Report {
        version: 1,
        stage: Stage::Nixos,
        base: "0123456789".repeat(4),
        asked: vec!["nixpkgs".to_owned()],
        inputs: lock('c', 1_787_042_014).changes(&lock('d', 1_788_042_014)),
        replaced: Vec::new(),
        new_sources: Vec::new(),
        hosts: vec![
            host("Base"),
            HostUpdate {
                outcome: Outcome::Built,
                new: Some(diff.new.clone()),
                diff: Some(diff.clone()),
                reboot: Reboot::Due {
                    why: ["kernel", "kernel-parameters", "dbus changes"]
                        .map(str::to_owned)
                        .into(),
                },
                ..host("Web")
            },
        ],
        commit: Some(Committed {
            branch: "update-inputs".to_owned(),
            id: "9876543210".repeat(4),
            signed: true,
        }),
        pull_request: None,
    }
}

/// The same, and nothing speaks against it.
pub fn harmless() -> Report {
    let mut report = report();
    for host in &mut report.hosts {
        host.reboot = Reboot::NotDue;
    }
    report
}

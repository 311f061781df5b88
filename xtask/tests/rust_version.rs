//! The oldest rustc that the README names is the oldest that the locked dependencies accept.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    rust_version: Option<String>,
}

impl Package {
    fn oldest(&self) -> (u32, u32) {
        let text = self.rust_version.as_deref().unwrap_or("0.0");
        let mut numbers = text.split('.').map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap_or(0))
    }
}

#[test]
fn no_locked_dependency_needs_a_newer_rustc_than_ours() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(support::repository())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let (own, foreign): (Vec<&Package>, Vec<&Package>) = metadata
        .packages
        .iter()
        .partition(|package| metadata.workspace_members.contains(&package.id));
    let newest = foreign
        .iter()
        .max_by_key(|package| package.oldest())
        .unwrap();
    for package in own {
        assert_eq!(
            package.oldest(),
            newest.oldest(),
            "rust-version of {}, against that of {}",
            package.name,
            newest.name
        );
    }
}

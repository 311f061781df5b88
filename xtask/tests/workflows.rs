//! What workflows ask of xtask: the matrix, which must be the fleet, and the report.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use std::collections::BTreeSet;

use fleet::{downstream, with_filters, Fleet};
use insta::assert_snapshot;
use support::{nix, repository, transcript};

#[test]
fn the_matrix_is_the_fleet() {
    let Some(nix) = nix() else { return };
    let Some(fleet) = Fleet::of_this_repository() else {
        return;
    };
    let outputs = fleet.cache().join("outputs");
    std::fs::write(&outputs, "before=1\n").unwrap();
    let output = fleet
        .command(&nix, &["matrix"])
        .env("GITHUB_OUTPUT", &outputs)
        // What a rehearsed host runs is compiled, here as often as the sources change.
        .env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let matrix = fleet::document(&output);
    let legs = matrix["include"].as_array().unwrap();
    let names: BTreeSet<String> = legs
        .iter()
        .map(|leg| leg["host"].as_str().unwrap().to_owned())
        .collect();
    let folders: BTreeSet<String> = std::fs::read_dir(repository().join("hosts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("default.nix").exists())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, folders);
    assert!(legs
        .iter()
        .all(|leg| leg["runner"] == "nix" && leg["system"] == "x86_64-linux"));
    let written = std::fs::read_to_string(&outputs).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = format!("before=1\nmatrix={printed}hosts={}\n", folders.len());
    assert_eq!(written, expected);
}

/// As Forgejo reads a line: a backslash keeps what follows it, and the expression is one over the whole path.
fn owners_pattern(line: &str) -> Option<regex::Regex> {
    let mut pattern = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => pattern.extend(chars.next()),
            '#' | ' ' => break,
            c => pattern.push(c),
        }
    }
    (!pattern.is_empty()).then(|| regex::Regex::new(&format!("^{pattern}$")).unwrap())
}

#[test]
fn every_rule_of_owners_is_about_a_file() {
    let Some(fleet) = Fleet::of_this_repository() else {
        return;
    };
    let files = fleet.git(&["ls-files"]);
    let owners = fleet.read(".forgejo/CODEOWNERS");
    let patterns: Vec<regex::Regex> = owners.lines().filter_map(owners_pattern).collect();
    assert!(patterns.len() > 3);
    // In Forgejo's documentation one is kept, in its code it takes the next character out of the expression.
    let rules = owners.lines().filter(|line| !line.starts_with('#'));
    assert!(rules.clone().count() > 3 && !rules.clone().any(|it| it.contains('\\')));
    let owned = |file: &str| patterns.iter().any(|it| it.is_match(file));
    for pattern in &patterns {
        assert!(files.lines().any(|it| pattern.is_match(it)), "{pattern}");
    }
    assert!(owned(".forgejo/workflows/update.yml") && owned("guard/src/door.rs"));
    // An update merges itself.
    assert!(!owned("flake.lock") && !owned("xforgejo/x"));
}

#[test]
fn a_fleet_without_hosts_is_no_empty_matrix() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    std::fs::remove_dir_all(fleet.path().join("hosts/Web")).unwrap();
    std::fs::remove_dir_all(fleet.path().join("hosts/Base")).unwrap();
    fleet.write("hosts/README.md", "None yet.\n");
    fleet.commit();
    let outputs = fleet.cache().join("outputs");
    let output = fleet
        .command(&nix, &["matrix", "--output"])
        .arg(&outputs)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
    // The step fails, and no job goes on with what is not there.
    assert!(!outputs.exists());
}

#[test]
fn a_report_says_what_changes_and_where_it_was_not_posted() {
    let Some(nix) = nix() else { return };
    let fleet = downstream();
    fleet.git(&["switch", "--quiet", "--create", "feature"]);
    fleet.write("hosts/Web/default.nix", fleet::AFTER);
    fleet.commit();
    let output = fleet
        .command(&nix, &["report", "--against", "main", "--post"])
        .env_remove("GITHUB_EVENT_PATH")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    let mut filters = fleet.filters();
    filters.push((
        r"\d+\.\d (KiB|MiB|GiB)|\d+ B".to_owned(),
        "[SIZE]".to_owned(),
    ));
    // What is told of the builds has times, and comes in any order.
    let stdout = String::from_utf8_lossy(&output.stdout);
    with_filters(&filters, || assert_snapshot!(stdout));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.ends_with("not posted: GITHUB_EVENT_PATH is not set\n"),
        "{stderr}"
    );
}

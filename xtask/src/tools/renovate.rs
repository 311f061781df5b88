//! Renovate's validator of its configuration, as npm has it: node runs it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::Command;

/// A line of its log.
#[derive(Debug, Deserialize)]
struct Line {
    /// 40 is a warning, 50 an error.
    level: u8,
    msg: String,
    #[serde(default)]
    errors: Vec<Problem>,
    #[serde(default)]
    warnings: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
struct Problem {
    message: String,
}

/// What is wrong in a repository's configuration; `folder` is where the package was installed.
///
/// # Errors
/// If node cannot be started.
pub async fn findings(folder: &Path, file: &Path) -> Result<Vec<String>> {
    let program = folder.join("node_modules/renovate/dist/config-validator.js");
    let output = Command::new("node")
        .arg(program)
        .args(["--strict", "--no-global"])
        .arg(file)
        .env("LOG_FORMAT", "json")
        .timeout(Duration::from_secs(120))
        .capture()
        .await
        .context("cannot run Renovate's validator")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let found = parse(&output.text());
    Ok(if found.is_empty() {
        vec![format!(
            "the validator {}: {}",
            output.status,
            output.last_lines(5)
        )]
    } else {
        found
    })
}

/// What it names; where it names nothing, what it complains of at all.
fn parse(log: &str) -> Vec<String> {
    // npm runs nothing of a package, and so the regular expressions of another engine are not built. Node's will do.
    let is_meant = |line: &Line| line.level >= 40 && !line.msg.starts_with("RE2 not usable");
    let lines: Vec<Line> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(is_meant)
        .collect();
    let problems = lines
        .iter()
        .flat_map(|it| it.errors.iter().chain(&it.warnings));
    let named: Vec<String> = problems.map(|it| it.message.clone()).collect();
    if named.is_empty() {
        lines.into_iter().map(|line| line.msg).collect()
    } else {
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_name() {
        // Of 44.121.2, in short.
        let log = r#"{"name":"renovate","pid":9168,"level":40,"err":{"code":"MODULE_NOT_FOUND"},"msg":"RE2 not usable, falling back to RegExp: regex validation may be inaccurate"}
{"name":"renovate","pid":9168,"level":30,"msg":"Validating /tmp/bad.json as repo config"}
{"name":"renovate","pid":9168,"level":50,"file":"/tmp/bad.json","errors":[{"topic":"Configuration Error","message":"Invalid configuration option: packageRules[2].matchUpdateTyps"}],"msg":"Found errors in configuration"}
"#;
        assert_eq!(
            parse(log),
            ["Invalid configuration option: packageRules[2].matchUpdateTyps"]
        );
        let migration =
            r#"{"level":40,"msg":"Config migration necessary","oldConfig":{},"newConfig":{}}"#;
        assert_eq!(parse(migration), ["Config migration necessary"]);
        assert!(parse("SyntaxError: no JSON").is_empty());
    }
}

//! Formatting and lints of the crates beside a fleet. Its Nix files have a check of their own in the flake.

use std::path::Path;

use anyhow::Result;

use super::{Row, Verdict};
use crate::process::last_lines;
use crate::tools::cargo::{self, Lint};

/// A row for each, if there are crates.
///
/// # Errors
/// If a tool that is here cannot be started.
pub async fn run(root: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if root.join("Cargo.toml").exists() {
        for lint in [cargo::RUSTFMT, cargo::CLIPPY] {
            rows.push(row(lint, root).await?);
        }
    }
    Ok(rows)
}

/// One lint of the crates in `root`.
///
/// # Errors
/// If it cannot be started.
pub async fn row(lint: Lint, root: &Path) -> Result<Row> {
    const LINES: usize = 30;
    if which::which(lint.program).is_err() {
        let why = format!(
            "no {} on PATH: rustup component add {}",
            lint.program, lint.name
        );
        return Ok(Row::at_once(lint.name, Verdict::NotBuilt(why)));
    }
    let output = lint.command().current_dir(root).capture().await?;
    let verdict = if output.status.success() {
        Verdict::Passed
    } else {
        // rustfmt shows the differences on stdout, clippy talks on stderr.
        let text = format!("{}\n{}", output.text(), output.last_lines(LINES));
        Verdict::Failed(last_lines(&text, LINES))
    };
    Ok(Row::new(lint.name, verdict, output.wall))
}

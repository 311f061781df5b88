//! `cargo xtask matrix`.

use std::io::Write;

use anyhow::Result;

use crate::cli::{Global, Matrix};
use crate::evaluate::{self, render};
use crate::failure::{Exit, Failure};
use crate::report;

pub async fn run(global: &Global, args: Matrix) -> Result<Exit> {
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    let matrix = render::matrix(&survey.inventory)?;
    report::data(&matrix)?;
    // A host that does not evaluate is in no leg: the step must fail, not build the others.
    let exit = fleet.tell_failures(&survey);
    if let Some(file) = args.output {
        let text = outputs(matrix.trim_end(), survey.inventory.hosts.len());
        let written = std::fs::File::options()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut open| open.write_all(text.as_bytes()));
        written.map_err(|error| {
            Failure::failed(format!(
                "cannot write outputs to {}: {error}",
                file.display()
            ))
        })?;
    }
    Ok(exit)
}

/// A workflow cannot count the legs of a matrix, and one of none would run once with nothing.
fn outputs(matrix: &str, hosts: usize) -> String {
    format!("matrix={matrix}\nhosts={hosts}\n")
}

//! Which labels this machine stands in for. Pure.

use std::collections::BTreeSet;

use crate::ci::workflow::{Axis, Cell, Job, Matrix};

/// What the runners of a fleet have, whatever its hosts ask for (modules/services/forgejo-runner).
const OURS: [&str; 2] = ["nix", "kvm"];

/// All labels that are run here: those of the fleet's runners, and those that its hosts are built on.
pub fn known<'a>(of_hosts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let all: BTreeSet<&str> = OURS.into_iter().chain(of_hosts).collect();
    let named = all.into_iter().filter(|label| !label.is_empty());
    named.map(str::to_owned).collect()
}

/// The labels that a job asks for, as far as they are known before it runs: act tells of one that a computed matrix has.
pub fn wanted(job: &Job) -> Vec<String> {
    let labels = job.runs_on.iter().flat_map(|labels| &labels.0);
    labels.flat_map(|label| values(label, job)).collect()
}

fn values(label: &str, job: &Job) -> Vec<String> {
    let Some(expression) = label
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
    else {
        return vec![label.to_owned()];
    };
    let matrix = job.strategy.as_ref().and_then(|it| it.matrix.as_ref());
    let (Some(key), Some(Matrix::Written(axes))) =
        (expression.trim().strip_prefix("matrix."), matrix)
    else {
        return Vec::new();
    };
    let cells = axes.iter().flat_map(|(axis, values)| match values {
        Axis::Computed(_) => Vec::new(),
        Axis::Values(cells) => cells
            .iter()
            .filter_map(|cell| match cell {
                Cell::Value(value) => (axis == key).then(|| value.0.clone()),
                Cell::Leg(leg) => {
                    (axis == "include").then(|| leg.get(key).map(|it| it.0.clone()))?
                }
            })
            .collect(),
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::workflow::parse;

    fn wanted_by(job: &str) -> Vec<String> {
        let text = format!("on: push\njobs:\n  a: {job}\n");
        wanted(parse(&text).unwrap().jobs.get("a").unwrap())
    }

    #[test]
    fn labels_are_read_from_words_lists_and_written_matrices() {
        assert_eq!(wanted_by("{runs-on: nix}"), ["nix"]);
        assert_eq!(wanted_by("{runs-on: [nix, big]}"), ["nix", "big"]);
        assert_eq!(
            wanted_by(
                "{runs-on: '${{ matrix.on }}', strategy: {matrix: {on: [nix], include: [{on: moon}]}}}"
            ),
            ["moon", "nix"]
        );
        let computed =
            "{runs-on: '${{ matrix.on }}', strategy: {matrix: '${{ fromJSON(needs.x.outputs.m) }}'}}";
        assert_eq!(wanted_by(computed), [""; 0]);
    }

    #[test]
    fn the_hosts_labels_are_run_here_too() {
        assert_eq!(known(["arm", "nix", ""]), ["arm", "kvm", "nix"]);
    }
}

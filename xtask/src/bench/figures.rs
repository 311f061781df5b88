//! The figures: medians, ratios, a table, JSON. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::build::outcome::Evaluation;
use crate::report::table::Table;
use crate::report::words::bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Contender {
    BuildAll,
    Serial,
    OneBuild,
}

impl Contender {
    pub const ALL: [Self; 3] = [Self::BuildAll, Self::Serial, Self::OneBuild];

    pub fn words(self) -> &'static str {
        match self {
            Self::BuildAll => "build-all",
            Self::Serial => "serial loop",
            Self::OneBuild => "one nix build",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Every host is another one than ever before.
    Cold,
    /// Nothing changed.
    Warm,
    /// One host changed.
    OneChanged,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Cold, Self::Warm, Self::OneChanged];

    pub fn words(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::OneChanged => "one changed",
        }
    }
}

/// One measurement. Seconds and bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub wall: f64,
    pub cpu: f64,
    pub peak: u64,
    pub evaluation: Option<Evaluation>,
}

/// The medians of one contender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Median {
    pub wall: f64,
    pub cpu: f64,
    pub peak: f64,
}

/// One fleet in one phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub fleet: String,
    pub hosts: u16,
    pub phase: Phase,
    pub medians: BTreeMap<Contender, Median>,
    /// A contender's time over that of `build-all`: above 1, `build-all` is faster.
    pub times: BTreeMap<Contender, f64>,
    /// Bytes that the evaluations of `build-all` took together, at most, in any run.
    pub evaluation_peak: u64,
    pub evaluation_budget: u64,
    /// Hosts that `build-all` evaluated.
    pub evaluated: usize,
}

impl Figures {
    pub fn of(
        fleet: &str,
        hosts: u16,
        phase: Phase,
        samples: &BTreeMap<Contender, Vec<Sample>>,
    ) -> Self {
        let medians: BTreeMap<Contender, Median> = samples
            .iter()
            .map(|(contender, samples)| (*contender, of_samples(samples)))
            .collect();
        let own = medians
            .get(&Contender::BuildAll)
            .map_or(f64::NAN, |it| it.wall);
        let evaluations: Vec<Evaluation> = samples
            .values()
            .flatten()
            .filter_map(|sample| sample.evaluation)
            .collect();
        Self {
            fleet: fleet.to_owned(),
            hosts,
            phase,
            times: medians
                .iter()
                .filter(|(contender, _)| **contender != Contender::BuildAll)
                .map(|(contender, median)| (*contender, median.wall / own))
                .collect(),
            medians,
            evaluation_peak: evaluations
                .iter()
                .map(|it| it.peak_bytes)
                .max()
                .unwrap_or(0),
            evaluation_budget: evaluations
                .iter()
                .map(|it| it.budget_bytes)
                .max()
                .unwrap_or(0),
            evaluated: evaluations.iter().map(|it| it.evaluated).max().unwrap_or(0),
        }
    }
}

fn of_samples(samples: &[Sample]) -> Median {
    // Memory below 2^53 bytes is exact.
    #[allow(clippy::cast_precision_loss)]
    let peak = |sample: &Sample| sample.peak as f64;
    Median {
        wall: median(samples.iter().map(|sample| sample.wall)),
        cpu: median(samples.iter().map(|sample| sample.cpu)),
        peak: median(samples.iter().map(peak)),
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// A row a fleet and phase.
pub fn table(all: &[Figures]) -> Table {
    let mut table = Table::new([
        "fleet",
        "hosts",
        "phase",
        "build-all s",
        "serial",
        "one build",
        "cpu s",
        "serial",
        "one build",
        "memory",
        "serial",
        "one build",
    ])
    .numbers([1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for figures in all {
        let own = figures.medians.get(&Contender::BuildAll);
        let ratio = |contender, of: fn(&Median) -> f64| match (figures.medians.get(&contender), own)
        {
            (Some(other), Some(own)) => format!("{:.2}x", of(other) / of(own)),
            _ => "-".to_owned(),
        };
        let figure = |of: fn(&Median) -> f64| own.map_or(f64::NAN, of);
        let wall: fn(&Median) -> f64 = |median| median.wall;
        let cpu: fn(&Median) -> f64 = |median| median.cpu;
        let peak: fn(&Median) -> f64 = |median| median.peak;
        // Positive and far below 2^64.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let memory = bytes(figure(peak) as u64);
        table.row([
            figures.fleet.clone(),
            figures.hosts.to_string(),
            figures.phase.words().to_owned(),
            format!("{:.2}", figure(wall)),
            ratio(Contender::Serial, wall),
            ratio(Contender::OneBuild, wall),
            format!("{:.2}", figure(cpu)),
            ratio(Contender::Serial, cpu),
            ratio(Contender::OneBuild, cpu),
            memory,
            ratio(Contender::Serial, peak),
            ratio(Contender::OneBuild, peak),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall: f64) -> Sample {
        Sample {
            wall,
            cpu: wall * 2.0,
            peak: 1 << 20,
            evaluation: None,
        }
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn ratios_above_one_are_in_favour_of_build_all() {
        let samples = [
            (
                Contender::BuildAll,
                vec![sample(2.0), sample(1.0), sample(1.5)],
            ),
            (Contender::Serial, vec![sample(3.0)]),
            (Contender::OneBuild, vec![sample(1.2)]),
        ]
        .into();
        let figures = Figures::of("light", 5, Phase::Cold, &samples);
        assert!((figures.times[&Contender::Serial] - 2.0).abs() < 1e-9);
        insta::assert_snapshot!(table(&[figures]).text());
    }
}

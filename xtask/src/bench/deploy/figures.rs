//! The figures of deployments: medians, ratios, tables, JSON. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bench::figures::{median, Sample};
use crate::report::table::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    Xtask,
    DeployRs,
}

impl Contender {
    pub const ALL: [Self; 2] = [Self::Xtask, Self::DeployRs];

    pub fn words(self) -> &'static str {
        match self {
            Self::Xtask => "xtask deploy",
            Self::DeployRs => "deploy-rs alone",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Every host's closure is another one.
    AllChanged,
    /// No host's is.
    Unchanged,
    /// The first host's is.
    OneChanged,
}

impl Phase {
    /// In this order each begins where the one before left the hosts.
    pub const ALL: [Self; 3] = [Self::AllChanged, Self::Unchanged, Self::OneChanged];

    pub fn words(self) -> &'static str {
        match self {
            Self::AllChanged => "all changed",
            Self::Unchanged => "unchanged",
            Self::OneChanged => "one changed",
        }
    }
}

/// Medians of one fleet in one phase, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetFigures {
    pub hosts: u16,
    pub phase: Phase,
    pub xtask: f64,
    pub deploy_rs: f64,
    /// deploy-rs's time over ours: above 1, `xtask deploy` is faster.
    pub ratio: f64,
    /// Processor time of the machine that deploys.
    pub xtask_cpu: f64,
    pub deploy_rs_cpu: f64,
}

impl FleetFigures {
    pub fn of(hosts: u16, phase: Phase, samples: &BTreeMap<Contender, Vec<Sample>>) -> Self {
        let of = |contender, figure: fn(&Sample) -> f64| {
            median(samples.get(&contender).into_iter().flatten().map(figure))
        };
        let wall: fn(&Sample) -> f64 = |sample| sample.wall;
        let cpu: fn(&Sample) -> f64 = |sample| sample.cpu;
        let (xtask, deploy_rs) = (of(Contender::Xtask, wall), of(Contender::DeployRs, wall));
        Self {
            hosts,
            phase,
            xtask,
            deploy_rs,
            ratio: deploy_rs / xtask,
            xtask_cpu: of(Contender::Xtask, cpu),
            deploy_rs_cpu: of(Contender::DeployRs, cpu),
        }
    }
}

/// Medians of something with the guard and the same without it, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    pub what: String,
    pub guard: f64,
    pub without: f64,
    /// What the guard adds.
    pub added: f64,
}

impl Added {
    pub fn of(what: String, guard: &[f64], without: &[f64]) -> Self {
        let (guard, without) = (
            median(guard.iter().copied()),
            median(without.iter().copied()),
        );
        Self {
            what,
            guard,
            without,
            added: guard - without,
        }
    }
}

/// All that `bench deploy` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub version: u32,
    pub cpus: usize,
    pub runs: u16,
    /// What an activation takes on a host of a fleet, besides what is measured.
    pub activation_seconds: u16,
    /// Load average of the last minute, this measurement included in the second one.
    pub load_before: f64,
    pub load_after: f64,
    pub fleets: Vec<FleetFigures>,
    /// Against a command that does nothing, over the same ssh.
    pub verbs: Vec<Added>,
    /// The same deploy-rs with the same closure, through the guard and as root.
    pub activations: Vec<Added>,
}

impl Document {
    /// Both tables and the conditions.
    pub fn text(&self) -> String {
        format!(
            "{}{}{} runs, activations of {} s, {} processors, load {:.1} before and {:.1} after\n",
            self.fleet_table().text(),
            self.guard_table().text(),
            self.runs,
            self.activation_seconds,
            self.cpus,
            self.load_before,
            self.load_after,
        )
    }

    fn fleet_table(&self) -> Table {
        let mut table = Table::new([
            "hosts",
            "phase",
            "xtask deploy s",
            "deploy-rs s",
            "ratio",
            "cpu s",
            "deploy-rs cpu s",
        ])
        .numbers([0, 2, 3, 4, 5, 6]);
        for figures in &self.fleets {
            table.row([
                figures.hosts.to_string(),
                figures.phase.words().to_owned(),
                format!("{:.2}", figures.xtask),
                format!("{:.2}", figures.deploy_rs),
                format!("{:.2}x", figures.ratio),
                format!("{:.2}", figures.xtask_cpu),
                format!("{:.2}", figures.deploy_rs_cpu),
            ]);
        }
        table
    }

    fn guard_table(&self) -> Table {
        let header = ["what", "with the guard s", "without s", "added s"];
        let mut table = Table::new(header).numbers(1..4);
        for added in self.verbs.iter().chain(&self.activations) {
            table.row([
                added.what.clone(),
                format!("{:.3}", added.guard),
                format!("{:.3}", added.without),
                format!("{:.3}", added.added),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall: f64) -> Sample {
        Sample {
            wall,
            cpu: wall / 2.0,
            peak: 0,
            evaluation: None,
        }
    }

    #[test]
    fn ratios_above_one_are_in_favour_of_xtask_deploy() {
        let samples = BTreeMap::from([
            (
                Contender::Xtask,
                vec![sample(4.0), sample(5.0), sample(9.0)],
            ),
            (Contender::DeployRs, vec![sample(20.0)]),
        ]);
        let document = Document {
            version: 1,
            cpus: 2,
            runs: 3,
            activation_seconds: 1,
            load_before: 0.1,
            load_after: 2.0,
            fleets: vec![FleetFigures::of(16, Phase::AllChanged, &samples)],
            verbs: vec![Added::of("status".to_owned(), &[0.25, 0.35], &[0.25])],
            activations: vec![Added::of("3002 paths".to_owned(), &[4.0], &[2.5])],
        };
        assert!((document.fleets[0].ratio - 4.0).abs() < 1e-9);
        insta::assert_snapshot!(document.text());
    }
}

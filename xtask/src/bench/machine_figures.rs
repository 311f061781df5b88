//! The figures of machines: medians, ratios, a table, JSON. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::Machine;
use serde::Serialize;

use super::figures::median;
use crate::report::table::Table;
use crate::report::words::bytes;

/// What was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Image,
    Snapshot,
    Boot,
    BootDirect,
    /// Of the harness: from a snapshot.
    AtOnce(u16),
    Reboot,
    Ssh,
    Agent,
}

impl What {
    pub fn words(self) -> String {
        match self {
            Self::Image => "image, packages in the cache".to_owned(),
            Self::Snapshot => "snapshot of one that is up".to_owned(),
            Self::Boot => "cold boot, firmware and loader".to_owned(),
            Self::BootDirect => "cold boot, kernel handed over".to_owned(),
            Self::AtOnce(1) => "1 from a snapshot".to_owned(),
            Self::AtOnce(count) => format!("{count} from a snapshot at once"),
            Self::Reboot => "reboot".to_owned(),
            Self::Ssh => "a command over ssh".to_owned(),
            Self::Agent => "a command over the agent".to_owned(),
        }
    }

    /// What plain QEMU has to do for the same.
    fn of_plain(self) -> Self {
        match self {
            Self::BootDirect | Self::AtOnce(1) => Self::Boot,
            other => other,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Harness,
    Plain,
}

impl Side {
    pub fn words(self) -> &'static str {
        match self {
            Self::Harness => "harness",
            Self::Plain => "plain QEMU",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub what: What,
    pub side: Side,
    pub seconds: f64,
    /// Bytes of QEMU in memory, the most of any machine.
    pub resident: Option<u64>,
}

impl Sample {
    pub fn new(what: What, side: Side, took: Duration) -> Self {
        Self {
            what,
            side,
            seconds: took.as_secs_f64(),
            resident: None,
        }
    }

    pub fn with(self, machine: &Machine) -> Self {
        Self {
            resident: machine.resident_bytes(),
            ..self
        }
    }
}

/// One row: medians of all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub what: String,
    pub seconds: f64,
    /// The most of any run.
    pub resident_bytes: Option<u64>,
    pub plain_seconds: Option<f64>,
    pub plain_resident_bytes: Option<u64>,
    /// Plain QEMU's time over ours: above 1, the harness is faster.
    pub ratio: Option<f64>,
}

/// All that `bench vm` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub version: u32,
    pub accelerator: String,
    /// How much slower than the reference this machine is.
    pub scale: f64,
    pub cpus: usize,
    pub runs: u16,
    /// Load average of the last minute, this measurement included in the second one.
    pub load_before: f64,
    pub load_after: f64,
    pub figures: Vec<Figures>,
    /// Starts that are in no figure, each with what became of it.
    pub left_out: Vec<String>,
}

impl Figures {
    pub fn of(samples: &[Sample]) -> Vec<Self> {
        let mut sorted: BTreeMap<(What, Side), Vec<Sample>> = BTreeMap::new();
        for sample in samples {
            let key = (sample.what, sample.side);
            sorted.entry(key).or_default().push(*sample);
        }
        let of = |what, side| {
            let samples = sorted.get(&(what, side))?;
            let seconds = median(samples.iter().map(|sample| sample.seconds));
            let resident = samples.iter().filter_map(|sample| sample.resident).max();
            Some((seconds, resident))
        };
        let ours = sorted.keys().filter(|(_, side)| *side == Side::Harness);
        ours.filter_map(|&(what, side)| {
            let (seconds, resident_bytes) = of(what, side)?;
            let plain = of(what.of_plain(), Side::Plain);
            Some(Self {
                what: what.words(),
                seconds,
                resident_bytes,
                plain_seconds: plain.map(|(seconds, _)| seconds),
                plain_resident_bytes: plain.and_then(|(_, resident)| resident),
                ratio: plain.map(|(plain, _)| plain / seconds),
            })
        })
        .collect()
    }
}

/// A row for each thing that was timed.
pub fn table(document: &Document) -> Table {
    let mut table = Table::new([
        "until ssh answers",
        "harness s",
        "plain QEMU s",
        "ratio",
        "memory",
        "plain QEMU",
    ])
    .numbers([1, 2, 3, 4, 5]);
    let none = || "-".to_owned();
    let size = |size: Option<u64>| size.map_or_else(none, bytes);
    for row in &document.figures {
        table.row([
            row.what.clone(),
            format!("{:.2}", row.seconds),
            row.plain_seconds.map_or_else(none, |s| format!("{s:.2}")),
            row.ratio.map_or_else(none, |ratio| format!("{ratio:.2}x")),
            size(row.resident_bytes),
            size(row.plain_resident_bytes),
        ]);
    }
    table
}

/// Under what the figures were found.
pub fn conditions(document: &Document) -> String {
    let mut text = format!(
        "{}, {} CPUs, medians of {} runs, load {:.1} before and {:.1} after\n",
        document.accelerator,
        document.cpus,
        document.runs,
        document.load_before,
        document.load_after
    );
    for note in &document.left_out {
        text.push_str(&format!("left out: {note}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(what: What, side: Side, seconds: f64, mib: Option<u64>) -> Sample {
        Sample {
            what,
            side,
            seconds,
            resident: mib.map(|mib| mib << 20),
        }
    }

    #[test]
    fn each_of_ours_stands_beside_what_plain_qemu_has_to_do() {
        let samples = [
            sample(What::Image, Side::Harness, 20.0, None),
            sample(What::Boot, Side::Harness, 10.0, Some(445)),
            sample(What::Boot, Side::Harness, 12.0, Some(440)),
            sample(What::Boot, Side::Plain, 22.0, Some(420)),
            sample(What::BootDirect, Side::Harness, 8.0, Some(430)),
            sample(What::AtOnce(1), Side::Harness, 1.1, Some(305)),
            sample(What::AtOnce(2), Side::Harness, 2.2, Some(306)),
            sample(What::AtOnce(2), Side::Plain, 44.0, Some(420)),
            sample(What::Agent, Side::Harness, 0.03, None),
        ];
        let figures = Figures::of(&samples);
        let snapshot = figures.iter().find(|row| row.what == "1 from a snapshot");
        assert!((snapshot.unwrap().ratio.unwrap() - 20.0).abs() < 1e-9);
        let document = Document {
            version: 1,
            accelerator: "tcg".to_owned(),
            scale: 1.0,
            cpus: 2,
            runs: 2,
            load_before: 0.1,
            load_after: 2.0,
            figures,
            left_out: vec!["4 of plain QEMU at once: m3 did not boot within 180 s".to_owned()],
        };
        let text = format!("{}{}", table(&document).text(), conditions(&document));
        insta::assert_snapshot!(text);
    }
}

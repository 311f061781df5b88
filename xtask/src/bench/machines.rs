//! The harness's machines against plain QEMU, in the same run: the same guest, handed to the same QEMU with Debian's own
//! initramfs and booted every time. What is timed ends when a command over ssh has answered.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{Boot, Harness, Image, Machine, Model, Origin, Recipe, Run, Spec};

use super::machine_figures::{Document, Figures, Sample, Side, What};
use crate::report;
use crate::scenarios::ground::{accelerator_word, worded};

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub runs: u16,
    /// The most machines that are started at once.
    pub at_once: u16,
    /// Whether an image is built as well.
    pub image: bool,
}

/// Commands whose time is the mean of that many.
const COMMANDS: u32 = 10;

const COMMAND: Duration = Duration::from_secs(30);

/// Measures everything, the two sides taking turns. Blocks.
///
/// Several plain guests at once now and then stand still in their kernel, with more virtual processors than there are
/// real ones: such a start is noted, and left out of the figures.
///
/// # Errors
/// If a machine of the harness does not come up, or a plain one by itself: a failure measures nothing.
pub fn measure(harness: &Harness, options: Options) -> Result<Document> {
    let load_before = load();
    let logs = tempfile::tempdir().context("cannot make a folder for logs")?;
    let run = harness.run("bench", logs.path()).map_err(worded)?;
    let mut samples = Vec::new();
    if options.image {
        samples.push(image(harness)?);
    }
    let image = harness.image(&recipe()).map_err(worded)?;
    let speed = harness.speed(&image).map_err(worded)?;
    let bench = Bench { run, image };
    samples.push(bench.snapshot()?);
    let mut left_out = Vec::new();
    for _ in 0..options.runs {
        bench.one_machine(Side::Harness, Boot::Firmware, &mut samples)?;
        bench.one_machine(Side::Plain, Boot::DirectDebianInitramfs, &mut samples)?;
        bench.one_machine(Side::Harness, Boot::Direct, &mut samples)?;
        for count in 1..=options.at_once {
            bench.at_once(Side::Harness, count, &mut samples)?;
            if count == 1 {
                continue;
            }
            if let Err(error) = bench.at_once(Side::Plain, count, &mut samples) {
                let note = format!("{count} of plain QEMU at once: {error:#}");
                report::say(&format!("  left out: {note}"));
                left_out.push(note);
            }
        }
    }
    Ok(Document {
        version: 1,
        accelerator: accelerator_word(speed.accelerator),
        scale: speed.scale,
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        runs: options.runs,
        load_before,
        load_after: load(),
        figures: Figures::of(&samples),
        left_out,
    })
}

fn recipe() -> Recipe {
    Recipe {
        debian_initramfs: true,
        ..Recipe::debian_13().packages(["nginx-light"])
    }
}

/// An image that nobody has yet; the packages are there if one was built before. It is not kept.
fn image(harness: &Harness) -> Result<Sample> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let recipe = Recipe::debian_13().packages(["nginx-light"]).file(
        "/etc/bench",
        0o644,
        format!("{}\n", now.as_nanos()),
    );
    let started = Instant::now();
    let image = harness.image(&recipe).map_err(worded)?;
    let sample = said(Sample::new(What::Image, Side::Harness, started.elapsed()));
    let folder = image.disk().parent().map(Path::to_owned);
    drop(image);
    if let Some(folder) = folder {
        // The next collection would take it, too.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(sample)
}

struct Bench {
    run: Run,
    image: Image,
}

impl Bench {
    /// A new snapshot of a machine that is up, and a machine from it. An earlier run may have left what is up.
    fn snapshot(&self) -> Result<Sample> {
        drop(self.start("up", Boot::Firmware, true)?);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let origin = Origin::Snapshot {
            key: &format!("bench {}", now.as_nanos()),
            prepare: &|_| Ok(()),
        };
        let started = Instant::now();
        drop(
            self.run
                .start(&self.image, Spec::new("first"), origin)
                .map_err(worded)?,
        );
        Ok(said(Sample::new(
            What::Snapshot,
            Side::Harness,
            started.elapsed(),
        )))
    }

    /// Boots one, asks it, reboots it.
    fn one_machine(&self, side: Side, boot: Boot, samples: &mut Vec<Sample>) -> Result<()> {
        let started = Instant::now();
        let machine = self.start("one", boot, false)?;
        let what = match boot {
            Boot::Direct => What::BootDirect,
            Boot::Firmware | Boot::DirectDebianInitramfs => What::Boot,
        };
        let booted = Sample::new(what, side, started.elapsed()).with(&machine);
        samples.push(said(booted));
        if boot == Boot::Direct {
            return Ok(());
        }
        let started = Instant::now();
        machine.reboot().map_err(worded)?;
        let rebooted = Sample::new(What::Reboot, side, started.elapsed()).with(&machine);
        samples.push(said(rebooted));
        if side == Side::Harness {
            let ssh = mean(|| machine.ssh("root", "true", COMMAND).map(drop))?;
            samples.push(said(Sample::new(What::Ssh, side, ssh)));
            let agent = mean(|| machine.shell("true").map(drop))?;
            samples.push(said(Sample::new(What::Agent, side, agent)));
        }
        Ok(())
    }

    /// So many at the same time, until the last one answers.
    fn at_once(&self, side: Side, count: u16, samples: &mut Vec<Sample>) -> Result<()> {
        let boot = match side {
            Side::Harness => Boot::Firmware,
            Side::Plain => Boot::DirectDebianInitramfs,
        };
        let started = Instant::now();
        let machines: Vec<Result<Machine>> = std::thread::scope(|scope| {
            let starting: Vec<_> = (1..=count)
                .map(|n| {
                    let name = format!("m{n}");
                    scope.spawn(move || self.start(&name, boot, side == Side::Harness))
                })
                .collect();
            let joined = starting.into_iter().map(|thread| {
                let failed = |_| Err(anyhow::anyhow!("a thread of the measurement panicked"));
                thread.join().unwrap_or_else(failed)
            });
            joined.collect()
        });
        let took = started.elapsed();
        let machines = machines.into_iter().collect::<Result<Vec<_>>>()?;
        let mut sample = Sample::new(What::AtOnce(count), side, took);
        sample.resident = machines.iter().filter_map(Machine::resident_bytes).max();
        samples.push(said(sample));
        Ok(())
    }

    fn start(&self, name: &str, boot: Boot, restored: bool) -> Result<Machine> {
        let spec = Spec {
            model: Model {
                boot,
                ..Model::default()
            },
            ..Spec::new(name)
        };
        let origin = match restored {
            true => Origin::Up,
            false => Origin::Cold,
        };
        Ok(self.run.start(&self.image, spec, origin).map_err(worded)?)
    }
}

fn mean(ask: impl Fn() -> harness::Result<()>) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..COMMANDS {
        ask().map_err(worded)?;
    }
    Ok(started.elapsed() / COMMANDS)
}

fn said(sample: Sample) -> Sample {
    report::say(&format!(
        "  {:<12} {:<34} {:>6.2} s",
        sample.side.words(),
        sample.what.words(),
        sample.seconds
    ));
    sample
}

/// Of the last minute.
pub(super) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

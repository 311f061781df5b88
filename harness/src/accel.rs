//! Which accelerator works, found out by running a guest with it: `/dev/kvm` may open, create machines, and kill
//! every guest. The time that takes is the measure of the host's speed. Kept until the host's next boot.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cache::{self, Cache};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::{Harness, Speed};
use crate::image::Image;
use crate::process::Command;
use crate::qemu::Accelerator;

/// The beginning of the names of files with what was found.
const FILES: &str = "speed-";

/// What the probing guest says when it got through.
const PASSED: &str = "harness-probe-passed";

/// Seconds that the probe takes under TCG on the machine that the time-outs were chosen on, idle.
const REFERENCE: f64 = 3.0;

/// A KVM guest needs one second; one that is broken hangs.
const KVM_LIMIT: Duration = Duration::from_secs(8);
const TCG_LIMIT: Duration = Duration::from_secs(180);

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// KVM if it works, else TCG.
    #[default]
    Auto,
    Kvm,
    Tcg,
}

#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    kvm: bool,
    seconds: f64,
}

/// Probes, or reads what was found since the host booted.
pub(crate) fn measure(harness: &Harness, image: &Image, wanted: Wanted) -> Result<Speed> {
    let name = format!("{FILES}{wanted:?}-{}", of_this_boot()?).to_lowercase();
    let file = harness.cache().root().join(name);
    let _one_at_a_time = harness.cache().lock("speed")?;
    let kept: Option<Measured> = std::fs::read(&file)
        .ok()
        // A half-written file of a killed process is measured again.
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let measured = match kept {
        Some(measured) => measured,
        None => {
            let measured = probe(harness, image, wanted)?;
            let text = serde_json::to_vec(&measured)
                .map_err(|e| Error::new(ErrorKind::Io, format!("cannot write the speed: {e}")))?;
            cache::write(&file, &text)?;
            measured
        }
    };
    Ok(Speed {
        accelerator: match measured.kvm {
            true => Accelerator::Kvm,
            false => Accelerator::Tcg,
        },
        scale: scale(measured.seconds) * harness.timeout_scale(),
    })
}

/// The end of the names of files with what holds until the host's next boot.
fn of_this_boot() -> Result<String> {
    let boot_id = cache::read_text(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(format!("{}.json", boot_id.trim_end()))
}

/// Removes what was measured before the host booted.
pub(crate) fn forget_earlier_boots(cache: &Cache) -> Result<()> {
    let current = of_this_boot()?;
    for file in cache::children(cache.root())? {
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name.starts_with(FILES) && !name.ends_with(&current) {
            cache::remove_file(&file)?;
        }
    }
    Ok(())
}

/// A fast host gets no less than half the time: time-outs are for hangs, and a hang can wait.
fn scale(seconds: f64) -> f64 {
    (seconds / REFERENCE).clamp(0.5, 8.0)
}

fn probe(harness: &Harness, image: &Image, wanted: Wanted) -> Result<Measured> {
    if wanted != Wanted::Tcg {
        harness.progress().say("accelerator", "trying KVM");
        match boot(harness, image, Accelerator::Kvm, KVM_LIMIT) {
            Ok(seconds) => return Ok(Measured { kvm: true, seconds }),
            Err(error) if wanted == Wanted::Kvm => {
                let message = format!("KVM does not work here: {error}");
                return Err(Error::new(ErrorKind::NoKvm, message)
                    .try_next("use TCG, which works everywhere and is slower"));
            }
            Err(error) => harness.progress().say(
                "accelerator",
                &format!("no KVM, going on with TCG: {error}"),
            ),
        }
    }
    let seconds = boot(harness, image, Accelerator::Tcg, TCG_LIMIT)
        .map_err(|e| e.context("not even an emulated guest runs"))?;
    harness
        .progress()
        .say("accelerator", &format!("TCG, probe took {seconds:.1} s"));
    Ok(Measured {
        kvm: false,
        seconds,
    })
}

fn boot(
    harness: &Harness,
    image: &Image,
    accelerator: Accelerator,
    within: Duration,
) -> Result<f64> {
    let started = Instant::now();
    let output = Command::new(&harness.tools().qemu)
        .args(arguments(&harness.tools().qemu_data, image, accelerator))
        .capture(within)?;
    // The console is stdout; whatever the exit code, only what the guest said counts.
    if String::from_utf8_lossy(&output.stdout).contains(PASSED) {
        return Ok(started.elapsed().as_secs_f64());
    }
    Err(Error::new(
        ErrorKind::MachineDied,
        format!(
            "the probing guest ended without a word (QEMU exited {}): {}",
            output.code,
            output.last_lines(3)
        ),
    ))
}

fn arguments(data: &[PathBuf], image: &Image, accelerator: Accelerator) -> Vec<String> {
    let mut arguments: Vec<String> = data
        .iter()
        .flat_map(|dir| ["-L".to_owned(), dir.to_string_lossy().into_owned()])
        .collect();
    let (accel, cpu) = match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg,thread=multi", "EPYC,-svm"),
    };
    let words = [
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "pc",
        "-accel",
        accel,
        "-cpu",
        cpu,
        "-smp",
        "2",
        "-m",
        "256",
        "-serial",
        "stdio",
        "-append",
        "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off harness.probe",
    ];
    arguments.extend(words.map(str::to_owned));
    for (flag, file) in [("-kernel", image.kernel()), ("-initrd", image.initrd())] {
        arguments.extend([flag.to_owned(), file.to_string_lossy().into_owned()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_half_as_fast_gets_twice_the_time_and_no_host_gets_none() {
        assert!((scale(REFERENCE * 2.0) - 2.0).abs() < 1e-9);
        assert!((scale(0.1) - 0.5).abs() < 1e-9);
        assert!((scale(1e6) - 8.0).abs() < 1e-9);
    }
}

//! Wall time, processor time and memory of commands and all that they start.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::TimeValLike;

use super::figures::Sample;
use crate::build::outcome::{Evaluation, Report};
use crate::failure::Failure;
use crate::process::{usage, Command};

const EVERY: Duration = Duration::from_millis(50);

/// Runs the commands one after the other.
///
/// # Errors
/// If one of them fails.
pub async fn all(commands: impl IntoIterator<Item = Command>) -> Result<Sample> {
    let before = processor_time()?;
    let started = Instant::now();
    let mut peak = 0;
    for command in commands {
        peak = peak.max(one(command).await?);
    }
    Ok(Sample {
        wall: started.elapsed().as_secs_f64(),
        cpu: processor_time()? - before,
        peak,
        evaluation: None,
    })
}

/// The most resident bytes of a command and its descendants.
async fn one(command: Command) -> Result<u64> {
    let line = command.line();
    let (tell, heard) = tokio::sync::oneshot::channel();
    let running = command.watch(
        |pid| {
            // The sampler waits right below.
            let _ = tell.send(pid);
        },
        |_| (),
    );
    let mut peak = 0;
    let sampling = async {
        let Ok(pid) = heard.await else {
            return std::future::pending().await;
        };
        loop {
            peak = peak.max(usage::resident_tree(pid));
            tokio::time::sleep(EVERY).await;
        }
    };
    let output = tokio::select! {
        output = running => output?,
        () = sampling => unreachable!("sampling never ends"),
    };
    if !output.status.success() {
        let name: String = line.chars().take(120).collect();
        let text = format!("`{name}…` {}:\n{}", output.status, output.last_lines(20));
        return Err(Failure::failed(text).into());
    }
    Ok(peak)
}

/// Seconds that all ended children took.
fn processor_time() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the resource usage")?;
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    // Exact up to 2^53 microseconds.
    #[allow(clippy::cast_precision_loss)]
    Ok(microseconds as f64 / 1e6)
}

/// What `build-all` says of its own evaluation.
pub fn evaluation(report: &Path) -> Result<Evaluation> {
    let text =
        std::fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Report = serde_json::from_slice(&text)?;
    Ok(report.evaluation)
}

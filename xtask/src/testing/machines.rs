//! The part with real guests: which of the harness's tests are played, and how many at once.

use anyhow::Result;

use super::parts::{counted, of_cargo_run, skipped};
use super::{Bench, Counts, Outcome};
use crate::cache_dir::CacheDir;
use crate::process::Output;
use crate::setup;
use crate::tools::cargo::{self, WITH_MACHINES};

/// What is played where time is short: a boot through firmware and loader, a restored snapshot, a power cut, a network
/// cut, and a clean end after SIGKILL. Two minutes on two busy cores without KVM, four with the image and compiling.
const CORE: [&str; 5] = [
    "a_cold_boot_goes_through_firmware_and_loader_and_so_does_a_reboot",
    "copies_of_a_snapshot_are_machines_of_their_own",
    "what_was_synced_survives_a_power_cut_and_a_machine_that_is_off_says_so",
    "a_cut_cable_stops_ssh_and_not_the_agent",
    "after_a_kill",
];

/// Tests at a time, as many as the harness lets boot at a time. More make each other slow.
const AT_ONCE: usize = 2;

impl Bench<'_> {
    pub(super) async fn machines(&self) -> Result<Outcome> {
        let tools = match setup::vm(self.global).await {
            Ok(tools) => tools,
            Err(error) => return Ok(skipped(format!("{error:#}"))),
        };
        let (names, mut notes): (&[&str], _) = if self.core {
            let output = WITH_MACHINES
                .list()
                .current_dir(self.root)
                .capture()
                .await?;
            match left_out(&output) {
                Ok(note) => (&CORE, vec![note]),
                Err(outcome) => return Ok(outcome),
            }
        } else {
            (&[], Vec::new())
        };
        let output = WITH_MACHINES
            .run_some(names, AT_ONCE)
            .current_dir(self.root)
            .env("HARNESS_TOOLS", tools)
            .env("HARNESS_CACHE", CacheDir::find()?.machines())
            // The tools are there: a test that cannot have its guest has failed.
            .env("HARNESS_REQUIRED", "1")
            .capture()
            .await?;
        let mut outcome = of_cargo_run(&output);
        outcome.notes.append(&mut notes);
        Ok(outcome)
    }
}

/// What the core does not play, by name; a failure if the tests do not compile or one of the core is not among them.
fn left_out(output: &Output) -> Result<String, Outcome> {
    if !output.status.success() {
        return Err(of_cargo_run(output));
    }
    let printed = output.text();
    let all = cargo::listed(&printed);
    if let Some(gone) = CORE.iter().find(|name| !all.contains(name)) {
        return Err(Outcome {
            failure: Some(format!(
                "no test is called {gone}: xtask/src/testing/machines.rs names it"
            )),
            ..counted(Counts::FAILED)
        });
    }
    let others: Vec<&str> = all
        .into_iter()
        .filter(|name| !CORE.contains(name))
        .collect();
    Ok(format!(
        "left out, played without CI and --core: {}",
        others.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Status;

    fn listing(names: &[&str]) -> Output {
        let lines: String = names.iter().map(|name| format!("{name}: test\n")).collect();
        Output {
            status: Status::Code(0),
            stdout: lines.into_bytes(),
            stderr: String::new(),
            wall: Duration::ZERO,
        }
    }

    #[test]
    fn what_the_core_leaves_out_is_named() {
        let mut names = CORE.to_vec();
        names.push("another");
        let note = left_out(&listing(&names)).unwrap();
        assert_eq!(note, "left out, played without CI and --core: another");
    }

    #[test]
    fn a_test_of_the_core_that_is_gone_is_a_failure() {
        let outcome = left_out(&listing(&CORE[1..])).unwrap_err();
        assert_eq!(outcome.counts.failed, 1);
        assert!(outcome.failure.unwrap().contains(CORE[0]));
    }
}

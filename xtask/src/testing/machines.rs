//! The part with real guests: which of the tests with machines are played, and how many at once.

use anyhow::Result;

use super::parts::{counted, of_cargo_run, skipped};
use super::{Bench, Counts, Outcome};
use crate::cache_dir::CacheDir;
use crate::setup;
use crate::tools::cargo::{self, WITH_MACHINES};

/// What is played where time is short: a boot through firmware and loader, a restored snapshot, a power cut, a network
/// cut, a clean end after SIGKILL, and a machine that outlives the command that started it. Two minutes on two busy cores without KVM, four with the image and compiling.
const CORE: [&str; 6] = [
    "a_cold_boot_goes_through_firmware_and_loader_and_so_does_a_reboot",
    "copies_of_a_snapshot_are_machines_of_their_own",
    "what_was_synced_survives_a_power_cut_and_a_machine_that_is_off_says_so",
    "a_cut_cable_stops_ssh_and_not_the_agent",
    "after_a_kill",
    "with_a_machine::a_kept_machine_is_listed_looked_at_and_stopped",
];

/// Tests at a time, as many as the harness lets boot at a time. More make each other slow.
const AT_ONCE: usize = 2;

impl Bench<'_> {
    pub(super) async fn machines(&self) -> Result<Outcome> {
        let tools = match setup::vm(self.global).await {
            Ok(tools) => tools,
            Err(error) => return Ok(skipped(format!("{error:#}"))),
        };
        let mut sum = Outcome::default();
        let mut names: &[&str] = &[];
        if self.core {
            let mut listed = Vec::new();
            for tests in WITH_MACHINES {
                let output = tests.list().current_dir(self.root).capture().await?;
                if !output.status.success() {
                    return Ok(of_cargo_run(&output));
                }
                listed.push(output.text());
            }
            match left_out(&listed) {
                Ok(note) => sum.notes.push(note),
                Err(outcome) => return Ok(outcome),
            }
            names = &CORE;
        }
        let cache = CacheDir::find()?.machines();
        let mut failures = Vec::new();
        for tests in WITH_MACHINES {
            let output = self
                .with_nix(tests.run_some(names, AT_ONCE))
                .current_dir(self.root)
                .env("HARNESS_TOOLS", &tools)
                .env("HARNESS_CACHE", &cache)
                // The tools are there: a test that cannot have its guest has failed.
                .env("HARNESS_REQUIRED", "1")
                .capture()
                .await?;
            let outcome = of_cargo_run(&output);
            sum.counts += outcome.counts;
            sum.skips.extend(outcome.skips);
            failures.extend(outcome.failure);
        }
        sum.failure = (!failures.is_empty()).then(|| failures.join("\n"));
        Ok(sum)
    }
}

/// What the core does not play, by name; a failure if one of the core is not among the tests.
fn left_out(listed: &[String]) -> Result<String, Outcome> {
    let all: Vec<&str> = listed
        .iter()
        .flat_map(|printed| cargo::listed(printed))
        .collect();
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
    use super::*;

    fn listing(names: &[&str]) -> [String; 2] {
        let (some, others) = names.split_at(2);
        [some, others].map(|names| names.iter().map(|name| format!("{name}: test\n")).collect())
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

//! What the collector writes is what `status` says, whatever was done to the host.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use guard::answer::{HostState, Outcome};
use guard::release::ActionKind;
use guard::store_path::StorePath;
use support::client::{finish, spawn};
use support::host::Host;
use support::releases::{release, sign};
use support::{in_a_host_of_its_own, run, until, write, PLACE};

const FILE: &str = "/nix/test/metrics/nixos.prom";

/// Samples by name and labels, as they stand in the file.
type Samples = BTreeMap<String, u64>;

/// Runs the collector, with some of its settings otherwise.
fn collect(other: &serde_json::Value) -> Samples {
    let mut settings = serde_json::json!({
        "loader": "systemd-boot",
        "bootctl": "/nix/test/bin/bootctl",
        "esp": "/nix/test",
        "testLeaseSeconds": 3600,
        "places": {
            "state": "/nix/test/state",
            "running": "/nix/test/current-system",
            "booted": "/nix/test/booted-system",
        },
    });
    for (key, value) in other.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let file = format!("{PLACE}/metrics/settings.json");
    write(&file, &settings.to_string(), 0o644);
    run(
        "/nix/test/bin/slipway-guard",
        &["--config", &file, "metrics", "--to", FILE],
    );
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    let text = std::fs::read_to_string(FILE).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(sample)
        .collect()
}

fn collected() -> Samples {
    collect(&serde_json::json!({}))
}

fn info(role: &str, toplevel: &StorePath, revision: &str) -> String {
    format!("nixos_system_info{{role=\"{role}\",toplevel=\"{toplevel}\",version=\"\",revision=\"{revision}\"}}")
}

/// The samples, once they are held against what the guard answers.
#[track_caller]
fn as_status_says(host: &Host) -> Samples {
    let (samples, status) = (collected(), host.status());
    let is = |name: &str, value: u64| assert_eq!(samples[name], value, "{name}: {samples:#?}");
    let commit = status.running_commit.unwrap_or_default();
    is(&info("running", &status.running.unwrap(), &commit), 1);
    let has = |role: &str, toplevel: StorePath| {
        let beginning = format!("nixos_system_info{{role=\"{role}\",toplevel=\"{toplevel}\"");
        let count = samples
            .keys()
            .filter(|name| name.starts_with(&beginning))
            .count();
        assert_eq!(count, 1, "{beginning} in {samples:#?}");
    };
    has("boot", status.boot_default.unwrap());
    has("booted", status.booted.unwrap());
    let waits = status.state == (HostState::OnTrial { booted: false });
    is(
        "nixos_reboot_required",
        (waits || !status.reboot_due.is_empty()).into(),
    );
    match status.state {
        HostState::TestUntil { until } => {
            is("nixos_test_activation", 1);
            is("nixos_test_activation_until_seconds", until.unix());
        }
        _ => is("nixos_test_activation", 0),
    }
    if let Some(ended) = status.last_activation.and_then(|last| last.ended) {
        let good = matches!(
            ended.outcome,
            Outcome::Confirmed | Outcome::Testing { .. } | Outcome::BootPending
        );
        is("nixos_deployment_last_success", good.into());
        is("nixos_deployment_last_time_seconds", ended.at.unix());
    }
    is("nixos_guard", 1);
    samples
}

/// Generations of what runs, boots next and was booted; counters of the newest release, and of what runs.
fn numbers(samples: &Samples) -> [u64; 5] {
    [
        "nixos_current_generation",
        "nixos_boot_generation",
        "nixos_booted_generation",
        "nixos_release_counter",
        "nixos_running_release_counter",
    ]
    .map(|name| samples[name])
}

fn test(host: &Host, counter: u64, name: &str) {
    host.accept(&sign(&release(host, counter, name, ActionKind::Test)))
        .good();
    let activate = spawn(host.ssh_command("ci", &host.activate_line(name, " --test")));
    host.wait(name).good();
    host.confirm("ci", name).good();
    finish(activate).good();
}

#[test]
fn metrics_are_what_status_says() {
    in_a_host_of_its_own("metrics_are_what_status_says", |host| {
        assert_eq!(numbers(&as_status_says(host)), [1, 1, 1, 0, 0]);

        host.release(1, "new", ActionKind::Switch);
        host.deploys("new");
        assert_eq!(numbers(&as_status_says(host)), [2, 2, 1, 1, 1]);

        test(host, 2, "newer");
        assert_eq!(numbers(&as_status_says(host)), [0, 2, 1, 1, 2]);
        host.reboot();
        assert_eq!(numbers(&as_status_says(host)), [2, 2, 2, 1, 1]);

        host.release(3, "healthy", ActionKind::Boot);
        host.activate("healthy", " --boot").good();
        let waiting = as_status_says(host);
        assert_eq!(waiting["nixos_reboot_reason{reason=\"boot-pending\"}"], 1);
        assert_eq!(numbers(&waiting), [2, 2, 2, 1, 1]);
        host.done(host.ssh("ci", "reboot"));
        host.reboot();
        until("it is judged", 20, || host.is_idle());
        assert_eq!(numbers(&as_status_says(host)), [3, 3, 3, 3, 3]);

        host.release(4, "fails", ActionKind::Switch);
        host.deploy("fails");
        let failed = as_status_says(host);
        let rolled_back = failed
            .keys()
            .find(|name| name.contains("outcome=\"rolled-back\""));
        assert!(rolled_back.is_some(), "{failed:#?}");
        assert_eq!(numbers(&failed), [3, 3, 3, 3, 3]);
    });
}

#[test]
fn what_nobody_asked_the_guard_for_is_seen_all_the_same() {
    in_a_host_of_its_own(
        "what_nobody_asked_the_guard_for_is_seen_all_the_same",
        |host| {
            host.release(1, "new", ActionKind::Switch);
            host.deploys("new");
            let newer = host.toplevel("newer");
            let link = format!("{PLACE}/current-system");
            run("ln", &["-sfn", newer.as_str(), &link]);
            let samples = collected();
            assert_eq!(numbers(&samples), [0, 2, 1, 1, 0]);
            assert_eq!(samples[&info("running", &newer, "")], 1);
            assert_eq!(samples["nixos_test_activation"], 1);
            let until = samples["nixos_test_activation_until_seconds"];
            let now = guard::time::Time::now().unix();
            assert!((now + 3500..=now + 3600).contains(&until), "{until}");
            assert!(samples["nixos_config_age_seconds"] < 100);
        },
    );
}

#[test]
fn a_host_without_a_guard_has_figures_too() {
    in_a_host_of_its_own("a_host_without_a_guard_has_figures_too", |host| {
        let places = serde_json::json!({
            "state": "/nix/test/no-guard",
            "running": "/nix/test/current-system",
            "booted": "/nix/test/booted-system",
        });
        let cache = |answer: &str| {
            write(
                "/nix/test/bin/curl",
                &format!("#!/bin/sh\n{answer}\n"),
                0o755,
            );
            let cache = serde_json::json!({ "url": "http://cache", "curl": "/nix/test/bin/curl", "timeout": 1 });
            collect(&serde_json::json!({ "places": places, "cache": cache }))
        };
        let samples = cache("echo StoreDir: /nix/store");
        assert_eq!(samples["nixos_guard"], 0);
        assert_eq!(samples["nixos_current_generation"], 1);
        assert_eq!(samples["nixos_reboot_required"], 0);
        assert_eq!(samples["nixos_cache_up{url=\"http://cache\"}"], 1);
        assert!(!samples.keys().any(|name| name.contains("deployment")));
        // Nothing of a guard was made.
        assert!(!std::path::Path::new("/nix/test/no-guard").exists());
        for dead in [
            "echo StoreDir: /nix/store; exit 22",
            "echo '<html>'",
            "sleep 100",
        ] {
            let samples = cache(dead);
            assert_eq!(samples["nixos_cache_up{url=\"http://cache\"}"], 0, "{dead}");
        }

        // Where the loader cannot be asked, what boots next is not told, and nothing is made of it.
        let samples = collect(&serde_json::json!({ "places": places, "bootctl": "/bin/false" }));
        assert!(!samples.contains_key("nixos_boot_generation"));
        assert!(!samples.contains_key("nixos_reboot_required"));
        assert_eq!(samples["nixos_test_activation"], 0);
        // Node exporter is another user.
        let mode = std::fs::metadata(FILE).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(host.is(), ["old", "old", "old"]);
    });
}

//! What lasts longer than one activation: tests with a lease, boots on trial, and what survives a collection.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use guard::answer::{HostState, Outcome};
use guard::refusal::Code;
use guard::release::ActionKind;
use support::client::{finish, spawn};
use support::host::Host;
use support::releases::{release, sign};
use support::{in_a_host_of_its_own, run, until};

fn collect_garbage() {
    run("/nix/test/bin/nix-collect-garbage", &["-d"]);
}

/// A test of a closure, as deploy-rs asks for one.
fn test(host: &Host, name: &str, flags: &str) {
    let activate = spawn(host.ssh_command("ci", &host.activate_line(name, flags)));
    host.wait(name).good();
    host.confirm("ci", name).good();
    finish(activate).good();
}

fn accept_test(host: &Host, counter: u64, name: &str, lease: Option<u64>) {
    let mut asked = release(host, counter, name, ActionKind::Test);
    let named = asked.hosts.get_mut("Niko").unwrap();
    named.action.lease_seconds = lease;
    host.accept(&sign(&asked)).good();
}

#[test]
fn a_test_ends_with_its_lease() {
    in_a_host_of_its_own("a_test_ends_with_its_lease", |host| {
        accept_test(host, 1, "new", Some(4));
        test(host, "new", " --test");
        assert_eq!(host.is(), ["new", "old", "old"]);
        assert!(matches!(host.status().state, HostState::TestUntil { .. }));
        assert_eq!(host.calls(), ["test new"]);
        until("the lease ends", 20, || host.is_idle());
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert_eq!(host.calls(), ["test old"]);
    });
}

#[test]
fn a_test_ends_with_a_reboot() {
    in_a_host_of_its_own("a_test_ends_with_a_reboot", |host| {
        accept_test(host, 1, "new", None);
        // Older revisions of deploy-rs have no flag for it: the release says what it is.
        test(host, "new", "");
        // A failing test after it returns to exactly what ran.
        accept_test(host, 2, "fails", None);
        assert_eq!(host.activate("fails", " --test").code, Some(1));
        assert_eq!(host.is(), ["new", "old", "old"]);
        assert!(matches!(host.status().state, HostState::TestUntil { .. }));
        host.reboot();
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert!(host.is_idle());
    });
}

#[test]
fn what_runs_and_what_boots_survive_a_collection() {
    in_a_host_of_its_own("what_runs_and_what_boots_survive_a_collection", |host| {
        host.release(1, "new", ActionKind::Switch);
        host.deploys("new");
        accept_test(host, 2, "newer", None);
        test(host, "newer", " --test");
        collect_garbage();
        for name in ["old", "new", "newer"] {
            assert!(host.toplevel(name).as_path().exists(), "{name}");
        }
        assert!(!host.toplevel("healthy").as_path().exists());
        host.done(host.ssh("ci", "rollback"));
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

#[test]
fn a_test_is_kept_by_an_operator() {
    in_a_host_of_its_own("a_test_is_kept_by_an_operator", |host| {
        host.ssh("laptop", "keep").is_refused(Code::NoTest);
        accept_test(host, 1, "new", Some(3));
        test(host, "new", " --test");
        host.ssh("ci", "keep").is_refused(Code::NotOperator);
        host.done(host.ssh("laptop", "keep"));
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert!(host.is_idle());
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

#[test]
fn a_later_deployment_ends_a_test() {
    in_a_host_of_its_own("a_later_deployment_ends_a_test", |host| {
        accept_test(host, 1, "new", Some(3600));
        test(host, "new", " --test");
        host.release(2, "newer", ActionKind::Switch);
        host.deploys("newer");
        assert!(host.is_idle());
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
    });
}

#[test]
fn a_healthy_boot_on_trial_becomes_the_default() {
    in_a_host_of_its_own("a_healthy_boot_on_trial_becomes_the_default", |host| {
        host.release(1, "healthy", ActionKind::Boot);
        host.activate("healthy", " --boot").good();
        // Nothing live was touched, and the default is still the old one.
        assert_eq!(host.calls(), ["boot healthy"]);
        assert_eq!(host.is(), ["old", "old", "healthy"]);
        assert_eq!(host.status().state, HostState::OnTrial { booted: false });
        host.release(2, "new", ActionKind::Switch);
        host.activate("new", "").is_refused(Code::OnTrial);
        collect_garbage();
        host.done(host.ssh("ci", "reboot"));
        host.reboot();
        until("it is judged", 20, || host.is_idle());
        assert_eq!(host.is(), ["healthy", "healthy", "healthy"]);
        assert_eq!(host.outcome(), Outcome::Confirmed);
        // The firmware's variables hold nothing that outranks the loader's file.
        assert!(!std::path::Path::new("/nix/test/efi-default").exists());
        host.reboot();
        assert_eq!(host.is(), ["healthy", "healthy", "healthy"]);
    });
}

#[test]
fn a_boot_on_trial_that_fails_costs_one_power_cycle() {
    in_a_host_of_its_own("a_boot_on_trial_that_fails_costs_one_power_cycle", |host| {
        host.release(1, "unhealthy", ActionKind::Boot);
        host.activate("unhealthy", " --boot").good();
        host.stop_guard();
        // The configuration that will be read once it has booted.
        let check = serde_json::json!({ "c": { "command": "exit 3", "user": "root", "settle": 0, "retries": 0, "timeout": 5 } });
        host.configure(&serde_json::json!({ "healthChecks": check }));
        host.start_guard();
        host.calls();
        host.reboot();
        assert_eq!(host.is()[0], "unhealthy");
        until("it is judged, and reboots by itself", 20, || {
            host.calls() == ["reboot"]
        });
        host.reboot();
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert!(host.is_idle());
        assert!(
            matches!(host.outcome(), Outcome::TrialFailed { text } if text.contains("exited 3"))
        );
        assert!(!std::path::Path::new("/nix/test/efi-default").exists());
    });
}

#[test]
fn a_kernel_that_does_not_come_up_costs_one_power_cycle() {
    in_a_host_of_its_own(
        "a_kernel_that_does_not_come_up_costs_one_power_cycle",
        |host| {
            host.release(1, "new", ActionKind::Boot);
            host.activate("new", " --boot").good();
            // It panics: its one boot is spent, and no guard of it ever ran.
            std::fs::remove_file("/nix/test/efi-oneshot").unwrap();
            host.reboot();
            assert_eq!(host.is(), ["old", "old", "old"]);
            assert!(matches!(host.outcome(), Outcome::TrialFailed { .. }));
            assert!(host.is_idle());
        },
    );
}

#[test]
fn a_host_that_must_not_reboot_alone_does_not() {
    in_a_host_of_its_own("a_host_that_must_not_reboot_alone_does_not", |host| {
        host.release(1, "new", ActionKind::Boot);
        host.activate("new", " --boot").good();
        host.stop_guard();
        std::fs::write("/nix/test/failed-units", "broken.service loaded failed\n").unwrap();
        host.configure(&serde_json::json!({ "unattendedReboot": false }));
        host.start_guard();
        host.ssh("ci", "reboot").is_refused(Code::RebootForbidden);
        host.calls();
        host.reboot();
        until("it is judged", 20, || {
            matches!(host.outcome(), Outcome::TrialFailed { .. })
        });
        assert_eq!(host.calls(), [""; 0]);
        assert_eq!(host.is()[0], "new");
        // The next power cycle is the old one's.
        host.reboot();
        assert_eq!(host.is(), ["old", "old", "old"]);
    });
}

#[test]
fn a_trial_that_has_not_booted_is_called_off() {
    in_a_host_of_its_own("a_trial_that_has_not_booted_is_called_off", |host| {
        host.release(1, "new", ActionKind::Boot);
        host.activate("new", " --boot").good();
        let answer = host.ssh("ci", "rollback");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert!(host.is_idle());
        host.reboot();
        assert_eq!(host.is(), ["old", "old", "old"]);
    });
}

//! Deployments through the ssh door, with real sshd, signatures and Nix: what they leave the host as.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use guard::answer::{Cause, HostState, Outcome};
use guard::refusal::Code;
use guard::release::ActionKind;
use support::client::{finish, spawn};
use support::host::Host;
use support::{in_a_host_of_its_own, run, until};

fn rolled_back(host: &Host) -> Cause {
    match host.outcome() {
        Outcome::RolledBack { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_is_deployed_upgraded_and_rolled_back() {
    in_a_host_of_its_own("a_release_is_deployed_upgraded_and_rolled_back", |host| {
        assert_eq!(host.is(), ["old", "old", "old"]);
        host.release(1, "new", ActionKind::Switch);
        host.deploys("new");
        assert_eq!(host.is(), ["new", "new", "new"]);
        // Nothing of the closure that deploy-rs copies was run, and the boot loader was written last.
        assert_eq!(host.calls(), ["test new", "boot new"]);
        let status = host.status();
        assert_eq!(
            status.running_commit.as_deref(),
            Some(support::releases::COMMIT)
        );
        assert_eq!(status.last_release.unwrap().counter, 1);
        host.release(2, "newer", ActionKind::Switch);
        host.deploys("newer");
        host.reboot();
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
        host.done(host.ssh("ci", "rollback"));
        assert_eq!(host.is(), ["new", "new", "new"]);
        // Generation 1 is what the installer left, and what the guard found.
        host.done(host.ssh("ci", "rollback --to 1"));
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert!(host.is_idle());
        let who: Vec<String> = host
            .history()
            .entries
            .iter()
            .map(|entry| entry.by.clone())
            .collect();
        assert_eq!(who, vec!["ci"; 6]);
    });
}

#[test]
fn what_fails_returns_to_what_ran_before() {
    in_a_host_of_its_own("what_fails_returns_to_what_ran_before", |host| {
        let cases = [
            ("fails", Cause::ActivationFailed),
            ("hangs", Cause::ActivationTimedOut),
            ("unit-fails", Cause::ActivationFailed),
            ("unhealthy", Cause::Unhealthy),
        ];
        for (counter, (name, cause)) in (1..).zip(cases) {
            host.release(counter, name, ActionKind::Switch);
            let [activated, waited, confirmed] = host.deploy(name);
            assert_eq!(
                (activated.code, waited.code),
                (Some(1), Some(1)),
                "{activated:?} {waited:?}"
            );
            confirmed.is_refused(Code::NotAwaiting);
            assert_eq!(rolled_back(host), cause, "{name}");
            assert_eq!(host.is(), ["old", "old", "old"], "{name}");
            assert_eq!(
                host.calls(),
                [format!("test {name}"), "test old".to_owned()]
            );
            let _ = std::fs::remove_file("/nix/test/failed-units");
        }
        for (counter, name) in [(11, "healthy"), (12, "as-nobody")] {
            host.release(counter, name, ActionKind::Switch);
            host.deploys(name);
        }
    });
}

#[test]
fn what_nobody_confirms_is_taken_back() {
    in_a_host_of_its_own("what_nobody_confirms_is_taken_back", |host| {
        host.release(1, "new", ActionKind::Switch);
        let answer = host.activate("new", "");
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.stderr.contains("nobody confirmed it"), "{answer:?}");
        assert_eq!(rolled_back(host), Cause::NotConfirmed);
        assert_eq!(host.is(), ["old", "old", "old"]);
        // The canary is gone: a confirmation that comes too late confirms nothing, and a second try needs its own.
        host.confirm("ci", "new").is_refused(Code::NotAwaiting);
        assert_eq!(host.activate("new", "").code, Some(1));
        assert_eq!(host.is(), ["old", "old", "old"]);
        host.deploys("new");
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

#[test]
fn a_confirmation_is_the_same_key_s() {
    in_a_host_of_its_own("a_confirmation_is_the_same_key_s", |host| {
        host.release(1, "new", ActionKind::Switch);
        let activate = spawn(host.ssh_command("ci", &host.activate_line("new", "")));
        host.wait("new").good();
        host.confirm("laptop", "new").is_refused(Code::NotYours);
        host.confirm("ci", "newer").is_refused(Code::NotAwaiting);
        host.confirm("ci", "new").good();
        finish(activate).good();
    });
}

#[test]
fn a_client_that_is_lost_takes_nothing_with_it() {
    in_a_host_of_its_own("a_client_that_is_lost_takes_nothing_with_it", |host| {
        host.release(1, "slow", ActionKind::Switch);
        let mut client = spawn(host.ssh_command("ci", &host.activate_line("slow", "")));
        until("it is activating", 10, || {
            host.status().state == HostState::Activating
        });
        client.kill().unwrap();
        client.wait().unwrap();
        until("it goes on and is taken back", 20, || host.is_idle());
        assert_eq!(rolled_back(host), Cause::NotConfirmed);
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert_eq!(host.calls(), ["test slow", "test old"]);
    });
}

#[test]
fn the_service_may_start_again_in_the_middle() {
    in_a_host_of_its_own("the_service_may_start_again_in_the_middle", |host| {
        host.release(1, "slow", ActionKind::Switch);
        let client = spawn(host.ssh_command("ci", &host.activate_line("slow", "")));
        until("it is activating", 10, || {
            host.status().state == HostState::Activating
        });
        let waiting = spawn(host.ssh_command("ci", &host.wait_line("slow")));
        // It is there before the service goes, as deploy-rs's is.
        std::thread::sleep(Duration::from_millis(500));
        host.stop_guard();
        std::thread::sleep(Duration::from_millis(500));
        host.start_guard();
        finish(waiting).good();
        host.confirm("ci", "slow").good();
        let answer = finish(client);
        assert_eq!(
            answer.stderr.matches("guard: activated;").count(),
            1,
            "{answer:?}"
        );
        answer.good();
        assert_eq!(host.is(), ["slow", "slow", "slow"]);
    });
}

#[test]
fn an_activation_that_is_killed_is_taken_back() {
    in_a_host_of_its_own("an_activation_that_is_killed_is_taken_back", |host| {
        host.release(1, "hangs", ActionKind::Switch);
        let client = spawn(host.ssh_command("ci", &host.activate_line("hangs", "")));
        until("it runs", 10, || host.is()[0] == "hangs");
        host.kill_activations();
        let answer = finish(client);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(
            answer.stderr.contains("what was begun is taken back"),
            "{answer:?}"
        );
        until("it is taken back", 20, || host.is_idle());
        assert_eq!(rolled_back(host), Cause::GuardKilled);
        assert_eq!(host.is(), ["old", "old", "old"]);
    });
}

#[test]
fn a_boot_loader_that_is_full_takes_all_of_it_back() {
    in_a_host_of_its_own("a_boot_loader_that_is_full_takes_all_of_it_back", |host| {
        host.release(1, "new", ActionKind::Switch);
        host.deploys("new");
        host.release(2, "newer", ActionKind::Switch);
        std::fs::write("/nix/test/esp-full", "").unwrap();
        let [activated, waited, confirmed] = host.deploy("newer");
        waited.good();
        assert_eq!(
            (activated.code, confirmed.code),
            (Some(1), Some(1)),
            "{activated:?} {confirmed:?}"
        );
        assert_eq!(host.is(), ["new", "new", "new"]);
        assert_eq!(rolled_back(host), Cause::BootLoaderFailed);
        // The generation that nothing leads to is gone.
        assert!(!std::path::Path::new("/nix/var/nix/profiles/system-3-link").exists());
    });
}

#[test]
fn a_disk_that_fills_takes_all_of_it_back_and_the_end_is_known() {
    in_a_host_of_its_own(
        "a_disk_that_fills_takes_all_of_it_back_and_the_end_is_known",
        |host| {
            host.stop_guard();
            run(
                "mount",
                &["-t", "tmpfs", "-o", "size=4m", "full", "/nix/test/state"],
            );
            run("chmod", &["700", "/nix/test/state"]);
            host.start_guard();
            host.release(1, "slow", ActionKind::Switch);
            let client = spawn(host.ssh_command("ci", &host.activate_line("slow", "")));
            until("it is activating", 10, || {
                host.status().state == HostState::Activating
            });
            let fill = "cat /dev/zero >/nix/test/state/filler 2>/dev/null || true";
            run("sh", &["-c", fill]);
            let answer = finish(client);
            assert_eq!(answer.code, Some(1), "{answer:?}");
            assert!(
                answer.stderr.contains("cannot write down what is done"),
                "{answer:?}"
            );
            assert_eq!(host.is(), ["old", "old", "old"]);
            assert!(host.is_idle());
            assert!(matches!(host.outcome(), Outcome::RolledBack { .. }));
            std::fs::remove_file("/nix/test/state/filler").unwrap();
            host.deploys("slow");
            assert_eq!(host.is(), ["slow", "slow", "slow"]);
        },
    );
}

#[test]
fn power_that_is_lost_boots_the_old_one() {
    in_a_host_of_its_own("power_that_is_lost_boots_the_old_one", |host| {
        host.release(1, "slow", ActionKind::Switch);
        let client = spawn(host.ssh_command("ci", &host.activate_line("slow", "")));
        host.wait("slow").good();
        assert_eq!(host.is(), ["slow", "old", "old"]);
        host.reboot();
        drop(finish(client));
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert_eq!(host.outcome(), Outcome::Interrupted);
        // After the confirmation, while the boot loader is being written.
        host.release(2, "boot-hangs", ActionKind::Switch);
        let client = spawn(host.ssh_command("ci", &host.activate_line("boot-hangs", "")));
        host.wait("boot-hangs").good();
        let confirming = spawn(host.ssh_command("ci", &confirm_line(host, "boot-hangs")));
        until("the boot loader is being written", 10, || {
            host.calls().contains(&"boot boot-hangs".to_owned())
        });
        host.reboot();
        drop((finish(client), finish(confirming)));
        assert_eq!(host.is(), ["old", "old", "old"]);
        assert_eq!(host.outcome(), Outcome::Interrupted);
    });
}

fn confirm_line(host: &Host, name: &str) -> String {
    let profile = host.profile(name);
    format!("sudo -u root rm /tmp/deploy-rs-canary-{}", profile.hash())
}

#[test]
fn two_at_once_are_one_after_the_other() {
    in_a_host_of_its_own("two_at_once_are_one_after_the_other", |host| {
        host.release(1, "slow", ActionKind::Switch);
        let first = spawn(host.ssh_command("ci", &host.activate_line("slow", "")));
        until("it is activating", 10, || {
            host.status().state == HostState::Activating
        });
        host.activate("slow", "").is_refused(Code::Busy);
        host.ssh("laptop", "rollback").is_refused(Code::Busy);
        host.ssh("laptop", "reboot").is_refused(Code::Busy);
        host.wait("slow").good();
        host.confirm("ci", "slow").good();
        finish(first).good();
        assert_eq!(host.is(), ["slow", "slow", "slow"]);
    });
}

#[test]
fn revoking_undoes_what_was_done_and_nothing_else() {
    in_a_host_of_its_own("revoking_undoes_what_was_done_and_nothing_else", |host| {
        let revoke = |name: &str| {
            let profile = host.profile(name);
            let line = format!("sudo -u root {profile}/activate-rs revoke --profile-user root --profile-name system");
            host.ssh("ci", &line).good();
        };
        host.release(1, "new", ActionKind::Switch);
        host.activate("new", " --dry-activate").good();
        assert_eq!(host.calls(), ["dry-activate new"]);
        revoke("new");
        assert_eq!(host.is(), ["old", "old", "old"]);
        host.deploys("new");
        host.deploys("new");
        revoke("new");
        // The closure had not changed: nothing is to be undone.
        assert_eq!(host.is(), ["new", "new", "new"]);
        host.release(2, "newer", ActionKind::Switch);
        host.deploys("newer");
        revoke("newer");
        assert_eq!(host.is(), ["new", "new", "new"]);
        revoke("newer");
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

//! An attacker with a deploy key, and the same thing done honestly: each refusal by its code, each twin passing.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use guard::answer::Health;
use guard::refusal::Code;
use guard::release::{ActionKind, NAMESPACE};
use guard::time::Time;
use support::client::{answer, finish, spawn, Answer};
use support::host::Host;
use support::releases::{release, sign, sign_text};
use support::{in_a_host_of_its_own, run, until};

#[test]
fn a_key_is_no_shell_and_no_tunnel() {
    in_a_host_of_its_own("a_key_is_no_shell_and_no_tunnel", |host| {
        for (command, code) in [
            ("", Code::NoShell),
            ("bash -i", Code::UnknownCommand),
            ("status; touch /nix/test/pwned", Code::BadArgument),
            ("status\ntouch /nix/test/pwned", Code::BadArgument),
            ("$(touch /nix/test/pwned)", Code::BadArgument),
            ("sudo -u root touch /nix/test/pwned", Code::UnknownCommand),
            ("nix-store --add /etc/shadow", Code::BadArgument),
            ("nix-daemon --stdio --force-trusted", Code::BadArgument),
            ("sudo -u root rm /nix/test/config.json", Code::BadArgument),
        ] {
            host.ssh("ci", command).is_refused(code);
        }
        host.ssh("ci", "status").good();
        assert!(!std::path::Path::new("/nix/test/pwned").exists());
        assert!(std::path::Path::new("/nix/test/config.json").exists());
        // A stranger does not get as far as a refusal.
        let stranger = host.ssh("stranger", "status");
        assert_eq!((stranger.code, stranger.refused()), (Some(255), None));
        // sftp and forwarding: what would have been a shell's is the guard's.
        let mut sftp = host.ssh_command("ci", "sftp");
        sftp.arg("-s");
        let mut subsystem = std::process::Command::new("ssh");
        subsystem.args(sftp.get_args().filter(|arg| *arg != "sftp" && *arg != "-s"));
        subsystem.args(["-s", "sftp"]);
        // sshd keeps a subsystem's stderr to itself; the journal has it.
        assert_eq!(answer(subsystem, "").code, Some(guard::refusal::EXIT_CODE));
        // It is written by somebody else, at its own pace.
        let begun = std::time::Instant::now();
        let journal = loop {
            let text = std::fs::read_to_string("/nix/test/log").unwrap();
            let is_there =
                |line: &str| line.contains("unknown-command") && line.contains("internal-sftp");
            if text.lines().any(is_there) || begun.elapsed().as_secs() > 20 {
                break text;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        assert!(
            journal.contains("ci: refused unknown-command: "),
            "{journal}"
        );
        assert!(journal.contains("internal-sftp"), "{journal}");
        let mut forward = std::process::Command::new("ssh");
        // At this level ssh says who closed the channel: sshd, and not a port that nobody listens on.
        forward.args(["-oLogLevel=INFO", "-oExitOnForwardFailure=yes"]);
        forward.args(["-W", "127.0.0.1:2222"]);
        forward.args(
            host.ssh_command("ci", "x")
                .get_args()
                .filter(|arg| *arg != "x"),
        );
        let forwarded = answer(forward, "");
        assert!(
            forwarded.code != Some(0) && forwarded.stderr.contains("prohibited"),
            "{forwarded:?}"
        );
    });
}

#[test]
fn nothing_of_the_client_s_environment_arrives() {
    in_a_host_of_its_own("nothing_of_the_client_s_environment_arrives", |host| {
        host.release(1, "new", ActionKind::Switch);
        let mut command = host.ssh_command("ci", &host.activate_line("new", " --dry-activate"));
        command
            .env("NIXOS_NO_CHECK", "1")
            .env("LD_PRELOAD", "/evil.so")
            .env("PATH", "/evil");
        let mut with = std::process::Command::new("ssh");
        with.args([
            "-oSendEnv=NIXOS_NO_CHECK",
            "-oSendEnv=LD_AUDIT",
            "-oSetEnv=NIX_REMOTE=evil",
        ]);
        with.args(command.get_args())
            .env("NIXOS_NO_CHECK", "1")
            .env("LD_AUDIT", "/evil.so");
        answer(with, "").good();
        let seen = std::fs::read_to_string("/nix/test/environment").unwrap();
        for evil in ["NIXOS_NO_CHECK", "evil", "SSH_"] {
            assert!(!seen.contains(evil), "{evil} in {seen}");
        }
    });
}

#[test]
fn a_release_is_taken_only_whole_new_and_signed() {
    in_a_host_of_its_own("a_release_is_taken_only_whole_new_and_signed", |host| {
        let good = release(host, 5, "new", ActionKind::Switch);
        let text = good.to_text().unwrap();
        host.activate("new", "").is_refused(Code::NoRelease);

        host.ssh_with("ci", "accept-release", "{")
            .is_refused(Code::BadDocument);
        let long = " ".repeat(guard::release::WIRE_LIMIT + 10);
        host.ssh_with("ci", "accept-release", &long)
            .is_refused(Code::TooLong);
        host.accept(&sign_text("stranger", NAMESPACE, &text))
            .is_refused(Code::BadSignature);
        // CI's own key, and the signer's for something else.
        host.accept(&sign_text("ci", NAMESPACE, &text))
            .is_refused(Code::BadSignature);
        host.accept(&sign_text("signer", "git", &text))
            .is_refused(Code::BadSignature);
        let mut edited = sign(&good);
        edited.release = edited.release.replace("\"counter\": 5", "\"counter\": 6");
        host.accept(&edited).is_refused(Code::BadSignature);

        let mut expired = good.clone();
        expired.made = Time::from_unix(1000);
        expired.expires = Time::from_unix(2000);
        host.accept(&sign(&expired)).is_refused(Code::Expired);
        let mut early = good.clone();
        early.made = Time::from_unix(Time::now().unix() + 4000);
        early.expires = Time::from_unix(Time::now().unix() + 8000);
        host.accept(&sign(&early)).is_refused(Code::NotYetValid);
        let mut elsewhere = good.clone();
        elsewhere.hosts = [("Niko-2".to_owned(), good.hosts["Niko"].clone())].into();
        host.accept(&sign(&elsewhere)).is_refused(Code::OtherHost);
        let mut newer = sign_text(
            "signer",
            NAMESPACE,
            &text.replace("\"version\": 1", "\"version\": 2"),
        );
        host.accept(&newer).is_refused(Code::UnknownVersion);
        newer = sign_text(
            "signer",
            NAMESPACE,
            &text.replace("slipway-release", "something"),
        );
        host.accept(&newer).is_refused(Code::BadDocument);

        host.accept(&sign(&good)).good();
        let again: guard::answer::Accepted =
            serde_json::from_str(&host.accept(&sign(&good)).good()).unwrap();
        assert!(again.known);
        host.accept(&sign(&release(host, 4, "new", ActionKind::Switch)))
            .is_refused(Code::Downgrade);
        host.accept(&sign(&release(host, 5, "old", ActionKind::Switch)))
            .is_refused(Code::CounterReused);

        host.activate("newer", "").is_refused(Code::NotInRelease);
        host.activate("new", " --boot")
            .is_refused(Code::WrongAction);
        host.activate("new", " --test")
            .is_refused(Code::WrongAction);
        let unconfirmed = host
            .activate_line("new", "")
            .replace(" --magic-rollback", "");
        host.ssh("ci", &unconfirmed)
            .is_refused(Code::NoConfirmation);
        let elsewhere = host
            .activate_line("new", "")
            .replace("--profile-name system", "--profile-name x");
        host.ssh("ci", &elsewhere).is_refused(Code::WrongProfile);
        // A signer that is no longer allowed has signed nothing.
        let allowed = std::fs::read_to_string("/nix/test/allowed-signers").unwrap();
        std::fs::write("/nix/test/allowed-signers", "").unwrap();
        host.activate("new", "").is_refused(Code::BadSignature);
        std::fs::write("/nix/test/allowed-signers", allowed).unwrap();
        assert_eq!(host.calls(), [""; 0]);
        host.deploys("new");
    });
}

/// Asks for a look at it, which makes every check that an activation makes.
fn look(host: &Host, counter: u64, name: &str) -> Answer {
    host.release(counter, name, ActionKind::Switch);
    host.activate(name, " --dry-activate")
}

#[test]
fn every_path_is_signed() {
    in_a_host_of_its_own("every_path_is_signed", |host| {
        // A signature binds the names of what a path refers to, not what is in it.
        let top = host.toplevel("with-dependency");
        look(host, 1, "with-dependency").is_refused(Code::Unsigned);
        host.sign_path(top.as_str());
        let refused = look(host, 2, "with-dependency");
        assert!(refused.stderr.contains("-dependency"), "{refused:?}");
        refused.is_refused(Code::Unsigned);
        sign_references(host, top.as_str());
        look(host, 3, "with-dependency").good();

        let top = host.toplevel("with-file");
        host.sign_path(top.as_str());
        look(host, 4, "with-file").is_refused(Code::ContentAddressed);
        sign_references(host, top.as_str());
        look(host, 5, "with-file").good();

        // What an untrusted user may add: a whole system, content-addressed and unsigned.
        let own = "/nix/test/own-system";
        run("cp", &["-rL", host.toplevel("new").as_str(), own]);
        let path = run(
            "/nix/test/bin/nix",
            &["store", "add-path", "--name", "nixos-system-Niko-own", own],
        );
        let mut named = release(host, 6, "new", ActionKind::Switch);
        named.hosts.get_mut("Niko").unwrap().toplevel = path.trim().parse().unwrap();
        host.accept(&sign(&named)).good();
        host.activate("new", " --dry-activate")
            .is_refused(Code::ContentAddressed);
        host.sign_path(path.trim());
        host.activate("new", " --dry-activate").good();
        assert_eq!(
            host.calls(),
            [
                "dry-activate with-dependency",
                "dry-activate with-file",
                "dry-activate new"
            ]
        );
    });
}

fn sign_references(host: &Host, path: &str) {
    for reference in run(
        "/nix/test/bin/nix-store",
        &["--query", "--references", path],
    )
    .lines()
    {
        host.sign_path(reference);
    }
}

#[test]
fn what_is_no_system_of_this_host_is_not_switched_to() {
    in_a_host_of_its_own(
        "what_is_no_system_of_this_host_is_not_switched_to",
        |host| {
            // Named for this host by mistake: the configuration is another's.
            look(host, 1, "elsewhere").is_refused(Code::OtherHost);
            look(host, 2, "no-system").is_refused(Code::NotASystem);
            look(host, 3, "no-guard").is_refused(Code::RemovesGuard);
            let mut removing = release(host, 4, "no-guard", ActionKind::Switch);
            removing.hosts.get_mut("Niko").unwrap().removes_guard = true;
            host.accept(&sign(&removing)).good();
            host.activate("no-guard", " --dry-activate").good();
            let mut gone = release(host, 5, "new", ActionKind::Switch);
            let gone_path = "/nix/store/00000000000000000000000000000000-nixos-system-Niko-gone";
            gone.hosts.get_mut("Niko").unwrap().toplevel = gone_path.parse().unwrap();
            host.accept(&sign(&gone)).good();
            host.activate("new", " --dry-activate")
                .is_refused(Code::NotInStore);
            look(host, 6, "new").good();
        },
    );
}

#[test]
fn space_is_looked_at_first() {
    in_a_host_of_its_own("space_is_looked_at_first", |host| {
        host.release(1, "new", ActionKind::Switch);
        for (free, code) in [
            (
                serde_json::json!({ "store": 1_u64 << 60, "esp": 1 }),
                Code::NoSpace,
            ),
            (
                serde_json::json!({ "store": 1, "esp": 1_u64 << 60 }),
                Code::NoEspSpace,
            ),
        ] {
            host.stop_guard();
            host.configure(&serde_json::json!({ "minFree": free }));
            host.start_guard();
            host.activate("new", "").is_refused(code);
        }
        assert_eq!(host.calls(), [""; 0]);
    });
}

#[test]
fn operators_hold_and_nobody_else_does() {
    in_a_host_of_its_own("operators_hold_and_nobody_else_does", |host| {
        host.release(1, "new", ActionKind::Switch);
        host.ssh("ci", "hold").is_refused(Code::NotOperator);
        host.ssh("laptop", "unhold").is_refused(Code::NotHeld);
        host.done(host.ssh("laptop", "hold --reason 'new disk'"));
        let refused = host.activate("new", "");
        assert!(refused.stderr.contains("new disk"), "{refused:?}");
        refused.is_refused(Code::Held);
        host.ssh("ci", "rollback").is_refused(Code::Held);
        host.ssh("ci", "reboot").is_refused(Code::Held);
        host.ssh("ci", "unhold").is_refused(Code::NotOperator);
        // Looking is allowed, and the host's own root does not depend on any key.
        host.activate("new", " --dry-activate").good();
        run(
            "/nix/test/bin/slipway-guard",
            &["--config", "/nix/test/config.json", "local", "unhold"],
        );
        host.deploys("new");
    });
}

#[test]
fn reboots_have_their_rule() {
    in_a_host_of_its_own("reboots_have_their_rule", |host| {
        host.ssh("ci", "reboot").is_refused(Code::NoRebootDue);
        host.done(host.ssh("laptop", "reboot"));
        assert_eq!(host.calls(), ["reboot"]);
        host.stop_guard();
        host.configure(&serde_json::json!({ "unattendedReboot": false }));
        host.start_guard();
        host.ssh("ci", "reboot").is_refused(Code::RebootForbidden);
        host.done(host.ssh("laptop", "reboot"));
        assert_eq!(host.calls(), ["reboot"]);
    });
}

#[test]
fn reboots_keep_to_the_window() {
    in_a_host_of_its_own("reboots_keep_to_the_window", |host| {
        // A boot that waits is a reason, for CI's key too.
        host.release(1, "new", ActionKind::Boot);
        host.activate("new", " --boot").good();
        host.calls();
        let hour = |from_now: u64| {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
            format!("{:02}:00", (since / 3600 + from_now) % 24)
        };
        let window = |from: u64, until: u64| {
            host.stop_guard();
            let window =
                serde_json::json!({ "from": hour(from), "until": hour(until), "days": [] });
            host.configure(&serde_json::json!({ "rebootWindow": window }));
            host.start_guard();
        };
        window(2, 3);
        host.ssh("ci", "reboot").is_refused(Code::OutsideWindow);
        host.ssh("laptop", "reboot").is_refused(Code::OutsideWindow);
        host.ssh("ci", "reboot --now").is_refused(Code::NotOperator);
        assert_eq!(host.calls(), [""; 0]);
        host.done(host.ssh("laptop", "reboot --now"));
        assert_eq!(host.calls(), ["reboot"]);
        window(0, 2);
        host.done(host.ssh("ci", "reboot"));
        assert_eq!(host.calls(), ["reboot"]);
    });
}

/// What the host says of its health when it is asked, whoever has a key.
#[test]
fn health_is_told_and_checks_run_once_at_a_time() {
    in_a_host_of_its_own("health_is_told_and_checks_run_once_at_a_time", |host| {
        host.stop_guard();
        let check = |command: &str| serde_json::json!({ "command": command, "user": "root", "settle": 0, "retries": 0, "timeout": 20 });
        host.configure(&serde_json::json!({ "healthChecks": {
            "good": check("touch /nix/test/checking; sleep 2"), "bad": check("exit 4"),
        }}));
        host.start_guard();
        std::fs::write("/nix/test/failed-units", "broken.service loaded failed\n").unwrap();
        let first = spawn(host.ssh_command("ci", "health --wait 5"));
        until("the checks run", 10, || {
            std::path::Path::new("/nix/test/checking").exists()
        });
        host.ssh("laptop", "health").is_refused(Code::Busy);
        let health: Health = serde_json::from_str(&finish(first).good()).unwrap();
        assert_eq!(Some(&health.boot_id), host.status().boot_id.as_ref());
        assert!(health.is_up);
        assert_eq!(health.failed_checks, ["bad: it exited 4"]);
        assert_eq!(health.failed_units, ["broken.service"]);
    });
}

#[test]
fn a_key_has_a_number_of_connections() {
    in_a_host_of_its_own("a_key_has_a_number_of_connections", |host| {
        // What waits for an activation holds its connection, and any key may wait. Those beyond the number are refused.
        let waiting: Vec<_> = (0..16)
            .map(|_| spawn(host.ssh_command("ci", &host.wait_line("new"))))
            .collect();
        // Asked of the kernel: whoever asks the guard takes a place, too.
        until("every place is taken", 20, || {
            let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
            let connected =
                |line: &&str| line.contains(" 03 ") && line.ends_with("/nix/test/guard.socket");
            sockets.lines().filter(connected).count() >= 12
        });
        let refused = host.ssh("ci", "status");
        assert!(
            refused.stderr.contains("too many connections"),
            "{refused:?}"
        );
        refused.is_refused(Code::Busy);
        // Neither another key nor root pays for it.
        host.ssh("laptop", "status").good();
        let local = ["--config", "/nix/test/config.json", "local", "status"];
        run("/nix/test/bin/slipway-guard", &local);
        for mut one in waiting {
            one.kill().unwrap();
            one.wait().unwrap();
        }
        until("the places are free again", 20, || {
            host.ssh("ci", "status").code == Some(0)
        });
    });
}

#[test]
fn the_socket_is_for_root_and_the_deploy_user() {
    in_a_host_of_its_own("the_socket_is_for_root_and_the_deploy_user", |_| {
        let as_user = |user: &str| {
            let mut command = std::process::Command::new("setpriv");
            command.args([
                &format!("--reuid={user}"),
                "--regid=65534",
                "--clear-groups",
                "--",
            ]);
            command.args([
                "/nix/test/bin/slipway-guard",
                "--config",
                "/nix/test/config.json",
                "local",
                "status",
            ]);
            answer(command, "")
        };
        as_user("65534").is_refused(Code::NotPermitted);
        // The deploy user has to say whose key it was, and has no way to.
        assert_eq!(as_user("7777").code, Some(1));
        assert_eq!(as_user("0").code, Some(0));
    });
}

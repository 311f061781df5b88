//! The builder's door behind a real sshd: what an attacker with CI's key asks for, and the honest request beside it. What
//! makes releases is a stand-in here; xtask's own is behind the same door in xtask's tests.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use guard::refusal::{Code, EXIT_CODE};
use support::client::{answer, finish, spawn};
use support::host::Host;
use support::{in_a_host_of_its_own, run, until, write};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Says what it was called with, and what it found around it; waits where a test wants it to.
const MAKES_RELEASES: &str = r#"#!/bin/sh
echo "asked: $*"
env | sort >/nix/test/builder/environment
echo talk >&2
[ ! -e /nix/test/builder/slow ] || { echo $$ >/nix/test/builder/begun; trap 'echo ended >/nix/test/builder/ended; exit 1' TERM; sleep 60 & wait; }
exit $(cat /nix/test/exit)
"#;

/// From now on CI's key leads to the builder's door, and the journal to a socket.
fn builder(_: &Host) -> UnixDatagram {
    let config = serde_json::json!({
        "program": "/nix/test/bin/makes-releases",
        "args": ["release", "--config", "/nix/test/signer.toml"],
        "path": "/usr/bin:/bin",
        "home": "/nix/test/builder",
        "log": "/nix/test/builder/journal",
    });
    write("/nix/test/builder.json", &config.to_string(), 0o644);
    write("/nix/test/bin/makes-releases", MAKES_RELEASES, 0o755);
    write("/nix/test/exit", "0", 0o644);
    std::fs::create_dir_all("/nix/test/builder").unwrap();
    run("chmod", &["777", "/nix/test/builder"]);
    let public = std::fs::read_to_string("/nix/test/keys/ci.pub").unwrap();
    let command = "/nix/test/bin/slipway-guard release --as ci --builder /nix/test/builder.json";
    let line = format!("command=\"{command}\",restrict {public}");
    write("/nix/test/authorized/deploy", &line, 0o644);
    let journal = UnixDatagram::bind("/nix/test/builder/journal").unwrap();
    run("chmod", &["666", "/nix/test/builder/journal"]);
    journal
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    journal
}

fn next(journal: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let length = journal.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_key_gets_releases_and_nothing_else() {
    in_a_host_of_its_own("a_key_gets_releases_and_nothing_else", |host| {
        let journal = builder(host);
        let asked = host.ssh("ci", &format!("release {COMMIT}"));
        assert!(asked.stderr.ends_with("talk\n"), "{asked:?}");
        assert_eq!(
            asked.good(),
            format!("asked: release --config /nix/test/signer.toml {COMMIT}\n")
        );
        let said = next(&journal);
        assert!(said.ends_with(&format!("ci: release {COMMIT}")), "{said}");
        assert!(next(&journal).ends_with("exited 0"));
        assert_eq!(
            host.ssh("ci", &format!("release {COMMIT} --boot")).good(),
            format!("asked: release --config /nix/test/signer.toml --boot always {COMMIT}\n")
        );
        // Its exit code is the door's, and never a refusal's by accident.
        write("/nix/test/exit", "1", 0o644);
        let failed = host.ssh("ci", &format!("release {COMMIT}"));
        assert_eq!((failed.code, failed.refused()), (Some(1), None));

        (0..4).for_each(|_| drop(next(&journal)));
        host.ssh("ci", "bash -i").is_refused(Code::UnknownCommand);
        let refused = next(&journal);
        assert!(
            refused.contains("ci: refused unknown-command: "),
            "{refused}"
        );

        std::fs::remove_file("/nix/test/builder/environment").unwrap();
        // More of them than the journal's socket takes: nobody is kept waiting for it.
        for (command, code) in [
            ("", Code::NoShell),
            ("status", Code::UnknownCommand),
            ("accept-release", Code::UnknownCommand),
            ("nix-store --serve --write", Code::UnknownCommand),
            ("release", Code::BadArgument),
            ("release main", Code::BadArgument),
            ("release --config /tmp/mine", Code::BadArgument),
            ("release 0123456789", Code::BadArgument),
            (
                &format!("release {COMMIT} --removes-guard"),
                Code::BadArgument,
            ),
            (&format!("release {COMMIT}; id"), Code::BadArgument),
            (&format!("release {COMMIT}\nid"), Code::BadArgument),
            (&format!("release $(id){COMMIT}"), Code::BadArgument),
            (&"x".repeat(5000), Code::TooLong),
        ] {
            host.ssh("ci", command).is_refused(code);
        }
        assert!(!std::path::Path::new("/nix/test/builder/environment").exists());
        let stranger = host.ssh("stranger", &format!("release {COMMIT}"));
        assert_eq!((stranger.code, stranger.refused()), (Some(255), None));
        // sftp is the door's, too, and a forward is nobody's.
        let args = |last: &[&str]| {
            let mut ssh = std::process::Command::new("ssh");
            ssh.args(["-oLogLevel=INFO", "-oExitOnForwardFailure=yes"]);
            let known = host.ssh_command("ci", "x");
            ssh.args(known.get_args().filter(|arg| *arg != "x"));
            ssh.args(last);
            ssh
        };
        assert_eq!(answer(args(&["-s", "sftp"]), "").code, Some(EXIT_CODE));
        let mut forward = std::process::Command::new("ssh");
        forward.args(["-W", "127.0.0.1:2222"]);
        forward.args(args(&[]).get_args());
        let forwarded = answer(forward, "");
        assert!(forwarded.stderr.contains("prohibited"), "{forwarded:?}");
    });
}

#[test]
fn nothing_of_the_asker_s_environment_arrives() {
    in_a_host_of_its_own("nothing_of_the_asker_s_environment_arrives", |host| {
        let _journal = builder(host);
        let mut ssh = std::process::Command::new("ssh");
        ssh.args(["-oSendEnv=LD_AUDIT", "-oSetEnv=SLIPWAY_SIGNER=/evil"])
            .args(["-oSetEnv=GIT_SSH_COMMAND=/evil"]);
        ssh.args(
            host.ssh_command("ci", &format!("release {COMMIT}"))
                .get_args(),
        )
        .env("LD_AUDIT", "/evil.so");
        answer(ssh, "").good();
        let seen = std::fs::read_to_string("/nix/test/builder/environment").unwrap();
        for evil in ["evil", "SSH_", "SLIPWAY_"] {
            assert!(!seen.contains(evil), "{evil} in {seen}");
        }
        assert!(seen.contains("HOME=/nix/test/builder\n"), "{seen}");
    });
}

#[test]
fn one_release_is_made_at_a_time_and_ends_with_who_asked() {
    in_a_host_of_its_own(
        "one_release_is_made_at_a_time_and_ends_with_who_asked",
        |host| {
            let _journal = builder(host);
            let request = format!("release {COMMIT}");
            write("/nix/test/builder/slow", "", 0o644);
            let begun = std::path::Path::new("/nix/test/builder/begun");
            let mut first = spawn(host.ssh_command("ci", &request));
            until("the first has begun", 10, || begun.exists());
            host.ssh("ci", &request).is_refused(Code::Releasing);
            // Who asks for nonsense is told that, whatever goes on.
            host.ssh("ci", "release main").is_refused(Code::BadArgument);
            first.kill().unwrap();
            finish(first);
            until("nobody makes what nobody waits for", 20, || {
                std::path::Path::new("/nix/test/builder/ended").exists()
            });
            std::fs::remove_file("/nix/test/builder/slow").unwrap();
            until("the door is open again", 10, || {
                host.ssh("ci", &request).code == Some(0)
            });
        },
    );
}

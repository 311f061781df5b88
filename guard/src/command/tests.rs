use super::*;
use crate::refusal::Code;
use proptest::prelude::*;

const C: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-activatable-nixos-system-Niko-26.05";
const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

fn profile() -> StorePath {
    C.parse().unwrap()
}

fn code(line: &str) -> Code {
    match parse(line) {
        Ok(command) => panic!("{line} is taken as {command:?}"),
        Err(refusal) => refusal.code,
    }
}

fn activate(flags: &str) -> String {
    format!(
        "sudo -u root {C}/activate-rs activate '{C}' --profile-user root --profile-name system \
         --temp-path '/tmp' --confirm-timeout 30{flags}"
    )
}

/// Word for word what deploy-rs 1.0.0 and the revision of December 2025 make of a node's settings.
#[test]
fn what_deploy_rs_sends_is_understood() {
    let taken = |mode, confirmed| {
        Command::Activate(Activate {
            profile: profile(),
            mode,
            confirmed,
            confirm_timeout: Duration::from_secs(30),
        })
    };
    for (flags, mode, confirmed) in [
        (" --magic-rollback --auto-rollback", Mode::Plain, true),
        (" --magic-rollback", Mode::Plain, true),
        ("", Mode::Plain, false),
        (
            " --magic-rollback --auto-rollback --dry-activate",
            Mode::Dry,
            true,
        ),
        (" --magic-rollback --auto-rollback --boot", Mode::Boot, true),
        (" --magic-rollback --auto-rollback --test", Mode::Test, true),
    ] {
        assert_eq!(
            parse(&activate(flags)),
            Ok(taken(mode, confirmed)),
            "{flags}"
        );
    }
    let debugging =
        activate("").replace("activate-rs activate", "activate-rs --debug-logs activate");
    assert_eq!(parse(&debugging), Ok(taken(Mode::Plain, false)));
    let without_sudo = activate("").replace("sudo -u root ", "");
    assert_eq!(parse(&without_sudo), Ok(taken(Mode::Plain, false)));

    let wait = format!("sudo -u root {C}/activate-rs wait '{C}' --temp-path '/tmp'");
    let waiting = |seconds| Command::Wait {
        profile: profile(),
        timeout: Duration::from_secs(seconds),
    };
    assert_eq!(parse(&wait), Ok(waiting(240)));
    assert_eq!(
        parse(&format!("{wait} --activation-timeout 600")),
        Ok(waiting(600))
    );

    let confirm = format!("sudo -u root rm /tmp/deploy-rs-canary-{HASH}");
    let hash = HASH.to_owned();
    assert_eq!(parse(&confirm), Ok(Command::Confirm { hash }));

    let revoke =
        format!("sudo -u root {C}/activate-rs revoke --profile-user root --profile-name system");
    assert_eq!(parse(&revoke), Ok(Command::Revoke { profile: profile() }));
}

#[test]
fn nix_and_the_verbs_are_understood() {
    for (line, command) in [
        ("nix-store --serve --write", Command::StoreServe),
        ("nix-daemon --stdio", Command::StoreDaemon),
        ("'nix-daemon' '--stdio'", Command::StoreDaemon),
        ("accept-release", Command::AcceptRelease),
        ("status", Command::Status),
        (" status ", Command::Status),
        (
            "health --wait 600",
            Command::Health {
                wait: Duration::from_secs(600),
            },
        ),
        ("history", Command::History { limit: 20 }),
        ("history --limit 3", Command::History { limit: 3 }),
        (
            "poll --wait 10",
            Command::Poll {
                wait: Duration::from_secs(10),
            },
        ),
        ("rollback", Command::Rollback { to: None }),
        ("rollback --to 12", Command::Rollback { to: Some(12) }),
        ("keep", Command::Keep),
        ("hold", Command::Hold { reason: None }),
        (
            "hold --reason 'new disk; back at 9'",
            Command::Hold {
                reason: Some("new disk; back at 9".to_owned()),
            },
        ),
        ("unhold", Command::Unhold),
        ("reboot", Command::Reboot { now: false }),
        ("reboot --now", Command::Reboot { now: true }),
    ] {
        assert_eq!(parse(line), Ok(command), "{line}");
    }
}

#[test]
fn everything_else_is_refused_by_its_code() {
    assert_eq!(code(""), Code::NoShell);
    assert_eq!(code("   "), Code::NoShell);
    for line in [
        "bash",
        "sh -c id",
        "/usr/lib/sftp-server",
        "internal-sftp",
        "scp -t /tmp",
        "sudo -u root id",
        "sudo -i",
        "sudo -u root nix-store --serve --write",
        "sudo -u nobody status",
        "env status",
        "slipway-guard boot",
    ] {
        assert_eq!(code(line), Code::UnknownCommand, "{line}");
    }
    let too_much = [
        "nix-store --serve --write --store /tmp/x".to_owned(),
        "nix-store --serve".to_owned(),
        "nix-store --add /etc/passwd".to_owned(),
        "nix-daemon --stdio --force-trusted".to_owned(),
        "nix-daemon".to_owned(),
        "status; id".to_owned(),
        "status\nid".to_owned(),
        "status\0id".to_owned(),
        "status $(id)".to_owned(),
        "status `id`".to_owned(),
        "status && id".to_owned(),
        "status | sh".to_owned(),
        "status >/etc/passwd".to_owned(),
        "'status".to_owned(),
        "'status'x".to_owned(),
        "\"status\"".to_owned(),
        "status extra".to_owned(),
        "history --limit 0".to_owned(),
        "history --limit +3".to_owned(),
        "health --wait 901".to_owned(),
        "history --limit 18446744073709551616".to_owned(),
        "history --limit".to_owned(),
        "rollback --to -1".to_owned(),
        "hold --reason ''".to_owned(),
        "hold --reason 'é'".to_owned(),
        activate(" --boot --test"),
        activate(" --test --magic-rollback"),
        activate(" --log-dir /etc"),
        activate(" --magic-rollback --magic-rollback"),
        activate("").replace("--confirm-timeout 30", "--confirm-timeout 0"),
        activate("").replace("--confirm-timeout 30", "--confirm-timeout 99999"),
        activate("").replace(" --confirm-timeout 30", ""),
        activate("").replace("'/tmp'", "'/tmp/../etc'"),
        activate("").replace("'/tmp'", "'tmp'"),
        activate("").replacen("activatable", "other", 1),
        activate("").replace(
            "activate-rs activate",
            "activate-rs --log-dir /tmp/x activate",
        ),
        activate("").replace("activate-rs activate", "activate-rs install"),
        activate("").replace("/nix/store/", "/tmp/store/"),
        activate("").replace("/activate-rs", "/bin/../activate-rs"),
        format!("sudo -u root rm -rf /tmp/deploy-rs-canary-{HASH}"),
        format!("sudo -u root rm /tmp/deploy-rs-canary-{HASH} /etc/passwd"),
        format!("sudo -u root rm /tmp/../etc/deploy-rs-canary-{HASH}"),
        format!("sudo -u root rm /tmp/deploy-rs-canary-{HASH}/../x"),
        "sudo -u root rm /tmp/deploy-rs-canary-short".to_owned(),
        "sudo -u root rm /etc/passwd".to_owned(),
    ];
    for line in too_much {
        let code = code(&line);
        let refused = matches!(code, Code::BadArgument)
            // `rm` with more than a canary is no command of deploy-rs.
            || (code == Code::UnknownCommand && line.contains(" rm "));
        assert!(refused, "{line}: {code}");
    }
    for profile in [
        "--profile-path '/nix/var/nix/profiles/system'",
        "--profile-user nobody --profile-name system",
        "--profile-user root --profile-name other",
    ] {
        let line = activate("").replace("--profile-user root --profile-name system", profile);
        assert_eq!(code(&line), Code::WrongProfile, "{line}");
    }
    assert_eq!(code(&"a".repeat(LIMIT + 1)), Code::TooLong);
}

#[test]
fn a_release_s_action_is_not_the_client_s_to_choose() {
    use ActionKind::{Boot, Switch, Test};
    let fits = |mode: Mode| [Switch, Boot, Test].map(|action| mode.fits(action));
    assert_eq!(fits(Mode::Dry), [true, true, true]);
    assert_eq!(fits(Mode::Plain), [true, false, true]);
    assert_eq!(fits(Mode::Boot), [false, true, false]);
    assert_eq!(fits(Mode::Test), [false, false, true]);
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(line in "\\PC{0,200}") {
        let _ = parse(&line);
    }

    /// Words of the language in any order: what is taken names nothing but a closure of the store.
    #[test]
    fn words_in_any_order_are_taken_or_refused(words in proptest::collection::vec(
        proptest::sample::select(vec!["sudo", "-u", "root", "rm", "activate", "wait", "revoke", "--boot", "--test",
            "--profile-user", "--profile-name", "system", "--temp-path", "/tmp", "'", " ", "30", "--confirm-timeout",
            "--magic-rollback", "nix-store", "--serve", "--write", "status", "/etc/passwd", ";", "..", "\n",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a/activate-rs", "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a"]),
        0..14))
    {
        let line = words.join(" ");
        if parse(&line).is_ok() {
            prop_assert!(!line.contains(';') && !line.contains('\n') && !line.contains(".."));
        }
    }
}

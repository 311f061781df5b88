use super::*;

const SETTINGS: &str = r#"{ "host": "Niko", "source": { "is": "release", "url": "http://cache/releases/Niko.json" },
    "canaries": { "Testing": "http://testing:9100/metrics" }, "soakSeconds": 600, "reboot": true,
    "window": { "from": "02:00", "until": "04:00" }, "confirmTimeoutSeconds": 30, "root": "/var/lib/slipway-upgrade/next",
    "programs": { "curl": "/bin/curl", "nixStore": "/bin/nix-store" } }"#;

fn status(state: HostState, reboot_due: &[&str]) -> Status {
    let mut status = plan::tests::status("old", "old");
    status.state = state;
    status.reboot_due = reboot_due.iter().map(|it| (*it).to_owned()).collect();
    status
}

#[test]
fn settings_are_read_whole_or_not_at_all() {
    let settings = Settings::parse(SETTINGS.as_bytes()).unwrap();
    let url = "http://cache/releases/Niko.json".to_owned();
    assert_eq!(settings.source, Source::Release { url });
    assert_eq!(settings.socket, Path::new("/run/slipway-guard.socket"));
    let more = SETTINGS.replacen('{', "{ \"more\": 1,", 1);
    assert!(Settings::parse(more.as_bytes()).is_err());
}

#[test]
fn it_reboots_where_that_is_due_and_nobody_is_in_the_middle_of_something() {
    let window = Settings::parse(SETTINGS.as_bytes()).unwrap().window;
    let (night, day) = (Time::from_unix(3 * 3600), Time::from_unix(12 * 3600));
    let due = status(HostState::Idle, &["kernel"]);
    assert!(may_reboot(&due, window.as_ref(), night));
    assert!(!may_reboot(&due, window.as_ref(), day));
    assert!(may_reboot(&due, None, day));
    assert!(!may_reboot(&status(HostState::Idle, &[]), None, day));
    let trial = |booted| status(HostState::OnTrial { booted }, &["kernel"]);
    assert!(may_reboot(&trial(false), None, day));
    assert!(!may_reboot(&trial(true), None, day));
    let test = HostState::TestUntil { until: night };
    assert!(!may_reboot(&status(test, &["kernel"]), None, day));
    let mut attended = due;
    attended.unattended_reboot = false;
    assert!(!may_reboot(&attended, None, day));
}

#[test]
fn what_is_only_in_the_way_is_waited_for() {
    for (code, exit) in [
        (Code::Held, NOT_NOW),
        (Code::Busy, NOT_NOW),
        (Code::Expired, EXIT_CODE),
        (Code::Downgrade, EXIT_CODE),
    ] {
        let outcome = Outcome::of_refusal(&Refusal::new(code));
        assert_eq!(outcome.exit_code(), exit, "{code}");
        assert!(outcome.text.starts_with(&format!("refused {code}: ")));
    }
}

use guard::answer::{Cause, Ended, Entry, Outcome, Purpose, ReleaseId};
use guard::refusal::{Code, Refusal};

use super::*;
use crate::deploy::live::Live;
use crate::deploy::plan::tests::live;
use crate::deploy::status::Origin;
use crate::deploy::verbs::HostHistory;
use crate::fleet::stage::Stage;

const NOW: u64 = 1_795_273_567;
const HOUR: u64 = 3600;
/// What a host may say of itself.
const HOSTILE: &str = "</td><script>alert('\"&')</script>";

fn host(wave: u32, description: &str) -> Host {
    serde_json::from_value(serde_json::json!({
        "name": "Any", "system": "x86_64-linux", "wave": wave, "description": description,
    }))
    .unwrap()
}

fn answered(live: Live, behind: Option<u32>, reboot_due: Option<Vec<String>>) -> HostStatus {
    HostStatus {
        upgrades: false,
        unreachable: None,
        origin: behind.map(|behind| Origin {
            commit: "0123456789abcdef".to_owned(),
            dirty: false,
            behind: Some(behind),
            ahead: Some(0),
        }),
        reboot_due,
        live: Some(live),
    }
}

fn entry(hours_ago: u64, purpose: Purpose, outcome: Outcome) -> Entry {
    let at = Time::from_unix(NOW - hours_ago * HOUR);
    let toplevel = format!("/nix/store/{}-nixos-system-Web-26.05", "0".repeat(32));
    let activation = Activation {
        id: "1".to_owned(),
        purpose,
        by: "ci".to_owned(),
        began: at,
        toplevel: toplevel.parse().unwrap(),
        previous: None,
        release: Some(ReleaseId {
            commit: "fedcba9876543210".to_owned(),
            counter: 7,
        }),
        ended: Some(Ended { at, outcome }),
    };
    Entry {
        at,
        by: "ci".to_owned(),
        event: Event::Activation { activation },
    }
}

fn histories(hosts: Vec<(&str, HostHistory)>) -> Histories {
    Histories {
        version: 1,
        stage: Stage::Rehearsal,
        hosts: hosts
            .into_iter()
            .map(|(name, history)| (HostName::known(name), history))
            .collect(),
    }
}

fn of(entries: Vec<Entry>) -> HostHistory {
    HostHistory {
        missing: None,
        entries,
    }
}

fn missing(why: &str) -> HostHistory {
    HostHistory {
        missing: Some(why.to_owned()),
        entries: Vec::new(),
    }
}

fn made(hosts: Vec<(&str, Host, HostStatus)>, histories: &Histories) -> String {
    let (mut known, mut statuses) = (BTreeMap::new(), BTreeMap::new());
    for (name, host, status) in hosts {
        known.insert(HostName::known(name), host);
        statuses.insert(HostName::known(name), status);
    }
    let report = Report {
        version: 1,
        stage: Stage::Rehearsal,
        hosts: statuses,
    };
    page(Facts {
        hosts: &known,
        report: &report,
        histories,
        now: Time::from_unix(NOW),
    })
}

/// The page without what never changes.
fn body(page: &str) -> &str {
    page.split_once("</style>").unwrap().1
}

fn rolled_back(text: &str) -> Outcome {
    Outcome::RolledBack {
        cause: Cause::Unhealthy,
        text: text.to_owned(),
    }
}

/// The page that the documents show a picture of.
pub fn of_four_hosts() -> String {
    let mut tested = live('o', 'n');
    tested.state = HostState::TestUntil {
        until: Time::from_unix(NOW + HOUR),
    };
    let mut ill = live('n', 'n');
    ill.failed_units = vec!["backup.service".to_owned()];
    let off = HostStatus {
        upgrades: false,
        unreachable: Some("connection timed out".to_owned()),
        live: None,
        origin: None,
        reboot_due: None,
    };
    let hosts = vec![
        (
            "Niko",
            host(0, "Kiosk"),
            answered(live('n', 'n'), Some(0), Some(vec![])),
        ),
        (
            "Testing",
            host(0, "Playground"),
            answered(tested, Some(3), None),
        ),
        (
            "Production",
            host(1, "Services"),
            answered(ill, Some(0), Some(vec!["kernel".to_owned()])),
        ),
        ("Ingress", host(2, "Reverse proxy"), off),
    ];
    let histories = histories(vec![
        (
            "Niko",
            of(vec![
                entry(1, Purpose::Switch, Outcome::Confirmed),
                entry(360, Purpose::Switch, rolled_back("check web failed")),
                entry(800, Purpose::Boot, Outcome::BootPending),
            ]),
        ),
        (
            "Testing",
            of(vec![entry(2, Purpose::LeaseEnd, Outcome::Confirmed)]),
        ),
        (
            "Production",
            missing("it has no guard, and nothing else keeps a record"),
        ),
        ("Ingress", missing("connection timed out")),
    ]);
    made(hosts, &histories)
}

#[test]
fn a_person_sees_waves_and_what_became_of_deployments() {
    insta::assert_snapshot!(body(&of_four_hosts()));
}

/// The page of hosts that say markup of themselves.
pub fn of_hostile_hosts() -> String {
    let mut said = live('n', 'n');
    said.failed_units = vec![HOSTILE.to_owned()];
    said.state = HostState::Held {
        by: HOSTILE.to_owned(),
        since: Time::from_unix(NOW),
        reason: Some(HOSTILE.to_owned()),
    };
    let refused = Outcome::Refused {
        refusal: Refusal::because(Code::Busy, HOSTILE),
    };
    let unreachable = HostStatus {
        upgrades: false,
        unreachable: Some(HOSTILE.to_owned()),
        live: None,
        origin: None,
        reboot_due: None,
    };
    let histories = histories(vec![
        (
            "Niko",
            of(vec![
                entry(1, Purpose::Switch, rolled_back(HOSTILE)),
                entry(2, Purpose::Test, refused),
            ]),
        ),
        (HOSTILE, missing(HOSTILE)),
    ]);
    made(
        vec![
            (
                "Niko",
                host(0, HOSTILE),
                answered(said, None, Some(vec![HOSTILE.to_owned()])),
            ),
            (HOSTILE, host(1, HOSTILE), unreachable),
        ],
        &histories,
    )
}

#[test]
fn whatever_a_host_says_stays_text() {
    let page = of_hostile_hosts();
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("('\"&')"), "{page}");
    let escaped = "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)";
    assert!(page.matches(escaped).count() >= 12, "{page}");
}

#[test]
fn the_page_fetches_nothing_and_is_for_light_dark_and_paper() {
    let page = made(Vec::new(), &histories(Vec::new()));
    for outside in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    for wanted in [
        "prefers-color-scheme: dark",
        "@media print",
        "color-scheme: light dark",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(page.contains("None is on record."));
}

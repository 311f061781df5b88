use guard::answer::FreeBytes;

use super::*;

pub fn path(c: char) -> StorePath {
    let hash = c.to_string().repeat(32);
    StorePath::parse(&format!("{hash}-nixos-system-Web-26.05")).unwrap()
}

pub fn live(running: char, boot_default: char) -> Live {
    Live {
        running: Some(path(running)),
        booted: Some(path(boot_default)),
        boot_default: Some(path(boot_default)),
        profile: Some(path(boot_default)),
        rollback_target: None,
        state: HostState::Idle,
        failed_units: Vec::new(),
        free_bytes: Some(FreeBytes {
            store: 10_000,
            esp: None,
        }),
        guard: None,
    }
}

pub fn change() -> Change {
    Change {
        summary: "1 package (nginx 1.26 → 1.28)".to_owned(),
        units: UnitPlan {
            restart: vec!["nginx.service".to_owned()],
            ..UnitPlan::default()
        },
        inhibitors: Vec::new(),
        added_bytes: 4096,
    }
}

pub fn known(before: Before) -> Known {
    Known {
        host: HostName::known("Web"),
        wave: 1,
        new: path('n'),
        change: None,
        boot_parts: Some(Vec::new()),
        esp_files_bytes: Some(3000),
        size: Some(1 << 20),
        checks_left_out: Vec::new(),
        guard: false,
        before,
    }
}

fn assumed(running: char, guard: bool) -> Before {
    Before::Assumed {
        toplevel: path(running),
        guard,
    }
}

pub fn wish(meaning: Meaning) -> Wish {
    Wish {
        meaning,
        boot: Boot::Auto,
        lease: Some(4 * 3600),
    }
}

fn main() -> Wish {
    wish(Meaning::Deploy { boot: false })
}

fn test() -> Wish {
    wish(Meaning::Test {
        host: HostName::known("Web"),
    })
}

fn one(wish: &Wish, known: Known) -> HostPlan {
    plan(wish, vec![known]).pop().unwrap()
}

#[test]
fn a_host_that_has_it_all_is_unchanged() {
    let there = known(Before::Live(live('n', 'n')));
    for wish in [main(), test()] {
        let plan = one(&wish, there.clone());
        assert_eq!(plan.action, Action::Unchanged);
        assert_eq!(plan.send_bytes, Some(0));
        assert_eq!(plan.rollback, None);
        assert_eq!(plan.changes.as_deref(), Some(""));
    }
}

#[test]
fn what_only_runs_is_made_permanent() {
    let tried = known(Before::Live(live('n', 'o')));
    assert_eq!(one(&main(), tried.clone()).action, Action::Switch);
    assert_eq!(one(&test(), tried).action, Action::Unchanged);
    // The same closure, and a lease that would end it.
    let mut leased = live('n', 'n');
    leased.state = HostState::TestUntil {
        until: guard::time::Time::from_unix(0),
    };
    let plan = one(&main(), known(Before::Live(leased)));
    assert_eq!(plan.action, Action::Switch);
}

#[test]
fn a_boot_that_its_loader_cannot_try_is_told() {
    let guarded = |boot_on_trial| {
        let status = crate::deploy::reboot::plan::tests::status();
        Before::Live(Live {
            guard: Some(Box::new(Status {
                boot_on_trial,
                ..status
            })),
            ..live('o', 'o')
        })
    };
    let told = |wish: &Wish, boot_on_trial| {
        let plan = one(wish, known(guarded(boot_on_trial)));
        plan.notes.iter().any(|note| note.contains("cannot try"))
    };
    let boots = Wish {
        boot: Boot::Always,
        ..main()
    };
    assert!(told(&boots, false));
    assert!(!told(&boots, true), "it can");
    assert!(!told(&main(), false), "nothing is to be tried");
}

#[test]
fn what_waits_for_its_boot_is_not_deployed_for_boot_again() {
    let waits = known(Before::Live(live('o', 'n')));
    let boot = wish(Meaning::Deploy { boot: true });
    let plan = one(&boot, waits.clone());
    assert_eq!(plan.action, Action::Unchanged);
    let why = vec!["deployed for the next boot".to_owned()];
    assert_eq!(plan.reboot, Reboot::Due { why });
    assert_eq!(one(&main(), waits).action, Action::Switch);
}

#[test]
fn the_trailer_and_the_flag_ask_for_boot() {
    let old = || known(Before::Live(live('o', 'o')));
    let asked = wish(Meaning::Deploy { boot: true });
    let flag = |boot| Wish { boot, ..main() };
    assert_eq!(one(&asked, old()).action, Action::Boot);
    assert_eq!(one(&flag(Boot::Always), old()).action, Action::Boot);
    assert_eq!(one(&flag(Boot::Auto), old()).action, Action::Switch);
    let never = Wish {
        boot: Boot::Never,
        ..asked
    };
    assert_eq!(one(&never, old()).action, Action::Switch);
    assert_eq!(one(&main(), old()).rollback, Some(path('o')));
}

#[test]
fn inhibited_switching_boots_unless_forbidden() {
    let inhibited = || Known {
        change: Some(Change {
            inhibitors: vec!["dbus-implementation changes".to_owned()],
            ..change()
        }),
        ..known(Before::Live(live('o', 'o')))
    };
    let plan = one(&main(), inhibited());
    assert_eq!(plan.action, Action::Boot);
    assert_eq!(plan.notes, ["boots, since dbus-implementation changes"]);
    assert_eq!(plan.units, None, "nothing is activated live");
    let never = Wish {
        boot: Boot::Never,
        ..main()
    };
    let plan = one(&never, inhibited());
    assert_eq!(plan.action, Action::Switch);
    assert_eq!(
        plan.notes,
        ["switching is inhibited: dbus-implementation changes"]
    );
    // A test is never more than live, and its host says no by itself.
    assert!(matches!(
        one(&test(), inhibited()).action,
        Action::Test { .. }
    ));
}

/// deploy-rs would confirm past a guard that awaits nothing, and the host would go back.
#[test]
fn a_host_boots_into_its_first_guard() {
    let known = |before| Known {
        guard: true,
        ..known(before)
    };
    let unguarded = || known(Before::Live(live('o', 'o')));
    // A release, and a person who named an action, leave no choice otherwise.
    for boot in [Boot::Auto, Boot::Never] {
        let wish = Wish { boot, ..main() };
        let plan = one(&wish, unguarded());
        assert_eq!(plan.action, Action::Boot);
        assert_eq!(plan.notes, [format!("boots, since {NEW_GUARD}")]);
    }
    let plan = one(&main(), known(assumed('o', false)));
    assert_eq!(plan.action, Action::Boot);
    let plan = one(&test(), unguarded());
    assert!(matches!(plan.action, Action::Test { .. }));
    assert_eq!(plan.notes, [format!("is not tried: {NEW_GUARD}")]);
    // One that has a guard.
    let guarded = Before::Live(Live {
        guard: Some(Box::new(crate::deploy::reboot::plan::tests::status())),
        ..live('o', 'o')
    });
    for before in [guarded, assumed('o', true)] {
        assert_eq!(one(&main(), known(before)).action, Action::Switch);
    }
}

#[test]
fn a_reboot_is_due_for_what_only_a_boot_brings() {
    let parts = |parts| Known {
        boot_parts: parts,
        ..known(Before::Live(live('o', 'o')))
    };
    let kernel = parts(Some(vec![BootPart::Kernel, BootPart::KernelParameters]));
    let why = vec!["kernel".to_owned(), "kernel-parameters".to_owned()];
    assert_eq!(one(&main(), kernel.clone()).reboot, Reboot::Due { why });
    assert_eq!(one(&test(), kernel).reboot, Reboot::NotDue);
    assert_eq!(one(&main(), parts(None)).reboot, Reboot::Unknown);
    assert_eq!(one(&main(), parts(Some(vec![]))).reboot, Reboot::NotDue);
}

#[test]
fn the_hosts_state_is_told() {
    let mut busy = live('o', 'p');
    busy.free_bytes = Some(FreeBytes {
        store: 100,
        esp: None,
    });
    busy.failed_units = vec!["backup.service".to_owned()];
    let mut host = known(Before::Live(busy.clone()));
    host.change = Some(change());
    let plan = one(&main(), host);
    assert_eq!(
        plan.notes,
        [
            "failed already: backup.service",
            "boots something else than it runs",
            "not enough space on its store"
        ]
    );
    assert_eq!(plan.send_bytes, Some(4096));
    busy.state = HostState::Held {
        by: "ann".to_owned(),
        since: guard::time::Time::from_unix(0),
        reason: None,
    };
    let plan = one(&main(), known(Before::Live(busy)));
    assert_eq!(plan.notes[0], "held by ann");
}

#[test]
fn without_any_host_another_revision_stands_for_them() {
    let plan = one(&main(), known(assumed('n', false)));
    assert_eq!(plan.action, Action::Unchanged);
    let plan = one(&main(), known(assumed('o', false)));
    assert_eq!((plan.action, plan.changes), (Action::Switch, None));
    let plan = one(&main(), known(Before::New));
    assert_eq!(
        (plan.action, plan.send_bytes),
        (Action::Switch, Some(1 << 20))
    );
    let plan = one(&main(), known(Before::Unreachable("no route".to_owned())));
    assert_eq!(plan.action, Action::Switch);
    assert_eq!(plan.unreachable.as_deref(), Some("no route"));
}

#[test]
fn any_other_ref_only_builds() {
    let plan = one(&wish(Meaning::Build), known(Before::Live(live('o', 'o'))));
    assert_eq!(plan.action, Action::Build);
    assert_eq!(plan.rollback, None);
}

#[test]
fn waves_come_in_order_and_names_within() {
    let host = |name: &str, wave| Known {
        host: HostName::known(name),
        wave,
        ..known(Before::New)
    };
    let hosts = vec![host("B", 1), host("C", 0), host("A", 1)];
    let names: Vec<String> = plan(&main(), hosts)
        .iter()
        .map(|plan| plan.host.to_string())
        .collect();
    assert_eq!(names, ["C", "A", "B"]);
}

#[test]
fn durations_are_short() {
    assert_eq!(
        [14400, 5400, 45, 0].map(duration),
        ["4 h", "90 min", "45 s", "0 s"]
    );
}

#[test]
fn a_health_check_that_nobody_makes_is_told() {
    let notes = |wish: &Wish, guard| {
        let before = Live {
            guard,
            ..live('o', 'o')
        };
        let known = Known {
            checks_left_out: vec!["photos".to_owned(), "disk".to_owned()],
            ..known(Before::Live(before))
        };
        plan(wish, vec![known]).remove(0).notes
    };
    let told =
        "nobody makes its health check photos, disk: who deploys it may not, and it has no guard";
    assert_eq!(notes(&main(), None), [told]);
    // Nothing is activated live, so nothing is looked at.
    assert_eq!(notes(&wish(Meaning::Build), None), [""; 0]);
}

#[test]
fn boot_files_need_space_on_the_efi_partition() {
    let before = |esp| {
        let mut before = live('o', 'o');
        before.free_bytes = Some(FreeBytes {
            store: 1 << 30,
            esp: Some(esp),
        });
        before
    };
    let planned = |wish: &Wish, esp| {
        let plan = one(wish, known(Before::Live(before(esp))));
        let told = plan.notes.iter().any(|note| note.contains("EFI partition"));
        (plan.esp_files_bytes, told)
    };
    assert_eq!(planned(&main(), 2999), (Some(3000), true));
    assert_eq!(planned(&main(), 3000), (Some(3000), false));
    // A test writes no boot loader.
    assert_eq!(planned(&test(), 10), (None, false));
}

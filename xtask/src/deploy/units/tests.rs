use super::*;

/// `NAME FIELD TEXT`; the field of a unit's own file is its name.
fn units(entries: &[(&str, &str, &str)]) -> Records {
    let mut units = Records::new();
    for (name, field, text) in entries {
        let fields = units.entry((*name).to_owned()).or_default();
        fields.insert((*field).to_owned(), (*text).to_owned());
    }
    units
}

fn one(name: &str, old: &str, new: &str) -> UnitPlan {
    UnitPlan::between(&units(&[(name, name, old)]), &units(&[(name, name, new)]))
}

fn told(plan: &UnitPlan) -> String {
    let mut words = Vec::new();
    for (verb, units) in plan.lists() {
        words.extend(units.iter().map(|unit| format!("{verb} {unit}")));
    }
    words.join(", ")
}

#[test]
fn a_changed_service_is_restarted_reloaded_or_kept() {
    for (old, new, wanted) in [
        ("[Service]\nExecStart=a", "[Service]\nExecStart=a", ""),
        (
            "[Service]\nExecStart=a",
            "# why\n[Service]\n\nExecStart = a",
            "",
        ),
        (
            "[Service]\nExecStart=a",
            "[Service]\nExecStart=b",
            "restart x.service",
        ),
        ("[Unit]\nDescription=a", "[Unit]\nDescription=b", ""),
        ("[Install]\nWantedBy=a", "[Install]\nWantedBy=b", ""),
        (
            "[Unit]\nX-Reload-Triggers=a",
            "[Unit]\nX-Reload-Triggers=b",
            "reload x.service",
        ),
        (
            "[Unit]\nX-Restart-Triggers=a",
            "[Unit]\nX-Restart-Triggers=b",
            "restart x.service",
        ),
        (
            "[Service]\nExecReload=a",
            "[Service]\nExecReload=b",
            "reload x.service",
        ),
        ("[Service]\nExecReload=a", "[Service]", ""),
        (
            "[Service]\nExecStart=a",
            "[Service]\nExecStart=b\nX-RestartIfChanged=false",
            "keep x.service",
        ),
        (
            "[Service]\nExecStart=a",
            "[Service]\nExecStart=b\nX-ReloadIfChanged=true",
            "reload x.service",
        ),
        (
            "[Service]\nExecStart=a",
            "[Service]\nExecStart=b\n[Unit]\nRefuseManualStop=yes",
            "keep x.service",
        ),
        (
            "[Service]\nExecStart=a\\\nb",
            "[Service]\nExecStart=a b",
            "",
        ),
        ("[Service]\nA=1\nA=\nA=2", "[Service]\nA=2", ""),
    ] {
        assert_eq!(
            told(&one("x.service", old, new)),
            wanted,
            "{old:?} → {new:?}"
        );
    }
}

#[test]
fn other_kinds_have_rules_of_their_own() {
    let (old, new) = ("[Mount]\nWhat=a\n", "[Mount]\nWhat=b\n");
    for (name, wanted) in [
        ("multi-user.target", ""),
        ("x.socket", ""),
        ("x.path", ""),
        ("x.slice", ""),
        ("x.timer", "restart x.timer"),
        ("data.mount", "restart data.mount"),
        ("-.mount", "reload -.mount"),
        ("dbus.service", "keep dbus.service"),
    ] {
        assert_eq!(told(&one(name, old, new)), wanted, "{name}");
    }
    let options = one("data.mount", "[Mount]\nOptions=a", "[Mount]\nOptions=b");
    assert_eq!(told(&options), "reload data.mount");
}

#[test]
fn units_come_and_go() {
    let text = "[Service]\nExecStart=a";
    let old = units(&[
        ("gone.service", "gone.service", text),
        (
            "left.service",
            "left.service",
            "[Unit]\nX-StopOnRemoval=false",
        ),
        ("masked.service", "masked.service", text),
        ("known.service", "known.service", text),
    ]);
    let new = units(&[
        ("masked.service", "masked.service", MASK),
        ("new.service", "new.service", text),
        ("new.service", "wanted by multi-user.target", ""),
        ("by-hand.service", "by-hand.service", text),
        ("known.service", "known.service", text),
        ("known.service", "wanted by multi-user.target", ""),
    ]);
    assert_eq!(
        told(&UnitPlan::between(&old, &new)),
        "start known.service, start new.service, stop gone.service, stop masked.service"
    );
    assert_eq!(UnitPlan::between(&old, &old), UnitPlan::default());
}

#[test]
fn drop_ins_and_templates_are_part_of_a_unit() {
    let unit = |drop_in| {
        units(&[
            ("getty@.service", "getty@.service", "[Service]\nExecStart=a"),
            ("getty@.service", "overrides.conf", drop_in),
            ("getty@tty1.service", "wanted by getty.target", ""),
        ])
    };
    let plan = UnitPlan::between(&unit("[Service]\nNice=1"), &unit("[Service]\nNice=2"));
    assert_eq!(
        told(&plan),
        "restart getty@.service, restart getty@tty1.service"
    );
}

//! What a switch did to units that the plan did not foretell, from what `switch-to-configuration` says of itself. Pure.

use super::units::UnitPlan;

/// A line for each kind of thing that was done, `restarted nginx.service`; empty if all of it was foretold. Units that
/// were foretold and not touched did not run, and are no surprise.
pub fn surprises(plan: &UnitPlan, said: &str) -> Vec<String> {
    let verbs: [(&str, &str, &[&[String]]); 4] = [
        ("stopping", "stopped", &[&plan.restart, &plan.stop]),
        ("restarting", "restarted", &[&plan.restart]),
        ("starting", "started", &[&plan.restart, &plan.start]),
        ("reloading", "reloaded", &[&plan.reload]),
    ];
    let mut found = Vec::new();
    for (verb, did, foretold) in verbs {
        let known = |unit: &&str| foretold.iter().any(|units| covers(units, unit));
        let units: Vec<&str> = said
            .lines()
            .filter_map(|line| line.trim().strip_prefix(verb))
            .filter_map(|line| line.strip_prefix(" the following units: "))
            .flat_map(|units| units.split(", "))
            // A target is a name for a moment; nothing runs in it.
            .filter(|unit| !unit.ends_with(".target") && !known(unit))
            .collect();
        if !units.is_empty() {
            found.push(format!("{did} {}", units.join(", ")));
        }
    }
    found
}

/// A service that is stopped and started takes the sockets that start it along.
fn covers(units: &[String], unit: &str) -> bool {
    let service = unit
        .strip_suffix(".socket")
        .map(|name| format!("{name}.service"));
    units
        .iter()
        .any(|known| known == unit || Some(known) == service.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> UnitPlan {
        let units = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        UnitPlan {
            restart: units(&["a.service", "door.service"]),
            reload: units(&["r.service"]),
            start: units(&["new.service"]),
            stop: units(&["old.service"]),
            keep: units(&["kept.service"]),
        }
    }

    #[test]
    fn what_was_foretold_is_no_surprise() {
        let said = "stopping the following units: door.service, door.socket, old.service\n\
            NOT restarting the following changed units: kept.service\n\
            activating the configuration...\nreloading the following units: r.service\n\
            restarting the following units: a.service\n\
            starting the following units: door.socket, new.service, sysinit-reactivation.target\n\
            the following new units were started: anything.service\n";
        assert_eq!(surprises(&plan(), said), [""; 0]);
        assert_eq!(surprises(&plan(), ""), [""; 0]);
    }

    #[test]
    fn what_was_not_is_told_by_what_was_done() {
        let said = "stopping the following units: b.service\n\
            restarting the following units: a.service, kept.service, r.service\n\
            starting the following units: b.service\n";
        let wanted = [
            "stopped b.service",
            "restarted kept.service, r.service",
            "started b.service",
        ];
        assert_eq!(surprises(&plan(), said), wanted);
    }
}

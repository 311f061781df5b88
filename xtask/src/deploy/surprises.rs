//! What a switch did to units that the plan did not foretell, from what `switch-to-configuration` says of itself. Pure.

use super::units::UnitPlan;

/// Of what was done: a line for each kind of thing, `restarted nginx.service`; empty if all of it was foretold. Units that
/// were foretold and not touched did not run, and are no surprise.
pub fn surprises(plan: &UnitPlan, said: &str) -> Vec<String> {
    beside(
        plan,
        said,
        [
            ("stopping", "stopped"),
            ("restarting", "restarted"),
            ("starting", "started"),
            ("reloading", "reloaded"),
        ],
    )
}

/// The same of what a dry activation would do: `would restart nginx.service`.
pub fn of_dry_activation(plan: &UnitPlan, said: &str) -> Vec<String> {
    let verbs = ["would stop", "would restart", "would start", "would reload"];
    beside(plan, said, verbs.map(|verb| (verb, verb)))
}

/// How it says, and how we say, that units were stopped, restarted, started and reloaded.
fn beside(plan: &UnitPlan, said: &str, verbs: [(&str, &str); 4]) -> Vec<String> {
    let foretold: [&[&[String]]; 4] = [
        &[&plan.restart, &plan.stop],
        &[&plan.restart],
        &[&plan.restart, &plan.start],
        &[&plan.reload],
    ];
    let mut found = Vec::new();
    for ((verb, did), foretold) in verbs.into_iter().zip(foretold) {
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

    #[test]
    fn a_dry_activation_says_what_it_would_do() {
        let foretold = "would stop the following units: old.service\n\
            would NOT stop the following changed units: kept.service\n\
            would activate the configuration...\nwould reload the following units: r.service\n\
            would restart the following units: a.service\nwould start the following units: new.service\n";
        assert_eq!(of_dry_activation(&plan(), foretold), [""; 0]);
        let more = foretold.replace("a.service", "a.service, b.service");
        assert_eq!(
            of_dry_activation(&plan(), &more),
            ["would restart b.service"]
        );
        assert_eq!(surprises(&plan(), &more), [""; 0], "nothing was done");
    }
}

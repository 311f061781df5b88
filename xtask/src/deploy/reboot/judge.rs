//! Whether a host that was rebooted is what it should be: pure, from what it said before and says now.

use guard::answer::{Health, HostState, Outcome, Status};
use guard::store_path::StorePath;

/// None: not yet to be said, ask again. The inner error is why the boot was a bad one.
pub fn booted(before: &Status, after: &Status) -> Option<Result<(), String>> {
    if after.boot_id == before.boot_id {
        return None;
    }
    // The trial that waited for this boot, or none.
    let trial = match before.state {
        HostState::OnTrial { booted: false } => before.last_activation.as_ref(),
        _ => None,
    };
    let last = after.last_activation.as_ref();
    let of_trial = last.filter(|last| trial.is_some_and(|trial| trial.id == last.id));
    let ended = of_trial.and_then(|last| last.ended.as_ref());
    if let Some(Outcome::TrialFailed { text }) = ended.map(|ended| &ended.outcome) {
        return Some(Err(format!("its trial failed: {text}")));
    }
    if matches!(after.state, HostState::OnTrial { .. }) {
        return None;
    }
    let wanted = match trial {
        Some(trial) => Some(&trial.toplevel),
        None => before.boot_default.as_ref(),
    };
    if after.booted.as_ref() != wanted {
        let name = |path: Option<&StorePath>| {
            path.map_or("something unknown".to_owned(), ToString::to_string)
        };
        return Some(Err(format!(
            "it booted {}, and not {}",
            name(after.booted.as_ref()),
            name(wanted)
        )));
    }
    Some(Ok(()))
}

/// Why it is not healthy; none if it is.
pub fn ill(before: &Status, after: &Status, health: &Health) -> Option<String> {
    let mut found = Vec::new();
    if Some(&health.boot_id) != after.boot_id.as_ref() {
        found.push("it booted once more by itself".to_owned());
    }
    if !health.is_up {
        found.push("it has not started everything".to_owned());
    }
    for check in &health.failed_checks {
        found.push(format!("health check {check}"));
    }
    // What was broken before is not the boot's fault.
    for unit in &health.failed_units {
        if !before.failed_units.contains(unit) {
            found.push(format!("{unit} failed"));
        }
    }
    (!found.is_empty()).then(|| found.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{path, status, trial};
    use super::*;

    fn rebooted() -> Status {
        Status {
            boot_id: Some("second".to_owned()),
            ..status()
        }
    }

    #[test]
    fn a_boot_is_told_by_its_id_and_by_what_booted() {
        assert_eq!(booted(&status(), &status()), None);
        assert_eq!(booted(&status(), &rebooted()), Some(Ok(())));
        let other = Status {
            booted: Some(path('n')),
            ..rebooted()
        };
        let Some(Err(why)) = booted(&status(), &other) else {
            panic!()
        };
        assert!(why.starts_with("it booted /nix/store/nn"), "{why}");
    }

    #[test]
    fn a_trial_is_awaited_and_its_failure_told() {
        let before = Status {
            state: HostState::OnTrial { booted: false },
            last_activation: Some(trial(None)),
            ..status()
        };
        let judged = |state, outcome, system| {
            let after = Status {
                state,
                last_activation: Some(trial(outcome)),
                booted: Some(path(system)),
                ..rebooted()
            };
            booted(&before, &after)
        };
        let on_trial = HostState::OnTrial { booted: true };
        assert_eq!(judged(on_trial.clone(), None, 'n'), None);
        let good = judged(HostState::Idle, Some(Outcome::Confirmed), 'n');
        assert_eq!(good, Some(Ok(())));
        let text = "a.service failed".to_owned();
        let failed = Outcome::TrialFailed { text };
        let why = Some(Err("its trial failed: a.service failed".to_owned()));
        assert_eq!(judged(on_trial, Some(failed.clone()), 'n'), why);
        // By now it is back in what it had, by itself.
        assert_eq!(judged(HostState::Idle, Some(failed), '1'), why);
    }

    #[test]
    fn only_what_the_boot_broke_counts() {
        let health = Health {
            host: "Web".to_owned(),
            boot_id: "second".to_owned(),
            is_up: true,
            failed_checks: Vec::new(),
            failed_units: vec!["old.service".to_owned()],
        };
        let before = Status {
            failed_units: vec!["old.service".to_owned()],
            ..status()
        };
        let ill = |health: &Health| ill(&before, &rebooted(), health);
        assert_eq!(ill(&health), None);
        let bad = Health {
            boot_id: "third".to_owned(),
            is_up: false,
            failed_checks: vec!["page: it exited 1".to_owned()],
            failed_units: vec!["new.service".to_owned(), "old.service".to_owned()],
            ..health
        };
        assert_eq!(
            ill(&bad).as_deref(),
            Some(
                "it booted once more by itself; it has not started everything; health check page: it exited 1; \
                 new.service failed"
            )
        );
    }
}

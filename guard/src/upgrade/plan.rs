//! What is to be done with what the source offers, given what the host is and what it has tried: pure.

use crate::answer::{Event, History, HostState, Outcome, Purpose, ReleaseId, Status};
use crate::refusal::Refusal;
use crate::release::{ActionKind, Release};
use crate::runner::outcome_line;
use crate::store_path::StorePath;

/// What the host would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub toplevel: StorePath,
    /// What the guard is asked to activate.
    pub profile: StorePath,
    pub kind: ActionKind,
    /// None: a build.
    pub release: Option<ReleaseId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Has(String),
    /// Something else goes on, or it was tried and taken back.
    Wait(String),
    Activate,
}

impl Candidate {
    /// # Errors
    /// `other-host`.
    pub fn of_release(release: &Release, host: &str) -> Result<Self, Refusal> {
        let named = release.for_host(host)?;
        Ok(Self {
            toplevel: named.toplevel.clone(),
            profile: named.profile.clone(),
            kind: named.action.kind,
            release: Some(ReleaseId {
                commit: release.commit.clone(),
                counter: release.counter,
            }),
        })
    }

    pub fn of_build(toplevel: StorePath) -> Self {
        Self {
            profile: toplevel.clone(),
            toplevel,
            kind: ActionKind::Switch,
            release: None,
        }
    }

    pub fn is_test(&self) -> bool {
        self.kind == ActionKind::Test
    }

    fn is_what(&self, status: &Status) -> bool {
        let is = |what: &Option<StorePath>| what.as_ref() == Some(&self.toplevel);
        let boots = is(&status.boot_default) && is(&status.profile);
        match self.kind {
            ActionKind::Switch => is(&status.running) && boots,
            ActionKind::Boot => boots,
            ActionKind::Test => is(&status.running),
        }
    }

    /// How an earlier attempt ended, whoever began it: what was taken back is not tried for ever.
    fn tried(&self, history: &History) -> Option<Outcome> {
        let activations = history
            .entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Activation { activation } => Some(activation),
                _ => None,
            });
        let mut own = activations.filter(|activation| {
            let deployed = matches!(
                activation.purpose,
                Purpose::Switch | Purpose::Boot | Purpose::Test
            );
            let same = match &self.release {
                Some(_) => activation.release == self.release,
                None => activation.toplevel == self.toplevel,
            };
            deployed && same
        });
        own.find_map(|activation| Some(activation.ended.as_ref()?.outcome.clone()))
    }
}

pub fn next(candidate: &Candidate, status: &Status, history: &History) -> Next {
    match &status.state {
        HostState::Idle => (),
        HostState::Activating | HostState::AwaitingConfirmation { .. } => {
            return Next::Wait("an activation is going on".to_owned())
        }
        HostState::OnTrial { booted: false } => {
            return Next::Wait("a boot on trial waits for its reboot".to_owned())
        }
        HostState::OnTrial { booted: true } => {
            return Next::Wait("a boot on trial has not ended".to_owned())
        }
        HostState::TestUntil { until } => {
            return Next::Wait(format!("a test runs until {until}"));
        }
        HostState::Held { by, reason, .. } => {
            let reason = reason.as_deref().unwrap_or("no reason given");
            return Next::Wait(format!("{by} holds the host, {reason}"));
        }
    }
    if candidate.is_what(status) {
        return Next::Has(format!(
            "{} is what the host has",
            candidate.toplevel.name()
        ));
    }
    match candidate.tried(history) {
        Some(outcome) => Next::Wait(format!(
            "for a newer release; the host went back from this one, which had ended so: {}",
            outcome_line(&outcome)
        )),
        None => Next::Activate,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::answer::{Activation, Cause, Ended, Entry, FreeBytes};
    use crate::time::Time;

    fn path(name: &str) -> StorePath {
        format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}")
            .parse()
            .unwrap()
    }

    /// Idle, with one toplevel running and one that boots.
    pub(in crate::upgrade) fn status(running: &str, boots: &str) -> Status {
        Status {
            host: "Niko".to_owned(),
            boot_id: None,
            running: Some(path(running)),
            booted: Some(path(boots)),
            boot_default: Some(path(boots)),
            profile: Some(path(boots)),
            state: HostState::Idle,
            last_release: None,
            running_commit: None,
            reboot_due: Vec::new(),
            failed_units: Vec::new(),
            guard_version: String::new(),
            free_bytes: FreeBytes {
                store: 0,
                esp: None,
            },
            rollback_target: None,
            unattended_reboot: true,
            boot_on_trial: true,
            last_activation: None,
            last_upgrade: None,
        }
    }

    fn release(counter: u64) -> Option<ReleaseId> {
        Some(ReleaseId {
            commit: "c".to_owned(),
            counter,
        })
    }

    fn candidate(kind: ActionKind, release: Option<ReleaseId>) -> Candidate {
        Candidate {
            toplevel: path("new"),
            profile: path("activatable-new"),
            kind,
            release,
        }
    }

    fn history(purpose: Purpose, release: Option<ReleaseId>, outcome: Outcome) -> History {
        let activation = Activation {
            id: "1".to_owned(),
            purpose,
            by: "ci".to_owned(),
            began: Time::from_unix(1),
            toplevel: path("new"),
            previous: None,
            release,
            ended: Some(Ended {
                at: Time::from_unix(2),
                outcome,
            }),
        };
        let entry = Entry {
            at: Time::from_unix(2),
            by: "ci".to_owned(),
            event: Event::Activation { activation },
        };
        History {
            host: "Niko".to_owned(),
            entries: vec![entry],
        }
    }

    fn nothing_yet() -> History {
        History {
            host: "Niko".to_owned(),
            entries: Vec::new(),
        }
    }

    #[test]
    fn what_the_host_has_is_left_and_what_it_has_not_is_activated() {
        use ActionKind::{Boot, Switch, Test};
        for (kind, running, boots, expected) in [
            (Switch, "new", "new", false),
            // What was only tested is not what boots.
            (Switch, "new", "old", true),
            (Switch, "old", "old", true),
            (Boot, "old", "new", false),
            (Boot, "old", "old", true),
            (Test, "new", "old", false),
            (Test, "old", "old", true),
        ] {
            let next = next(
                &candidate(kind, release(1)),
                &status(running, boots),
                &nothing_yet(),
            );
            assert_eq!(
                next == Next::Activate,
                expected,
                "{kind:?} {running} {boots}"
            );
        }
    }

    #[test]
    fn what_was_taken_back_is_not_tried_for_ever() {
        let back = || Outcome::RolledBack {
            cause: Cause::Unhealthy,
            text: "web: it exited 1".to_owned(),
        };
        let status = status("old", "old");
        let failed = history(Purpose::Switch, release(1), back());
        let one = candidate(ActionKind::Switch, release(1));
        let Next::Wait(text) = next(&one, &status, &failed) else {
            panic!("tried again");
        };
        assert!(text.contains("web: it exited 1"), "{text}");
        // The same closure in a newer release is somebody's wish to try again.
        let two = candidate(ActionKind::Switch, release(2));
        assert_eq!(next(&two, &status, &failed), Next::Activate);
        // A build has no other name than its closure's.
        let build = candidate(ActionKind::Switch, None);
        assert!(matches!(next(&build, &status, &failed), Next::Wait(_)));
        // To look at it was no attempt.
        let looked = history(Purpose::DryActivate, release(1), Outcome::Dry);
        assert_eq!(next(&one, &status, &looked), Next::Activate);
    }

    #[test]
    fn nobody_is_disturbed() {
        let until = Time::from_unix(9);
        for state in [
            HostState::Activating,
            HostState::AwaitingConfirmation { until },
            HostState::OnTrial { booted: false },
            HostState::OnTrial { booted: true },
            HostState::TestUntil { until },
            HostState::Held {
                by: "laptop".to_owned(),
                since: until,
                reason: None,
            },
        ] {
            let status = Status {
                state,
                ..status("old", "old")
            };
            let next = next(
                &candidate(ActionKind::Switch, release(1)),
                &status,
                &nothing_yet(),
            );
            assert!(matches!(next, Next::Wait(_)), "{:?}", status.state);
        }
    }
}

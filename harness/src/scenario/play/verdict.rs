//! What the end of a play means. Pure: a control must fail, and at the step that it names.

use super::outcome::Verdict;
use crate::scenario::{Control, Step};

/// What stopped a step.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something is not as the scenario says.
    Failed {
        machine: Option<String>,
        expected: String,
        found: String,
    },
    /// A machine did not answer, or did not do what it was told: `expected` has the step's own words, and only the error
    /// says what came of it.
    NotDone {
        machine: Option<String>,
        expected: String,
        error: crate::Error,
    },
    /// The harness could not do it.
    Broken(crate::Error),
}

/// How far a play came.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    AllPassed,
    FailedAt(&'a Step),
    Broken,
}

/// The verdict, and what is to be said besides the failure itself.
pub(super) fn verdict(control: Option<&Control>, end: End) -> (Verdict, Option<String>) {
    match (control, end) {
        (_, End::Broken) => (Verdict::Broken, None),
        (None, End::AllPassed) => (Verdict::Passed, None),
        (None, End::FailedAt(_)) => (Verdict::Failed, None),
        (Some(control), End::AllPassed) => (
            Verdict::Failed,
            Some(format!(
                "this control was to fail at `{}`, and nothing failed: the scenario passes for a wrong reason",
                control.fails_at
            )),
        ),
        (Some(control), End::FailedAt(step)) if step.is_named(&control.fails_at) => {
            (Verdict::Passed, None)
        }
        (Some(control), End::FailedAt(step)) => (
            Verdict::Failed,
            Some(format!(
                "this control was to fail at `{}`, and failed at `{}`",
                control.fails_at, step.name
            )),
        ),
    }
}

/// A step that must fail, and how its failure must read: turns success into trouble and the right trouble into success.
pub(super) fn as_meant(fails: Option<&str>, result: Result<(), Trouble>) -> Result<(), Trouble> {
    let Some(text) = fails else {
        return result;
    };
    let wanted = || format!("a failure that says `{text}`");
    let (machine, said, of_step) = match result {
        Err(Trouble::Broken(error)) => return Err(Trouble::Broken(error)),
        Err(Trouble::Failed {
            machine,
            expected,
            found,
        }) => (machine, found, expected),
        Err(Trouble::NotDone {
            machine,
            expected,
            error,
        }) => {
            if error.to_string().contains(text) {
                return Ok(());
            }
            return Err(Trouble::Failed {
                machine,
                expected: wanted(),
                found: format!("expected {expected}; found {error}"),
            });
        }
        Ok(()) => {
            return Err(Trouble::Failed {
                machine: None,
                expected: wanted(),
                found: "no failure".to_owned(),
            })
        }
    };
    if of_step.contains(text) || said.contains(text) {
        return Ok(());
    }
    Err(Trouble::Failed {
        machine,
        expected: wanted(),
        found: format!("expected {of_step}; found {said}"),
    })
}

impl Trouble {
    /// An error while something was expected of a machine: what a machine does is the scenario's business, what the
    /// host cannot do is not.
    pub fn of(machine: Option<&str>, expected: impl Into<String>, error: crate::Error) -> Self {
        use crate::ErrorKind::{Command, Panicked, Refused, State, TimedOut};
        match error.kind() {
            TimedOut | Panicked | State | Command | Refused => Self::NotDone {
                machine: machine.map(str::to_owned),
                expected: expected.into(),
                error,
            },
            _ => Self::Broken(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Verb;
    use crate::{Error, ErrorKind};

    fn step(name: &str) -> Step {
        Step {
            name: name.to_owned(),
            within: 5,
            fails: None,
            verb: Verb::Reboot("Niko".to_owned()),
            line: 1,
            written: String::new(),
        }
    }

    fn control() -> Control {
        Control {
            number: 1,
            title: "t".to_owned(),
            leave_out: Vec::new(),
            swap: Default::default(),
            fails_at: "it is refused".to_owned(),
        }
    }

    #[test]
    fn a_play_passes_if_no_step_fails() {
        assert_eq!(verdict(None, End::AllPassed), (Verdict::Passed, None));
        let failed = step("it is refused");
        assert_eq!(verdict(None, End::FailedAt(&failed)).0, Verdict::Failed);
        assert_eq!(verdict(None, End::Broken).0, Verdict::Broken);
    }

    #[test]
    fn a_control_passes_only_by_failing_where_it_should() {
        let control = control();
        let right = step("it is refused: the third time");
        assert_eq!(
            verdict(Some(&control), End::FailedAt(&right)).0,
            Verdict::Passed
        );
        let (failed, why) = verdict(Some(&control), End::FailedAt(&step("earlier")));
        assert_eq!(failed, Verdict::Failed);
        assert!(why.unwrap().contains("failed at `earlier`"));
        let (failed, why) = verdict(Some(&control), End::AllPassed);
        assert_eq!(failed, Verdict::Failed);
        assert!(why.unwrap().contains("for a wrong reason"));
        assert_eq!(verdict(Some(&control), End::Broken).0, Verdict::Broken);
    }

    fn failed() -> Result<(), Trouble> {
        Err(Trouble::Failed {
            machine: None,
            expected: "exit code 0".to_owned(),
            found: "exit code 4".to_owned(),
        })
    }

    #[test]
    fn a_step_that_must_fail_must_say_why() {
        assert!(as_meant(None, Ok(())).is_ok());
        assert!(as_meant(None, failed()).is_err());
        assert!(as_meant(Some("exit code 4"), failed()).is_ok());
        assert!(as_meant(Some("exit code 0"), failed()).is_ok());
        let Err(Trouble::Failed { found, .. }) = as_meant(Some("timed out"), failed()) else {
            panic!("another failure than the one that is meant");
        };
        assert_eq!(found, "expected exit code 0; found exit code 4");
        let Err(Trouble::Failed { found, .. }) = as_meant(Some("exit code 4"), Ok(())) else {
            panic!("it did not fail");
        };
        assert_eq!(found, "no failure");
    }

    #[test]
    fn a_harness_that_breaks_is_never_what_was_meant() {
        let broken = || Trouble::of(None, "", Error::new(ErrorKind::NoSpace, "no space"));
        assert!(matches!(
            as_meant(Some("no space"), Err(broken())),
            Err(Trouble::Broken(_))
        ));
        let off = Trouble::of(
            Some("Niko"),
            "an answer",
            Error::new(ErrorKind::State, "Niko is off"),
        );
        assert!(
            matches!(off, Trouble::NotDone { error, .. } if error.to_string() == "Niko is off")
        );
    }

    #[test]
    fn a_machine_that_does_not_answer_is_not_what_the_words_of_the_step_meant() {
        let silent = || {
            let error = Error::new(ErrorKind::TimedOut, "the guest agent did not answer");
            Err(Trouble::of(
                Some("Niko"),
                "a listener on port 7 within 1 s",
                error,
            ))
        };
        let Err(Trouble::Failed {
            machine,
            expected,
            found,
        }) = as_meant(Some("port 7"), silent())
        else {
            panic!("nobody has looked for the port");
        };
        assert_eq!(machine.as_deref(), Some("Niko"));
        assert_eq!(expected, "a failure that says `port 7`");
        assert_eq!(
            found,
            "expected a listener on port 7 within 1 s; found the guest agent did not answer"
        );
        assert!(as_meant(Some("did not answer"), silent()).is_ok());
    }

    #[test]
    fn what_a_guest_does_fails_a_play_and_what_the_host_does_breaks_it() {
        let end = |kind| match Trouble::of(None, "it to be done", Error::new(kind, "x")) {
            Trouble::Failed { .. } | Trouble::NotDone { .. } => Verdict::Failed,
            Trouble::Broken(_) => Verdict::Broken,
        };
        // It panics; it does not boot, or hangs; it is off; a command ends badly.
        for kind in [
            ErrorKind::Panicked,
            ErrorKind::TimedOut,
            ErrorKind::State,
            ErrorKind::Command,
            ErrorKind::Refused,
        ] {
            assert_eq!(end(kind), Verdict::Failed, "{kind:?}");
        }
        // QEMU ends; QEMU does not answer, or no place for a boot gets free; the disk is full; and what else is the host's.
        for kind in [
            ErrorKind::MachineDied,
            ErrorKind::Busy,
            ErrorKind::NoSpace,
            ErrorKind::Snapshot,
            ErrorKind::Io,
            ErrorKind::ToolMissing,
        ] {
            assert_eq!(end(kind), Verdict::Broken, "{kind:?}");
        }
    }
}

use super::*;
use crate::refusal::Code;
use proptest::prelude::*;

const PURPOSES: [Purpose; 8] = [
    Purpose::Switch,
    Purpose::Boot,
    Purpose::Test,
    Purpose::DryActivate,
    Purpose::Keep,
    Purpose::Rollback,
    Purpose::LeaseEnd,
    Purpose::Recovery,
];

fn course(purpose: Purpose) -> Course {
    Course {
        purpose,
        on_trial: true,
        boot_touched: false,
    }
}

/// Writes down what it is told, and fails where it is told to.
#[derive(Default)]
struct Recording {
    steps: Vec<Step>,
    results: Vec<(Step, Result)>,
    full: Option<Step>,
}

impl Effects for Recording {
    fn record(&mut self, step: Step) -> anyhow::Result<()> {
        anyhow::ensure!(self.full != Some(step), "no space left on device");
        Ok(())
    }

    fn perform(&mut self, step: Step) -> Result {
        self.steps.push(step);
        let found = self.results.iter().find(|(at, _)| *at == step);
        found.map_or(Result::Done, |(_, result)| result.clone())
    }
}

fn played(purpose: Purpose, results: &[(Step, Result)]) -> (Vec<Step>, End) {
    let mut effects = Recording {
        results: results.to_vec(),
        ..Recording::default()
    };
    let end = play(course(purpose), &mut effects);
    (effects.steps, end)
}

fn failing(step: Step) -> [(Step, Result); 1] {
    [(step, Result::Failed("no".to_owned()))]
}

#[test]
fn when_all_goes_well() {
    use Step::*;
    let cases: [(Purpose, &[Step], End); 7] = [
        (
            Purpose::Switch,
            &[Check, Activate, Health, Confirm, SetProfile, WriteBoot],
            End::Confirmed,
        ),
        (
            Purpose::Test,
            &[Check, Activate, Health, Confirm],
            End::Testing,
        ),
        (
            Purpose::Boot,
            &[Check, ProtectDefault, SetProfile, WriteBoot, ArmOnce],
            End::BootPending,
        ),
        (Purpose::DryActivate, &[Check, DryActivate], End::Dry),
        (
            Purpose::Keep,
            &[Check, SetProfile, WriteBoot],
            End::Confirmed,
        ),
        (
            Purpose::Rollback,
            &[Check, Activate, SetProfile, WriteBoot],
            End::Confirmed,
        ),
        (Purpose::LeaseEnd, &[Check, Activate], End::Returned),
    ];
    for (purpose, steps, end) in cases {
        assert_eq!(played(purpose, &[]), (steps.to_vec(), end), "{purpose:?}");
    }
}

#[test]
fn a_loader_without_one_shot_just_boots() {
    use Step::*;
    let mut effects = Recording::default();
    let course = Course {
        on_trial: false,
        ..course(Purpose::Boot)
    };
    assert_eq!(play(course, &mut effects), End::BootPending);
    assert_eq!(effects.steps, [Check, SetProfile, WriteBoot]);
}

#[test]
fn what_fails_before_the_confirmation_is_taken_back_live_and_nothing_else_is_touched() {
    for (step, cause) in [
        (Step::Activate, Cause::ActivationFailed),
        (Step::Health, Cause::Unhealthy),
        (Step::Confirm, Cause::NotConfirmed),
    ] {
        let (steps, end) = played(Purpose::Switch, &failing(step));
        assert_eq!(end, End::RolledBack(cause, "no".to_owned()));
        assert_eq!(steps.last(), Some(&Step::ActivatePrevious));
        assert!(!steps.contains(&Step::SetProfile) && !steps.contains(&Step::WriteBoot));
    }
    let (_, end) = played(Purpose::Switch, &[(Step::Activate, Result::TimedOut)]);
    assert!(matches!(end, End::RolledBack(Cause::ActivationTimedOut, _)));
}

#[test]
fn a_boot_loader_that_cannot_be_written_takes_all_of_it_back() {
    use Step::*;
    let (steps, end) = played(Purpose::Switch, &failing(WriteBoot));
    assert_eq!(
        steps,
        [
            Check,
            Activate,
            Health,
            Confirm,
            SetProfile,
            WriteBoot,
            RestoreProfile,
            RestoreBoot,
            ActivatePrevious
        ]
    );
    assert_eq!(
        end,
        End::RolledBack(Cause::BootLoaderFailed, "no".to_owned())
    );
    // A boot deployment has not touched what runs, and going back does not either.
    let (steps, _) = played(Purpose::Boot, &failing(ArmOnce));
    assert_eq!(
        steps,
        [
            Check,
            ProtectDefault,
            SetProfile,
            WriteBoot,
            ArmOnce,
            RestoreProfile,
            RestoreBoot,
            ClearVariables
        ]
    );
    let (steps, _) = played(Purpose::Keep, &failing(WriteBoot));
    assert_eq!(
        steps,
        [Check, SetProfile, WriteBoot, RestoreProfile, RestoreBoot]
    );
}

#[test]
fn a_refusal_touches_nothing() {
    let refusal = Refusal::new(Code::Unsigned);
    for purpose in PURPOSES {
        if purpose == Purpose::Recovery {
            continue;
        }
        let refused = [(Step::Check, Result::Refused(refusal.clone()))];
        let expected = (vec![Step::Check], End::Refused(refusal.clone()));
        assert_eq!(played(purpose, &refused), expected, "{purpose:?}");
    }
}

#[test]
fn what_cannot_be_written_down_is_not_begun() {
    let mut effects = Recording {
        full: Some(Step::SetProfile),
        ..Recording::default()
    };
    let end = play(course(Purpose::Switch), &mut effects);
    assert!(matches!(end, End::RolledBack(Cause::BootLoaderFailed, _)));
    assert!(!effects.steps.contains(&Step::SetProfile));
    assert_eq!(effects.steps.last(), Some(&Step::ActivatePrevious));
}

#[test]
fn a_recovery_brings_back_what_was_touched() {
    use Step::*;
    let (steps, end) = played(Purpose::Recovery, &[]);
    assert_eq!((steps, end), (vec![ActivatePrevious], End::Returned));
    let mut effects = Recording::default();
    let touched = Course {
        boot_touched: true,
        ..course(Purpose::Recovery)
    };
    assert_eq!(play(touched, &mut effects), End::Returned);
    assert_eq!(
        effects.steps,
        [
            RestoreProfile,
            RestoreBoot,
            ClearVariables,
            ActivatePrevious
        ]
    );
}

fn any_result() -> impl Strategy<Value = Result> {
    prop_oneof![
        3 => Just(Result::Done),
        1 => Just(Result::Failed("no".to_owned())),
        1 => Just(Result::TimedOut),
        1 => Just(Result::Refused(Refusal::new(Code::Busy))),
    ]
}

/// Gives results in an order that nobody thought of.
struct Scripted {
    results: Vec<Result>,
    done: Vec<(Step, Result)>,
}

impl Effects for Scripted {
    fn record(&mut self, _: Step) -> anyhow::Result<()> {
        Ok(())
    }

    fn perform(&mut self, step: Step) -> Result {
        let result = self.results.pop().unwrap_or(Result::Done);
        self.done.push((step, result.clone()));
        result
    }
}

proptest! {
    #[test]
    fn every_course_ends_where_it_says(
        which in 0..PURPOSES.len(), on_trial in any::<bool>(), boot_touched in any::<bool>(),
        results in proptest::collection::vec(any_result(), 0..14))
    {
        let purpose = PURPOSES[which];
        let mut effects = Scripted { results, done: Vec::new() };
        let end = play(Course { purpose, on_trial, boot_touched }, &mut effects);
        let done = |step: Step| effects.done.contains(&(step, Result::Done));
        let begun = |step: Step| effects.done.iter().any(|(at, _)| *at == step);
        let before = |first: Step, then: Step| {
            let at = |step: Step| effects.done.iter().position(|(found, _)| *found == step);
            at(then).is_none_or(|then| at(first).is_some_and(|first| first < then))
        };
        prop_assert!(effects.done.len() <= 12);
        // Nothing is begun unchecked, and nothing unconfirmed reaches profile or boot loader.
        if purpose != Purpose::Recovery {
            prop_assert_eq!(effects.done[0].0, Step::Check);
        }
        if purpose == Purpose::Switch && begun(Step::SetProfile) {
            prop_assert!(done(Step::Health) && done(Step::Confirm));
            prop_assert!(before(Step::Health, Step::Confirm) && before(Step::Confirm, Step::SetProfile));
        }
        if purpose == Purpose::Test {
            prop_assert!(!begun(Step::SetProfile) && !begun(Step::WriteBoot));
        }
        match &end {
            End::Confirmed => prop_assert!(done(Step::WriteBoot) && done(Step::SetProfile) && !begun(Step::RestoreBoot)),
            End::Testing => prop_assert!(done(Step::Confirm)),
            End::BootPending => prop_assert!(done(Step::WriteBoot) && (!on_trial || done(Step::ArmOnce))),
            End::RolledBack(..) => {
                let live = begun(Step::Activate);
                prop_assert!(!live || done(Step::ActivatePrevious));
                prop_assert!(!begun(Step::SetProfile) || begun(Step::RestoreProfile) && begun(Step::RestoreBoot));
            }
            End::Refused(_) => prop_assert_eq!(effects.done.len(), 1),
            End::Dry => prop_assert!(!begun(Step::Activate) && !begun(Step::SetProfile)),
            End::Returned => prop_assert!(done(Step::Activate) || done(Step::ActivatePrevious)),
            End::Stranded(_) => prop_assert!(begun(Step::ActivatePrevious) || purpose == Purpose::LeaseEnd),
        }
    }
}

use super::*;
use crate::answer::{Activation, Ended};
use crate::release::{Action, Document, HostRelease, SignedRelease, VERSION};
use crate::state::{AcceptedRelease, Hold, Test, Trial};
use std::collections::BTreeMap;

fn path(name: &str) -> StorePath {
    format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}")
        .parse()
        .unwrap()
}

fn release(counter: u64, kind: ActionKind) -> Release {
    let host = HostRelease {
        toplevel: path("new"),
        profile: path("activatable-new"),
        action: Action {
            kind,
            lease_seconds: None,
        },
        removes_guard: false,
    };
    Release {
        document: Document::Release,
        version: VERSION,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        counter,
        made: Time::from_unix(1000),
        expires: Time::from_unix(2000),
        hosts: BTreeMap::from([("Niko".to_owned(), host)]),
    }
}

fn having(release: &Release) -> State {
    let id = ReleaseId {
        commit: release.commit.clone(),
        counter: release.counter,
    };
    let signed = SignedRelease {
        release: release.to_text().unwrap(),
        signature: String::new(),
    };
    let accepted = AcceptedRelease {
        id,
        signer: "builder".to_owned(),
        accepted: Time::from_unix(1000),
        signed,
    };
    State {
        release: Some(accepted),
        ..State::default()
    }
}

fn facts() -> Facts {
    Facts {
        host: "Niko".to_owned(),
        now: Time::from_unix(1500),
        running: Some(path("old")),
        boot_default: Some(path("old")),
        generation: None,
    }
}

fn ci() -> Asker {
    Asker {
        name: "ci".to_owned(),
        operator: false,
    }
}

fn operator() -> Asker {
    Asker {
        name: "laptop".to_owned(),
        operator: true,
    }
}

fn deploy_as(mode: Mode) -> Wish {
    Wish::Deploy {
        profile: path("activatable-new"),
        mode,
        confirmed: true,
        confirm_timeout: Duration::from_secs(30),
    }
}

fn code(answer: Result<Admitted, Refusal>) -> Code {
    answer.unwrap_err().code
}

fn what(answer: Result<Admitted, Refusal>) -> (Purpose, StorePath) {
    match answer {
        Ok(Admitted::Activation(admission)) => (admission.purpose, admission.toplevel),
        other => panic!("{other:?}"),
    }
}

fn last(by: &str, purpose: Purpose, previous: &str, outcome: Outcome) -> Activation {
    Activation {
        id: "1".to_owned(),
        purpose,
        by: by.to_owned(),
        began: Time::from_unix(1400),
        toplevel: path("new"),
        previous: Some(path(previous)),
        release: None,
        ended: Some(Ended {
            at: Time::from_unix(1410),
            outcome,
        }),
    }
}

#[test]
fn what_the_release_names_is_done() {
    for (kind, mode, purpose) in [
        (ActionKind::Switch, Mode::Plain, Purpose::Switch),
        (ActionKind::Test, Mode::Plain, Purpose::Test),
        (ActionKind::Test, Mode::Test, Purpose::Test),
        (ActionKind::Boot, Mode::Boot, Purpose::Boot),
        (ActionKind::Switch, Mode::Dry, Purpose::DryActivate),
    ] {
        let state = having(&release(7, kind));
        let answer = admit(&state, &deploy_as(mode), &ci(), &facts());
        assert_eq!(what(answer), (purpose, path("new")), "{mode:?}");
    }
}

#[test]
fn what_it_does_not_name_is_refused() {
    let switch = having(&release(7, ActionKind::Switch));
    let ask = |state: &State, wish: &Wish, facts: &Facts| code(admit(state, wish, &ci(), facts));
    let plain = deploy_as(Mode::Plain);
    assert_eq!(ask(&State::default(), &plain, &facts()), Code::NoRelease);
    assert_eq!(
        ask(&switch, &deploy_as(Mode::Boot), &facts()),
        Code::WrongAction
    );
    assert_eq!(
        ask(&switch, &deploy_as(Mode::Test), &facts()),
        Code::WrongAction
    );
    let elsewhere = Facts {
        host: "Ingress".to_owned(),
        ..facts()
    };
    assert_eq!(ask(&switch, &plain, &elsewhere), Code::OtherHost);
    let late = Facts {
        now: Time::from_unix(2000),
        ..facts()
    };
    assert_eq!(ask(&switch, &plain, &late), Code::Expired);
    // Also what only looks: it runs a program of the closure.
    assert_eq!(ask(&switch, &deploy_as(Mode::Dry), &late), Code::Expired);
    let other = Wish::Deploy {
        profile: path("activatable-other"),
        mode: Mode::Plain,
        confirmed: true,
        confirm_timeout: Duration::from_secs(30),
    };
    assert_eq!(ask(&switch, &other, &facts()), Code::NotInRelease);
    let unconfirmed = Wish::Deploy {
        profile: path("activatable-new"),
        mode: Mode::Plain,
        confirmed: false,
        confirm_timeout: Duration::from_secs(30),
    };
    assert_eq!(ask(&switch, &unconfirmed, &facts()), Code::NoConfirmation);
}

#[test]
fn a_held_host_is_only_the_holder_s() {
    let mut state = having(&release(7, ActionKind::Switch));
    state.hold = Some(Hold {
        by: "laptop".to_owned(),
        since: Time::from_unix(1),
        reason: None,
    });
    let ask = |wish: &Wish, asker: &Asker| admit(&state, wish, asker, &facts());
    for wish in [
        deploy_as(Mode::Plain),
        Wish::Rollback { to: None },
        Wish::Revoke { profile: path("x") },
    ] {
        assert_eq!(code(ask(&wish, &ci())), Code::Held, "{wish:?}");
    }
    assert!(ask(&deploy_as(Mode::Plain), &operator()).is_ok());
    assert!(ask(&deploy_as(Mode::Dry), &ci()).is_ok());
    assert!(ask(&Wish::Recover, &ci()).is_ok());
}

#[test]
fn a_trial_is_ended_before_anything_else_begins() {
    let mut state = having(&release(7, ActionKind::Switch));
    let activation = last("ci", Purpose::Boot, "old", Outcome::BootPending);
    state.trial = Some(Trial {
        activation,
        previous: Some(path("old")),
        profile_before: None,
        one_shot: true,
        booted: false,
    });
    let ask = |state: &State, wish: Wish| admit(state, &wish, &ci(), &facts());
    assert_eq!(code(ask(&state, deploy_as(Mode::Plain))), Code::OnTrial);
    assert_eq!(
        ask(&state, Wish::Rollback { to: None }),
        Ok(Admitted::EndTrial)
    );
    state.trial.as_mut().unwrap().booted = true;
    assert_eq!(
        code(ask(&state, Wish::Rollback { to: None })),
        Code::OnTrial
    );
}

#[test]
fn revoking_undoes_the_last_change_and_nothing_more() {
    let mut state = having(&release(7, ActionKind::Switch));
    let wish = Wish::Revoke {
        profile: path("activatable-new"),
    };
    let nothing = |state: &State| {
        matches!(
            admit(state, &wish, &ci(), &facts()),
            Ok(Admitted::Nothing(_))
        )
    };
    assert!(nothing(&state));
    // The closure was running before: one generation too far is what deploy-rs would go back.
    state.last = Some(last("ci", Purpose::Switch, "new", Outcome::Confirmed));
    assert!(nothing(&state));
    // A look changed nothing, whatever else failed in the same call.
    state.last = Some(last("ci", Purpose::DryActivate, "old", Outcome::Dry));
    assert!(nothing(&state));
    state.last = Some(last("ci", Purpose::Switch, "old", Outcome::Confirmed));
    assert_eq!(
        code(admit(&state, &wish, &ci(), &facts())),
        Code::NeverConfirmed
    );
    state.confirm(&path("old"), Time::from_unix(1), None);
    let answer = admit(&state, &wish, &ci(), &facts());
    assert_eq!(what(answer), (Purpose::Rollback, path("old")));
    let other = Asker {
        name: "bot".to_owned(),
        operator: false,
    };
    assert_eq!(code(admit(&state, &wish, &other, &facts())), Code::NotYours);
}

#[test]
fn a_rollback_goes_only_to_what_was_confirmed() {
    let mut state = State::default();
    let ask = |state: &State, to, generation: Option<&str>| {
        let facts = Facts {
            generation: generation.map(path),
            ..facts()
        };
        admit(state, &Wish::Rollback { to }, &ci(), &facts)
    };
    assert_eq!(code(ask(&state, None, None)), Code::NothingToRollBack);
    assert_eq!(
        code(ask(&state, Some(3), Some("evil"))),
        Code::NeverConfirmed
    );
    assert_eq!(code(ask(&state, Some(3), None)), Code::NothingToRollBack);
    state.confirm(&path("older"), Time::from_unix(1), None);
    assert_eq!(
        what(ask(&state, None, None)),
        (Purpose::Rollback, path("older"))
    );
    assert_eq!(
        what(ask(&state, Some(3), Some("older"))),
        (Purpose::Rollback, path("older"))
    );
    assert_eq!(
        code(ask(&state, Some(3), Some("evil"))),
        Code::NeverConfirmed
    );
}

#[test]
fn a_test_is_kept_by_operators() {
    let mut state = State::default();
    let here = Facts {
        running: Some(path("new")),
        ..facts()
    };
    assert_eq!(
        code(admit(&state, &Wish::Keep, &operator(), &here)),
        Code::NoTest
    );
    state.test = Some(Test {
        toplevel: path("new"),
        by: "ci".to_owned(),
        until: Time::from_unix(9999),
        release: None,
    });
    assert_eq!(
        code(admit(&state, &Wish::Keep, &ci(), &here)),
        Code::NotOperator
    );
    assert_eq!(
        what(admit(&state, &Wish::Keep, &operator(), &here)),
        (Purpose::Keep, path("new"))
    );
    assert_eq!(
        code(admit(&state, &Wish::Keep, &operator(), &facts())),
        Code::NoTest
    );
}

#[test]
fn a_release_is_never_older_than_the_last() {
    let old = release(7, ActionKind::Switch);
    let state = having(&old);
    let ask = |release: &Release| accept(&state, release, &release.to_text().unwrap(), &facts());
    assert_eq!(ask(&old), Ok(true));
    assert_eq!(ask(&release(8, ActionKind::Switch)), Ok(false));
    assert_eq!(
        ask(&release(6, ActionKind::Switch)).unwrap_err().code,
        Code::Downgrade
    );
    assert_eq!(
        ask(&release(7, ActionKind::Boot)).unwrap_err().code,
        Code::CounterReused
    );
    let mut elsewhere = release(8, ActionKind::Switch);
    elsewhere.hosts.clear();
    assert_eq!(ask(&elsewhere).unwrap_err().code, Code::OtherHost);
}

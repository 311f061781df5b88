//! Plays for the tests of this room.

use std::collections::BTreeMap;

use harness::scenario::{self, Failure, HostMachine, Play, StepOutcome, StepResult};

use super::outcome::{Control, Played, Report, Scenario, Verdict};
use super::select::Choice;
use crate::fleet::stage::Stage;

pub fn play(name: &str) -> Play {
    let machine = HostMachine {
        host: "Niko".to_owned(),
        generations: vec!["as-configured".to_owned(), "good".to_owned()],
        in_store: Vec::new(),
    };
    Play {
        name: name.to_owned(),
        scenario: name.to_owned(),
        cell: None,
        control: None,
        title: format!("The title of {name}"),
        proves: "Something.".to_owned(),
        machines: [
            ("Niko".to_owned(), scenario::Machine::Host(machine)),
            ("client".to_owned(), scenario::Machine::Helper),
        ]
        .into(),
        steps: Vec::new(),
        file: format!("tests/scenarios/{name}.toml"),
    }
}

pub fn cell(scenario: &str, cell: &str) -> Play {
    Play {
        name: format!("{scenario}-{cell}"),
        cell: Some(cell.to_owned()),
        ..play(scenario)
    }
}

pub fn control(scenario: &str, number: usize) -> Play {
    Play {
        name: format!("{scenario}-control-{number}"),
        control: Some(scenario::Control {
            number,
            title: "with a configuration that does no harm".to_owned(),
            leave_out: Vec::new(),
            swap: BTreeMap::from([("breaks-sshd".to_owned(), "good".to_owned())]),
            fails_at: "the one that breaks sshd is refused".to_owned(),
        }),
        ..play(scenario)
    }
}

pub fn choice(name: &str, plays: Vec<Play>) -> Choice {
    Choice {
        name: name.to_owned(),
        title: format!("The title of {name}"),
        plays,
    }
}

/// A report with one of each: passed, failed, broken, a control that failed as it must, cells.
pub fn report() -> Report {
    let console = ["[  OK  ] Reached target multi-user.target", "Niko login:"];
    let failed = Played {
        verdict: Verdict::Failed,
        failure: Some(Failure {
            step: Some("the host is back on the good one".to_owned()),
            place: "tests/scenarios/deploy-rollback.toml:21".to_owned(),
            written: "[[steps]]\nname = \"the host is back on the good one\"\nstate.Niko = { running = \"good\" }\nwithin = 60\n".to_owned(),
            expected: "Niko: running good, within 60 s".to_owned(),
            found: "Niko: running breaks-sshd\n(asked 31 times)".to_owned(),
            machine: Some("Niko".to_owned()),
            journal: vec!["sshd[812]: Bad configuration option: Foo".to_owned()],
            console: console.map(str::to_owned).into(),
            kept: vec!["deploy-rollback/Niko".to_owned()],
            ..nothing()
        }),
        steps: steps(&[StepResult::Passed, StepResult::Failed, StepResult::NotPlayed]),
        ..played("deploy-rollback", 71.43)
    };
    let control = Played {
        control: Some(Control {
            title: "with a configuration that does no harm".to_owned(),
            fails_at: "the one that breaks sshd is refused".to_owned(),
        }),
        steps: steps(&[StepResult::Passed, StepResult::Failed]),
        ..played("deploy-rollback-control-1", 20.8)
    };
    let broken = Played {
        verdict: Verdict::Broken,
        failure: Some(Failure {
            found: "cannot start client: no space left on device".to_owned(),
            error: Some(harness::ErrorKind::NoSpace),
            next_step: Some("free some space on the file system of /cache".to_owned()),
            ..nothing()
        }),
        steps: steps(&[StepResult::NotPlayed]),
        ..played("substitute", 2.0)
    };
    let cell = |name: &str, seconds| Played {
        cell: Some(name.to_owned()),
        ..played(&format!("boot-{name}"), seconds)
    };
    Report {
        version: 1,
        stage: Stage::Rehearsal,
        why_stage: "github.com does not answer".to_owned(),
        flake: "git+file:///fleet".to_owned(),
        revision: Some("0".repeat(40)),
        dirty: false,
        accelerator: Some("tcg".to_owned()),
        jobs: 2,
        repeat: 1,
        seconds: 98.7,
        passed: false,
        scenarios: vec![
            Scenario::of(
                "boot",
                "Each host boots as it is configured",
                vec![cell("Ingress", 24.1), cell("Niko", 22.0)],
            ),
            Scenario::of(
                "deploy-rollback",
                "A configuration that breaks sshd is taken back",
                vec![failed, control],
            ),
            Scenario::of("substitute", "A machine fetches from another", vec![broken]),
            Scenario::of(
                "test-branch",
                "A test returns",
                vec![played("test-branch", 31.0)],
            ),
        ],
    }
}

fn played(name: &str, seconds: f64) -> Played {
    Played {
        name: name.to_owned(),
        title: format!("The title of {name}"),
        cell: None,
        control: None,
        round: 1,
        setup_seconds: 3.0,
        verdict: Verdict::Passed,
        seconds,
        logs: format!("target/vm-test/{name}").into(),
        steps: steps(&[StepResult::Passed, StepResult::Passed]),
        not_playable: None,
        failure: None,
    }
}

/// A scenario that the stage's player cannot play.
pub fn not_playable() -> Scenario {
    let why = "the test driver has no <lossy> link".to_owned();
    let played = Played::not_playable(&play("harness-self"), why);
    Scenario::of("harness-self", "Faults \"do\" what they say", vec![played])
}

fn steps(results: &[StepResult]) -> Vec<StepOutcome> {
    let names = [
        "it is deployed",
        "the host is back on the good one",
        "it reboots",
    ];
    let step = |(name, result): (&str, &StepResult)| StepOutcome {
        name: name.to_owned(),
        result: *result,
        began: 0.0,
        seconds: 1.0,
        fault: None,
        then: Vec::new(),
    };
    names.into_iter().zip(results).map(step).collect()
}

fn nothing() -> Failure {
    Failure {
        step: None,
        place: "tests/scenarios/substitute.toml".to_owned(),
        written: String::new(),
        expected: String::new(),
        found: String::new(),
        machine: None,
        journal: Vec::new(),
        console: Vec::new(),
        error: None,
        next_step: None,
        kept: Vec::new(),
    }
}

//! What is made of a scenario: the normal form.

use super::{plays, MATRIX, PLAIN};
use crate::scenario::*;

fn shown(name: &str, plays: &[Play]) {
    let json = serde_json::to_string_pretty(plays).unwrap();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, json) });
}

#[test]
fn a_plain_scenario_and_its_control() {
    shown("plain", &plays(PLAIN).unwrap());
}

#[test]
fn a_matrix_with_points_blocks_and_a_fault() {
    shown("matrix", &plays(MATRIX).unwrap());
}

#[test]
fn a_cell_for_every_host() {
    let text = r#"title = "{{host}} boots"
proves = "That it does."
each = "hosts"
machines.machine.host = "{{host}}"
[[steps]]
name = "it is up"
wait = { unit = "multi-user.target" }
"#;
    let plays = plays(text).unwrap();
    let names: Vec<&str> = plays.iter().map(|play| play.name.as_str()).collect();
    assert_eq!(
        names,
        ["example-BinaryCache", "example-Ingress", "example-Niko"]
    );
    assert_eq!(plays[2].title, "Niko boots");
    let Some(Machine::Host(host)) = plays[2].machines.get("machine") else {
        panic!("{:?}", plays[2].machines);
    };
    assert_eq!(host.host, "Niko");
    assert_eq!(host.generations, [AS_CONFIGURED]);
}

#[test]
fn a_step_knows_where_it_stands_and_how_it_is_written() {
    let plays = plays(MATRIX).unwrap();
    let step = &plays[0].steps[1];
    assert_eq!(
        step.line,
        MATRIX
            .lines()
            .position(|line| line.contains("falls into"))
            .unwrap()
    );
    insta::assert_snapshot!(step.written, @r#"
    [[steps]]
    name = "{{fault}} falls into {{phase}}"
    run = "deploy ./bulky#Niko"
    expect = { exit = [1, 2], output-lacks = ["panicked"], json."/a" = { b = 1 } }
    [steps.during]
    when = "{{phase}}"
    before = { output = "confirmed" }
    then = [{ play = "fault" }, { kill = "deploy", signal = "INT" }]
    "#);
    let Verb::Run(run) = &step.verb else {
        panic!("{:?}", step.verb);
    };
    let inner = &run.during.as_ref().unwrap().then[2];
    assert_eq!(inner.name, "kill deploy");
    assert_eq!(inner.line, step.line + 7);
}

#[test]
fn a_step_of_a_block_goes_by_the_name_of_the_step_that_plays_it() {
    let steps = plays(MATRIX).unwrap()[0].steps.clone();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names[2..],
        [
            "the machine is what it is: power-cut Niko",
            "the machine is what it is: power-on Niko",
            "the machine is what it is: it has booted",
        ]
    );
    assert!(steps[2].is_named("the machine is what it is"));
    assert!(steps[2].is_named("the machine is what it is: power-cut Niko"));
    assert!(!steps[2].is_named("the machine"));
}

#[test]
fn an_exit_code_is_accepted_or_not_and_a_signal_hardly_ever() {
    let codes = Exit::Codes(vec![0, 4]);
    assert!(codes.accepts(Some(4)));
    assert!(!codes.accepts(Some(1)));
    assert!(Exit::Failure.accepts(Some(1)));
    assert!(!Exit::Failure.accepts(Some(0)));
    assert!(!Exit::Failure.accepts(None));
    assert!(!codes.accepts(None));
    assert!(Exit::Any.accepts(None));
}

#[test]
fn a_deployment_without_a_machine_is_of_all_that_have_the_generation() {
    plays(&super::PLAIN.replace(
        "deploy ./breaks-sshd#Niko",
        "deploy --boot './breaks-sshd' x",
    ))
    .unwrap();
}

#[test]
fn placeholders_stay_for_the_player() {
    let said = "expect.output = [\"{{Niko.good}}\"]\nexpect.json.\"/at\" = \"{{Niko.address}}\"\nexpect.exit";
    let text = super::PLAIN.replacen("expect.exit", said, 1);
    let Verb::Run(run) = &plays(&text).unwrap()[0].steps[1].verb else {
        panic!("no run");
    };
    assert_eq!(run.expect.output, ["{{Niko.good}}"]);
    assert_eq!(run.expect.json["/at"], "{{Niko.address}}");
}

//! The two players read a scenario alike: what tests/nixos/player makes of each file is the harness's normal form.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::path::Path;
use std::process::Command;

use harness::scenario::{self, Known};

/// Python reads TOML by itself since 3.11.
fn python() -> Option<&'static str> {
    let mut asked = Command::new("python3");
    asked.args(["-c", "import tomllib"]);
    let works = asked.output().is_ok_and(|out| out.status.success());
    if !works {
        support::skip("no python3 that is 3.11 or newer");
    }
    works.then_some("python3")
}

/// The plays of a file as the NixOS player has them.
fn of_python(python: &str, name: &str, file: &Path, hosts: &[String]) -> serde_json::Value {
    let output = Command::new(python)
        .args(["-B", "-m", "player.main", name])
        .arg(file)
        .args(hosts)
        .current_dir(support::repository().join("tests/nixos"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of_harness(name: &str, file: &Path, tests: &Path, hosts: &[String]) -> serde_json::Value {
    let text = std::fs::read_to_string(file).unwrap();
    let read = scenario::read(&text, &file.display().to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    let known = Known::in_folder(tests, name, hosts).unwrap();
    let plays = scenario::resolve(&read, &known).unwrap_or_else(|error| panic!("{error}"));
    serde_json::to_value(plays).unwrap()
}

/// 1 is 1.0, in both languages.
fn as_floats(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::Array(values) => values.into_iter().map(as_floats).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, as_floats(value)))
            .collect(),
        other => other,
    }
}

fn compare(python: &str, name: &str, file: &Path, tests: &Path, hosts: &[String]) {
    let ours = as_floats(of_harness(name, file, tests, hosts));
    let theirs = as_floats(of_python(python, name, file, hosts));
    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    assert_eq!(ours.len(), theirs.len(), "{name}: the number of plays");
    for (our, their) in ours.iter().zip(theirs) {
        // One play at a time: a difference is to be found in what is printed.
        assert_eq!(our, their, "{name}");
    }
}

#[test]
fn each_scenario_is_the_same_to_both_players() {
    let Some(python) = python() else { return };
    let tests = support::repository().join("tests");
    let mut hosts: Vec<String> = std::fs::read_dir(support::repository().join("hosts"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    hosts.sort();
    let mut compared = 0;
    for entry in std::fs::read_dir(tests.join("scenarios")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|it| it == "toml") {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            compare(python, &name, &file, &tests, &hosts);
            compared += 1;
        }
    }
    assert!(compared > 3, "only {compared} scenarios");
}

/// Everything that the language has, and that no scenario may happen to use.
const WHOLE_LANGUAGE: &str = r#"
title = " {{which}} of all "
proves = """
Everything.
"""
each = [{ name = "1", which = "one", seconds = 7, share = 0.5 }, { name = "two", which = "x y", seconds = 8, share = 1.0 }]
[machines.Niko]
generations = ["as-configured", "good", "next"]
in-store = ["next", "Testing.good"]
[machines.Testing]
generations = ["good", "next"]
[machines.client]
helper = true
[points.up]
port = 22
on = "Niko"
[points.said]
output = "copying"
[[steps]]
name = "a command"
run = "deploy ./good#Niko {{Niko.good}} {{which}}"
within = "{{seconds}}"
fails = "exit {{which}}"
expect.exit = [0, 4]
expect.output = ["a", "{{seconds}}x"]
expect.output-lacks = ["b"]
expect.stdout = "c"
expect.json = { "/a/0" = 1, "" = { b = ["{{share}}"] } }
expect.units.Niko = { restarted = ["a.service"], untouched = ["b.service"] }
[[steps]]
name = "a command of {{which}}"
run = "true"
on = "Niko"
user = "deploy"
expect.exit = "failure"
during = { when = "said", before = { after = 3 }, then = [{ power-cut = "Niko" }, { run = "true" }, { name = "named", wait = "up" }, { clock = -5, on = "Niko" }] }
[[steps]]
name = "wait"
wait = { journal = "x", unit = "sshd.service" }
on = "Niko"
[[steps]]
name = "http"
wait = { http = { url = "http://x", text = "y" }, on = "client" }
within = 3
[[steps]]
name = "state"
state.Niko = { failed-units = ["b", "a"], running = "good", booted = "next", boot-default = "good", profile = "good", reachable = false }
state.Testing = { running = "good" }
[[steps]]
name = "a block"
play = "block"
[[steps]]
name = "network"
network = { delay-ms = 5, loss = "{{share}}" }
on = "Niko"
[[blocks.block]]
network = "cut"
on = "Niko"
[[blocks.block]]
name = "deeper"
play = "inner"
[[blocks.inner]]
disk = "full"
on = "Niko"
at = "/tmp"
[[blocks.inner]]
kill = "nix-daemon"
[[blocks.inner]]
kill = "sshd"
on = "Niko"
signal = "TERM"
[[blocks.inner]]
freeze = "Niko"
[[blocks.inner]]
thaw = "Niko"
[[blocks.inner]]
wait = { no-file = "/x" , on = "controller" }
[[blocks.inner]]
name = "the default"
wait = { boot-default = "good", on = "Niko" }
[[blocks.inner]]
reboot = "Niko"
[[controls]]
title = "left out"
leave-out = ["a command", "a block: deeper"]
fails-at = "a block"
[[controls]]
title = "swapped"
cell = "two"
swap = { good = "next" }
fails-at = "state"
"#;

#[test]
fn the_whole_language_is_the_same_to_both_players() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let scenarios = dir.path().join("scenarios");
    std::fs::create_dir_all(&scenarios).unwrap();
    std::fs::create_dir_all(dir.path().join("generations")).unwrap();
    for generation in ["good", "next"] {
        let file = dir.path().join("generations").join(generation);
        std::fs::write(file.with_extension("nix"), "{ }").unwrap();
    }
    let file = scenarios.join("whole.toml");
    std::fs::write(&file, WHOLE_LANGUAGE).unwrap();
    let hosts = ["Niko", "Testing"].map(str::to_owned);
    compare(python, "whole", &file, dir.path(), &hosts);
}

/// What Nix's reading of the table of capabilities says of scenarios: reasons, by name.
#[test]
fn nix_knows_what_the_nixos_player_cannot_do() {
    let Some(nix) = support::nix() else { return };
    let root = support::repository().display().to_string();
    let eval = |tree: &str| {
        let expression = format!(
            "let lib = import {root}/nix/rehearsal/lib; in import {root}/tests/nixos/capabilities.nix {{ inherit lib; }} {tree}"
        );
        let args = ["eval", "--impure", "--json", "--expr", &expression];
        let output = nix.command().args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => Ok(serde_json::from_slice::<Vec<String>>(&output.stdout).unwrap()),
            false => Err(stderr),
        }
    };
    let step = |step: &str| format!("{{ steps = [ {{ name = \"s\"; {step} }} ]; }}");
    assert_eq!(eval(&step("run = \"true\";")), Ok(Vec::new()));
    assert_eq!(eval(&step("network = \"cut\";")), Ok(Vec::new()));
    let slowed = eval(&step("network = { loss = 0.5; };")).unwrap();
    assert!(slowed[0].contains("not slow it"), "{slowed:?}");
    let inside = "run = \"true\"; during = { when = \"p\"; \"then\" = [ { network = { loss = 0.5; }; } ]; };";
    let inside = format!("({} // {{ points.p.after = 1; }})", step(inside));
    assert_eq!(eval(&inside), Ok(slowed.clone()));
    // A cell that does not play the block of another one can be played.
    let block = "blocks.slow = [ { network = { loss = 0.5; }; } ];";
    let with = |first: &str| format!("{{ steps = [ {{ name = \"s\"; {first} }} ]; {block} }}");
    assert_eq!(eval(&with("run = \"true\";")), Ok(Vec::new()));
    assert_eq!(eval(&with("play = \"slow\";")), Ok(slowed.clone()));
    let then = "run = \"true\"; during = { when.after = 1; \"then\" = [ { play = \"slow\"; } ]; };";
    assert_eq!(eval(&with(then)), Ok(slowed));
    // A word that the player does not know fails the evaluation, wherever it stands.
    for unknown in [
        step("explode = \"Niko\";"),
        "{ steps = [ ]; blocks.b = [ { explode = \"Niko\"; } ]; }".to_owned(),
    ] {
        let error = eval(&unknown).unwrap_err();
        assert!(
            error.contains("the NixOS player knows no such verb"),
            "{error}"
        );
    }
}

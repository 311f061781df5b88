//! Plays of scenarios on real guests, with a plain helper for a machine: no fleet, no Nix.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

#[allow(dead_code)] // A play starts its machines itself.
mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use common::ok;
use harness::scenario::{
    play, read, resolve, Controller, Ground, Known, Nix, Observer, Outcome, Play, PlayOptions,
    Step, StepResult, Trust, Verdict,
};
use harness::{Harness, Model};

fn plays(text: &str) -> Vec<Play> {
    let scenario = read(text, "tests/scenarios/sample.toml").unwrap_or_else(|e| panic!("{e}"));
    resolve(&scenario, &Known::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn ground(harness: &Harness) -> Ground {
    Ground {
        image: ok(harness.image(&common::recipe())),
        model: Model::default(),
        closures: BTreeMap::new(),
        addresses: [("client".to_owned(), "192.168.0.243".to_owned())].into(),
        controller: Controller {
            programs: [("hail".to_owned(), "/bin/echo".into())].into(),
            path: ["/usr/bin", "/bin"].map(Into::into).into(),
            env: [("GREETING".to_owned(), "hello".to_owned())].into(),
            signing_key_variable: "KEY".to_owned(),
            signer_key_variable: "SIGNER".to_owned(),
            files: |_| [("notes/today".into(), "nothing\n".to_owned())].into(),
        },
        trust: Trust {
            user: "root".to_owned(),
            files: BTreeMap::new(),
            installed_key: "/etc/nowhere/installed-key".to_owned(),
        },
        nix: Nix {
            bin: "/nowhere".into(),
            conf_dir: None,
        },
    }
}

/// Names of the steps that ended, with their results.
#[derive(Default)]
struct Told(Mutex<Vec<(String, StepResult)>>);

impl Observer for Told {
    fn step_ends(&self, _index: usize, step: &Step, result: StepResult, _took: Duration) {
        let mut told = self.0.lock().unwrap();
        told.push((step.name.clone(), result));
    }
}

fn played(harness: &Harness, play_of: &Play, logs: &Path, told: &dyn Observer) -> Outcome {
    played_from(harness, play_of, logs, told, false)
}

fn played_from(
    harness: &Harness,
    play_of: &Play,
    logs: &Path,
    told: &dyn Observer,
    cold: bool,
) -> Outcome {
    let options = PlayOptions {
        logs: logs.to_owned(),
        cold,
        keep_failed: None,
    };
    play(harness, &ground(harness), play_of, &options, told)
}

fn explain(outcome: &Outcome) -> String {
    serde_json::to_string_pretty(outcome).unwrap()
}

const EVERYTHING: &str = r##"
title = "Every verb that needs no configuration"
proves = "The player does what a scenario says."

[machines.client]
helper = true

[[steps]]
name = "the controller has a home, a folder, programs and an environment of its own"
run = 'cd && pwd && cd - && cat notes/today && hail "$GREETING" && test -z "$CARGO_MANIFEST_DIR"'
expect.output = ["/controller/home", "/controller/work", "nothing", "hello"]

[[steps]]
name = "it reaches the machine, and nobody else"
run = "ssh root@client hostname; ssh elsewhere true"
expect = { exit = 255, output = ["client", "there is no machine elsewhere in this play"] }
within = 30

[[steps]]
name = "values of a JSON document are compared"
run = """echo '{"a": [1, {"b": "c"}]}'"""
on = "client"
expect.json = { "/a/0" = 1, "/a/1/b" = "c" }

[[steps]]
name = "a user of the machine runs a command"
run = "id -un"
on = "client"
user = "nobody"
expect.stdout = "nobody"

[[steps]]
name = "units are seen to be restarted, reloaded, stopped and left alone"
run = "systemctl restart dbus-org.freedesktop.none || true; systemctl restart nginx; systemctl reload ssh"
on = "client"
expect.units.client = { restarted = ["nginx.service"], reloaded = ["ssh.service"], untouched = ["systemd-journald.service"] }
within = 60

[[steps]]
name = "points are waited for"
wait = { on = "client", port = 80 }

[[steps]]
name = "and units"
wait = { on = "client", unit = "nginx.service" }

[[steps]]
name = "a line of the journal is waited for"
run = "(sleep 1; logger -t sample it came) >/dev/null 2>&1 &"
on = "client"

[[steps]]
name = "it comes"
wait = { on = "client", journal = "it came" }

[[steps]]
name = "nothing listens on port 81"
wait = { on = "client", port = 81 }
within = 1
fails = "it was not there"

[[steps]]
name = "a fault falls while a command of the machine runs"
run = "logger it begins; echo begun; sleep 8; touch /tmp/over; echo over"
on = "client"
expect.output = ["begun", "over"]
within = 60
[steps.during]
when = { on = "client", journal = "it begins" }
before = { on = "client", file = "/tmp/over" }
then = [{ on = "client", network = "cut" }, { on = "client", network = "restored" }]

[[steps]]
name = "one that falls too late is no proof"
run = "touch /tmp/first /tmp/second; sleep 5"
on = "client"
within = 60
fails = "to fall before the file /tmp/second"
[steps.during]
when = { on = "client", file = "/tmp/first" }
before = { on = "client", file = "/tmp/second" }
then = [{ on = "client", clock = 60 }]

[[steps]]
name = "a command that never comes so far fails"
run = "true"
fails = "the command ended before that"
[steps.during]
when = { output = "never said" }
then = [{ on = "client", clock = 60 }]

[[steps]]
name = "a client on the controller is killed"
run = "echo it runs; sleep 317 && echo it ended"
expect = { exit = "any", output-lacks = ["it ended"] }
within = 20
[steps.during]
when = { output = "it runs" }
then = [{ kill = "sleep (316|317)" }]

[[steps]]
name = "a machine loses its power under a command"
run = "sleep 60"
on = "client"
expect.exit = "any"
within = 60
[steps.during]
when = { after = 1 }
then = [{ power-cut = "client" }]

[[steps]]
name = "it comes back"
power-on = "client"

[[steps]]
name = "a command that takes too long is ended"
run = "echo so far; sleep 318"
within = 2
fails = "it still ran"

[[steps]]
name = "what is left in the background ends with the play"
run = "setsid sleep 319 >/dev/null 2>&1 & sleep 320 >/dev/null 2>&1 &"
"##;

#[test]
fn each_step_is_played_and_looked_at() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play");
    let told = Told::default();
    let play = plays(EVERYTHING).remove(0);
    let outcome = played(&harness, &play, logs.path(), &told);
    assert_eq!(outcome.verdict, Verdict::Passed, "{}", explain(&outcome));
    assert!(outcome.failure.is_none());
    let told = told.0.into_inner().unwrap();
    assert_eq!(told.len(), play.steps.len());
    assert!(told.iter().all(|(_, result)| *result == StepResult::Passed));

    let fault = outcome
        .steps
        .iter()
        .find(|step| step.name == "a fault falls while a command of the machine runs")
        .unwrap();
    let times = fault.fault.as_ref().unwrap();
    assert!(times.reached <= times.fell && times.not_yet.is_some());
    assert_eq!(fault.then.len(), 2);

    let transcript = std::fs::read_to_string(logs.path().join("transcript.txt")).unwrap();
    assert!(transcript.contains("play         `it comes` passed"));
    // `setsid` and `&` do not help.
    for pattern in ["sleep 31[789]", "sleep 320"] {
        let left = std::process::Command::new("pgrep")
            .args(["-f", pattern])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{pattern}");
    }
}

const FAILS: &str = r#"
title = "A file that is not there"
proves = "Nothing."

[machines.client]
helper = true

[[steps]]
name = "something is said"
run = "logger -t sample here it was said"
on = "client"

[[steps]]
name = "a file is read"
run = "echo before; cat /no/such/file"
on = "client"

[[steps]]
name = "nobody comes this far"
run = "true"

[[controls]]
title = "without the words"
leave-out = ["something is said"]
fails-at = "a file is read"

[[controls]]
title = "which fails elsewhere"
leave-out = ["something is said"]
fails-at = "nobody comes this far"
"#;

#[test]
fn a_failure_says_what_was_expected_and_found_and_a_control_must_have_one() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play-fails");
    let mut plays = plays(FAILS);
    let told = Told::default();
    let outcome = played(&harness, &plays.remove(0), &logs.path().join("0"), &told);
    assert_eq!(outcome.verdict, Verdict::Failed);
    let results: Vec<StepResult> = outcome.steps.iter().map(|step| step.result).collect();
    assert_eq!(
        results,
        [
            StepResult::Passed,
            StepResult::Failed,
            StepResult::NotPlayed
        ]
    );
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.step.as_deref(), Some("a file is read"));
    assert_eq!(failure.expected, "exit code 0");
    assert!(failure
        .found
        .starts_with("exit code 1; output ending in:\nbefore"));
    assert!(failure.found.contains("No such file"));
    assert!(failure.place.starts_with("tests/scenarios/sample.toml:"));
    assert!(failure
        .written
        .contains(r#"run = "echo before; cat /no/such/file""#));
    assert_eq!(failure.machine.as_deref(), Some("client"));
    assert!(failure
        .journal
        .iter()
        .any(|line| line.contains("here it was said")));
    let kept = std::fs::read_to_string(logs.path().join("0/client.journal")).unwrap();
    assert!(kept.contains("here it was said"));

    let meant = played(&harness, &plays.remove(0), &logs.path().join("1"), &told);
    assert_eq!(meant.verdict, Verdict::Passed, "{}", explain(&meant));
    let elsewhere = played(&harness, &plays.remove(0), &logs.path().join("2"), &told);
    assert_eq!(elsewhere.verdict, Verdict::Failed);
    let found = elsewhere.failure.unwrap().found;
    assert!(
        found.contains("this control was to fail at `nobody comes this far`"),
        "{found}"
    );
}

const IN_TIME: &str = r#"
title = "What is done to a machine is done once, and in its time"
proves = "Nothing of a fleet."

[machines.client]
helper = true

[[steps]]
name = "what is in memory is gone after a reboot"
run = "touch /run/before"
on = "client"

[[steps]]
name = "a reboot in a second"
reboot = "client"
within = 1
fails = "did not restart within 1 s"

[[steps]]
name = "it restarts in the end"
wait = { on = "client", no-file = "/run/before" }
within = 120

[[steps]]
name = "and is up"
wait = { on = "client", unit = "nginx.service" }
within = 120

[[steps]]
name = "a reboot takes what it takes"
reboot = "client"

[[steps]]
name = "it stands still"
freeze = "client"

[[steps]]
name = "and no stiller"
freeze = "client"
fails = "client is frozen"

[[steps]]
name = "it goes on"
thaw = "client"

[[steps]]
name = "and no further"
thaw = "client"
fails = "client is not frozen"

[[steps]]
name = "there is no such unit"
run = "true"
expect.units.client = { untouched = ["ngnix.service"] }
fails = "no such unit"
"#;

#[test]
fn what_is_done_to_a_machine_is_done_once_and_in_its_time() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play-in-time");
    let play = plays(IN_TIME).remove(0);
    let outcome = played(&harness, &play, logs.path(), &Told::default());
    assert_eq!(outcome.verdict, Verdict::Passed, "{}", explain(&outcome));
}

const ONE_STEP: &str = r#"
title = "A machine is asked something"
proves = "Nothing."

[machines.client]
helper = true

[[steps]]
name = "it answers"
run = "true"
on = "client"
"#;

#[test]
fn a_cold_play_boots_although_there_is_a_snapshot() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play-cold");
    let play = plays(ONE_STEP).remove(0);
    let boots = |name: &str, cold: bool| {
        let logs = logs.path().join(name);
        let outcome = played_from(&harness, &play, &logs, &Told::default(), cold);
        assert_eq!(outcome.verdict, Verdict::Passed, "{}", explain(&outcome));
        let transcript = std::fs::read_to_string(logs.join("transcript.txt")).unwrap();
        transcript.contains("cold boot")
    };
    // The first may have had to make the snapshot.
    boots("first", false);
    assert!(!boots("restored", false));
    assert!(boots("cold", true));
}

const LOST: &str = r#"
title = "A machine is lost"
proves = "Nothing."

[machines.client]
helper = true

[[steps]]
name = "it goes"
run = "HOW"
on = "client"
expect.exit = "any"

[[steps]]
name = "it is asked something"
run = "true"
on = "client"
"#;

#[test]
fn a_guest_that_panics_fails_its_play_and_says_where_to_look() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play-panic");
    let panics = "echo 1 >/proc/sys/kernel/sysrq; sleep 1; echo c >/proc/sysrq-trigger";
    let text = LOST.replace("HOW", panics);
    let outcome = played(
        &harness,
        &plays(&text).remove(0),
        logs.path(),
        &Told::default(),
    );
    assert_eq!(outcome.verdict, Verdict::Failed, "{}", explain(&outcome));
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.step.as_deref(), Some("it is asked something"));
    assert!(failure.found.contains("panicked"), "{}", failure.found);
    assert_eq!(failure.error, None);
    assert!(failure.next_step.unwrap().starts_with("read "));
}

/// Kills QEMU before the second step of a play of this name.
struct Killer {
    play: String,
}

impl Observer for Killer {
    fn step_begins(&self, index: usize, _step: &Step) {
        if index != 1 {
            return;
        }
        let mut killed = 0;
        for run in std::fs::read_dir(common::cache().join("runs")).unwrap() {
            let run = run.unwrap();
            if !run.file_name().to_string_lossy().starts_with(&self.play) {
                continue;
            }
            let file = run.path().join("machines/client/pid");
            let pid = std::fs::read_to_string(file).unwrap();
            let kill = std::process::Command::new("kill")
                .args(["-KILL", pid.trim()])
                .status();
            assert!(kill.unwrap().success());
            killed += 1;
        }
        assert_eq!(killed, 1);
    }
}

#[test]
fn a_play_whose_qemu_dies_is_broken_and_says_where_to_look() {
    let Some(harness) = common::harness() else {
        return;
    };
    let logs = common::Logs::create("play-died");
    let text = LOST.replace("HOW", "true");
    let mut play = plays(&text).remove(0);
    play.name = format!("lost-{}", std::process::id());
    let killer = Killer {
        play: play.name.clone(),
    };
    let outcome = played(&harness, &play, logs.path(), &killer);
    assert_eq!(outcome.verdict, Verdict::Broken, "{}", explain(&outcome));
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.error, Some(harness::ErrorKind::MachineDied));
    assert!(failure.next_step.unwrap().starts_with("read "));
}

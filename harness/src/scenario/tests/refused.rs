//! What is refused, and the words: one scenario that is right, with one thing changed at a time.

use super::{shown, PLAIN};

#[test]
fn what_is_no_toml() {
    shown(
        "no-toml",
        PLAIN,
        &[
            ("run = \"deploy", "run = deploy"),
            ("[[controls]]", "[machines.Niko]\n[[controls]]"),
            (
                "[machines.Niko]",
                "[machines.Niko]\nhost = \"Niko\"\nhost = \"Ingress\"",
            ),
            ("within = 120", "within = 99999999999999999999"),
            ("within = 120", "within = 2026-01-01"),
            ("swap = { breaks-sshd", "swap = {\n  breaks-sshd"),
            ("\"good\" }\nfails", "\"good\", }\nfails"),
        ],
    );
}

#[test]
fn unknown_keys_and_words() {
    shown(
        "unknown-words",
        PLAIN,
        &[
            ("proves =", "prove ="),
            ("[machines.Niko]", "[machine.Niko]"),
            (
                "[machines.Niko]\ngenerations",
                "[machines.Niko]\ngeneration",
            ),
            ("run = \"deploy ./good", "rnu = \"deploy ./good"),
            ("expect.exit", "expect.code"),
            ("expect.exit", "expectation.exit"),
            (
                "expect.exit",
                "expect.units.Niko.restart = [\"a\"]\nexpect.exit",
            ),
            ("running = \"good\"", "runs = \"good\""),
            ("fails-at", "fail-at"),
            ("\"failure\"", "\"fails\""),
            (
                "within = 120",
                "during = { when = { jornal = \"x\" }, then = [] }",
            ),
            (
                "within = 120",
                "during = { wen = { journal = \"x\" }, then = [] }",
            ),
            (
                "within = 120",
                "during = { when = { http = { uri = \"x\" } }, then = [] }",
            ),
            ("run = \"deploy ./good#Niko\"", "network = \"cutt\""),
            ("run = \"deploy ./good#Niko\"", "network = { lag = 3 }"),
            ("run = \"deploy ./good#Niko\"", "disk = \"empty\""),
        ],
    );
}

#[test]
fn wrong_types_and_values() {
    shown("wrong-values", PLAIN, &[
        ("title = \"A configuration that breaks sshd is taken back\"", "title = 3"),
        ("title = \"A configuration that breaks sshd is taken back\"", "title = \"\""),
        ("title = \"A configuration that breaks sshd is taken back\"", "title = \"a\\nb\""),
        ("title = \"A configuration that breaks sshd is taken back\"\n", ""),
        ("within = 120", "within = \"long\""),
        ("within = 120", "within = -1"),
        ("within = 120", "within = 0"),
        ("\"failure\"", "300"),
        ("\"failure\"", "[]"),
        ("\"failure\"", "{}"),
        ("expect.exit", "expect = \"fine\" #"),
        ("reachable = true", "reachable = \"yes\""),
        ("failed-units = []", "failed-units = 0"),
        ("generations = [\"as-configured\", \"good\", \"breaks-sshd\"]", "generations = []"),
        ("expect.exit", "expect.json.a = 1\nexpect.exit"),
        ("expect.exit", "expect.units.Niko.started = []\nexpect.exit"),
        ("expect.exit", "expect.units.Niko = { started = [\"a\"], stopped = [\"a\"] }\nexpect.exit"),
        ("expect.exit", "expect.units.Niko = { }\nexpect.exit"),
        ("run = \"deploy ./good#Niko\"", "network = { loss = 2 }"),
        ("run = \"deploy ./good#Niko\"", "network = { bytes-per-second = 0 }"),
        ("run = \"deploy ./good#Niko\"", "wait = { port = 70000 }"),
        ("run = \"deploy ./good#Niko\"", "kill = \"sshd\"\nsignal = \"KILLL\""),
        ("run = \"deploy ./good#Niko\"", "disk = \"full\"\nat = \"nowhere\""),
        ("run = \"deploy ./good#Niko\"", "run = \"true\"\nfails = \" \""),
        ("[machines.Niko]", "[machines.Niko_2]\nhost = \"Niko\""),
        ("state.Niko = { running = \"good\", profile = \"good\", reachable = true, failed-units = [] }", "state.Niko = {}"),
        ("state.Niko = { running = \"good\", profile = \"good\", reachable = true, failed-units = [] }", "state = {}"),
    ]);
}

#[test]
fn one_verb_and_what_goes_with_it() {
    shown(
        "verbs",
        PLAIN,
        &[
            ("run = \"deploy ./good#Niko\"\n", ""),
            (
                "run = \"deploy ./good#Niko\"",
                "run = \"true\"\nreboot = \"Niko\"",
            ),
            ("name = \"good is deployed\"\n", ""),
            ("good is deployed", "the host is as it was"),
            ("good is deployed", "{{Niko.good}} is deployed"),
            (
                "run = \"deploy ./good#Niko\"",
                "run = \"true\"\nuser = \"operator\"",
            ),
            (
                "run = \"deploy ./good#Niko\"",
                "reboot = \"Niko\"\non = \"Niko\"",
            ),
            (
                "run = \"deploy ./good#Niko\"",
                "reboot = \"Niko\"\nexpect.exit = 0",
            ),
            ("run = \"deploy ./good#Niko\"", "reboot = \"controller\""),
            (
                "run = \"deploy ./good#Niko\"",
                "run = \"true\"\nsignal = \"INT\"",
            ),
            ("run = \"deploy ./good#Niko\"", "run = \"true\"\nat = \"/\""),
            (
                "run = \"deploy ./good#Niko\"",
                "disk = \"read-only\"\nat = \"/\"",
            ),
            ("run = \"deploy ./good#Niko\"", "play = \"x\"\nwithin = 3"),
            (
                "run = \"deploy ./good#Niko\"",
                "play = \"x\"\n[[blocks.x]]\nplay = \"x\"",
            ),
        ],
    );
}

#[test]
fn names_that_are_not_there() {
    shown(
        "names",
        PLAIN,
        &[
            ("[machines.Niko]", "[machines.Nikko]"),
            ("[machines.Niko]", "[machines.Niko]\nhost = \"Ingres\""),
            ("[machines.Niko]", "[machines.controller]"),
            ("[machines.Niko]", "[machines.\"Niko 2\"]"),
            (
                "[machines.Niko]",
                "[machines.other]\nhost = \"Niko\"\n[machines.Niko]",
            ),
            (
                "[machines.Niko]",
                "[machines.server]\nhelper = true\n[machines.Niko]",
            ),
            (
                "[machines.Niko]",
                "[machines.client]\nhelper = true\nin-store = [\"Niko.good\"]\n[machines.Niko]",
            ),
            ("\"good\", \"breaks-sshd\"]", "\"god\", \"breaks-sshd\"]"),
            (
                "\"good\", \"breaks-sshd\"]",
                "\"good\", \"good+breaks-shd\"]",
            ),
            (
                "\"good\", \"breaks-sshd\"]",
                "\"good\", \"good+breaks-sshd\", \"breaks-sshd\"]",
            ),
            ("\"good\", \"breaks-sshd\"]", "\"good\", \"good\"]"),
            ("\"good\", \"breaks-sshd\"]", "\"good\", \"address\"]"),
            (
                "\"good\", \"breaks-sshd\"]",
                "\"good\", \"breaks-sshd\", \"bulky\"]",
            ),
            ("deploy ./good#Niko", "deploy ./god#Niko"),
            ("deploy ./good#Niko", "deploy ./good#Nico"),
            ("deploy ./breaks-sshd#Niko", "deploy /root/./breaks-sshd"),
            ("deploy ./breaks-sshd#Niko", "deploy ./breaks-sshd-not"),
            (
                "deploy ./breaks-sshd#Niko",
                "sh fleet.sh Niko=breaks-shd && xtask --flake fleet deploy",
            ),
            ("running = \"good\"", "running = \"bulky\""),
            ("running = \"good\"", "running = \"goood\""),
            ("state.Niko", "state.Nico"),
            ("./good#Niko\"", "./good#Niko {{Niko.god}}\""),
            ("./good#Niko\"", "./good#Niko {{nothing}}\""),
            (
                "expect.exit",
                "expect.json.\"/a\" = [\"{{Niko.good}}\"]\nexpect.exit",
            ),
            (
                "run = \"deploy ./good#Niko\"",
                "wait.unit = \"{{Niko.good}}\"",
            ),
            ("After it", "After {{Niko.good}}"),
            (
                "run = \"deploy ./good#Niko\"",
                "run = \"true\"\non = \"Niiko\"",
            ),
            ("run = \"deploy ./good#Niko\"", "wait = \"nothing\""),
            ("run = \"deploy ./good#Niko\"", "play = \"nothing\""),
            (
                "expect.exit",
                "expect.units.Nico.started = [\"a\"]\nexpect.exit",
            ),
            ("[[controls]]", "[points.unused]\nport = 22\n[[controls]]"),
            (
                "[[controls]]",
                "[[blocks.unused]]\nreboot = \"Niko\"\n[[controls]]",
            ),
            ("swap = { breaks-sshd", "swap = { breaks-ssh"),
            ("= \"good\" }\nfails", "= \"better\" }\nfails"),
            ("= \"good\" }\nfails", "= \"breaks-sshd\" }\nfails"),
            ("swap = { breaks-sshd = \"good\" }\n", ""),
            (
                "swap = { breaks-sshd = \"good\" }\n",
                "leave-out = [\"the host is as it was\"]\n",
            ),
            ("swap", "leave-out = [\"good was deployed\"]\nswap"),
            (
                "swap",
                "leave-out = [\"the one that breaks sshd is refused\"]\nswap",
            ),
            ("fails-at = \"the one", "fails-at = \"The one"),
            ("swap", "cell = \"x\"\nswap"),
        ],
    );
}

#[test]
fn points_and_what_happens_meanwhile() {
    shown("points", PLAIN, &[
        ("run = \"deploy ./good#Niko\"", "wait = { }"),
        ("run = \"deploy ./good#Niko\"", "wait = { unit = \"a\", port = 3 }"),
        ("run = \"deploy ./good#Niko\"", "wait = { after = 3 }"),
        ("run = \"deploy ./good#Niko\"", "wait = { output = \"x\" }"),
        ("run = \"deploy ./good#Niko\"", "wait = { unit = \"a\", on = \"controller\" }"),
        ("run = \"deploy ./good#Niko\"", "wait = { running = \"good\", on = \"controller\" }"),
        ("run = \"deploy ./good#Niko\"", "wait = { port = 22, on = \"Niko\" }\non = \"Niko\""),
        ("run = \"deploy ./good#Niko\"", "wait = 3"),
        ("within = 120", "during = { when = { output = \"x\", on = \"Niko\" }, then = [{ reboot = \"Niko\" }] }"),
        ("within = 120", "during = { when = { after = -1 }, then = [{ reboot = \"Niko\" }] }"),
        ("within = 120", "during = { when = { after = 1 }, then = [] }"),
        ("within = 120", "during = { when = { after = 1 }, then = [{ rebot = \"Niko\" }] }"),
        ("within = 120", "during = { when = { after = 1 }, then = [{ reboot = \"Nico\" }] }"),
        (
            "within = 120",
            "during = { when = { after = 1 }, then = [{ run = \"a\", during = { when = { after = 1 }, then = [{ thaw = \"Niko\" }] } }] }",
        ),
        ("[[controls]]", "[points.late]\nafter = 3\n[[steps]]\nname = \"x\"\nwait = \"late\"\n[[controls]]"),
    ]);
}

#[test]
fn what_would_take_more_than_a_day() {
    let said = |from: &str, to: &str| {
        let error = super::plays(&PLAIN.replacen(from, to, 1)).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let run = "run = \"deploy ./good#Niko\"";
    for (from, to, words) in [
        (
            "within = 120",
            "within = 9223372036854775807",
            "`within` is 9223372036854775807, and a day has 86400 s",
        ),
        (
            "within = 120",
            "during = { when = { after = 1e300 }, then = [{ reboot = \"Niko\" }] }",
            "000, and a day has 86400 s",
        ),
        (
            run,
            "network = { delay-ms = 86400001 }",
            "`delay-ms` is 86400001, and a day has 86400000 ms",
        ),
    ] {
        let said = said(from, to);
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(said("within = 120", "within = 86400"), "");
}

#[test]
fn what_is_deployed_is_there() {
    let said = |command: &str| {
        let text = PLAIN.replacen("deploy ./good#Niko", command, 1);
        let text = text.replacen(
            "[machines.Niko]",
            "[machines.Ingress]\ngenerations = [\"as-configured\", \"good\"]\nin-store = [\"good\"]\n\n[machines.Niko]\nin-store = [\"good\"]",
            1,
        );
        match super::plays(&text) {
            Ok(_) => "right".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let mut all = String::new();
    for command in [
        "deploy ./good#Niko",
        "deploy ./goood#Nico",
        "deploy --boot ./good#Nico",
        "A=1 deploy ./goood#Niko",
        "deploy ./goood",
        "true && deploy ./goood#Nico",
        "deploy ./good#Ingress",
        "nix build ./other#thing",
        "echo deploy ./other#thing",
        "sh ./script; deploy ./good#Niko",
    ] {
        all.push_str(&format!("{command}\n  {}\n", said(command)));
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("deployed", all) });
}

#[test]
fn a_file_whose_name_is_no_name() {
    let error = crate::scenario::read(PLAIN, "tests/scenarios/my scenario.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "tests/scenarios/my scenario.toml:1: a scenario is called by its file, and `my scenario` has something other than \
         letters, digits, `-`, `_`"
    );
}

#[test]
fn a_scenario_without_steps() {
    let text = "title = \"t\"\nproves = \"p\"\nsteps = []\n[machines.client]\nhelper = true\n";
    let scenario = crate::scenario::read(text, "tests/scenarios/example.toml").unwrap();
    let error =
        crate::scenario::resolve(&scenario, &crate::scenario::Known::default()).unwrap_err();
    let words =
        "tests/scenarios/example.toml:1: the scenario has no steps, so nothing would be proved";
    assert_eq!(error.to_string(), words);
}

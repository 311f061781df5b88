//! Deployments over real ssh with the real deploy-rs: to hosts on this machine (tests/loopback).
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod browser;
mod fleet;
mod loopback;
mod schema;
mod support;

use browser::{Browser, Faults};
use fleet::{document, with_filters};
use loopback::guarded::write_program;
use loopback::Loopback;
use support::transcript;

/// Outcomes by host: `A deployed, B unchanged`.
fn outcomes(output: &std::process::Output) -> String {
    let report = document(output);
    assert_eq!(
        schema::complaints("deployment", &report),
        [""; 0],
        "{}",
        transcript(output)
    );
    let hosts = report["hosts"].as_array().unwrap();
    let words: Vec<String> = hosts
        .iter()
        .map(|host| {
            let (name, kind) = (&host["host"], &host["outcome"]["kind"]);
            format!("{} {}", name.as_str().unwrap(), kind.as_str().unwrap())
        })
        .collect();
    words.join(", ")
}

const DEPLOY: [&str; 3] = ["deploy", "--yes", "--json"];

#[test]
fn a_fleet_is_deployed_and_then_unchanged() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 1)]) else {
        return;
    };
    let idle = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&idle),
        "A unchanged, B unchanged",
        "{}",
        transcript(&idle)
    );
    lab.commit("second");
    let plan = lab.xtask(&["deploy", "--plan", "--json"]);
    assert_eq!(schema::complaints("plan", &document(&plan)), [""; 0]);
    assert_eq!(document(&plan)["hosts"][0]["action"]["kind"], "switch");
    assert_eq!(lab.running("A"), "first", "a plan touches nothing");

    let output = lab.xtask(&["deploy", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
    for host in ["A", "B"] {
        assert_eq!(lab.running(host), "second");
        assert_eq!(lab.profile(host), "second");
    }
    with_filters(&lab.filters(), || {
        insta::assert_snapshot!("deployed", transcript(&output));
    });
    assert_eq!(outcomes(&lab.xtask(&DEPLOY)), "A unchanged, B unchanged");
}

/// What a switch does beside what the plan foretold is told; the plan knows of no unit here.
#[test]
fn what_was_not_foretold_is_told() {
    let Some(mut lab) = Loopback::new(&[("A", 0)]) else {
        return;
    };
    let says = "if [ $action = switch ]; then echo 'restarting the following units: ghost.service' >&2; fi";
    lab.script("A", says);
    lab.commit("second");
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed", "{}", transcript(&output));
    let surprises = &document(&output)["hosts"][0]["surprises"];
    assert_eq!(*surprises, serde_json::json!(["restarted ghost.service"]));
    lab.commit("third");
    let text = transcript(&lab.xtask(&["deploy", "--yes"]));
    assert!(
        text.contains("A: not foretold: restarted ghost.service"),
        "{text}"
    );
}

/// What deploy-rs copies is evaluated with the system that it is made of, and not once more.
#[test]
fn a_host_is_evaluated_once() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.commit("second");
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let script = format!(
        "#!/bin/sh\nprintf '%s ' \"$@\" | tr '\\n' ' ' >>{log}\necho >>{log}\nexec {nix} \"$@\"\n",
        log = log.display(),
        nix = lab.nix.program.display(),
    );
    write_program(&place.path().join("nix"), &script);
    let mut command = lab.command(&DEPLOY);
    let path = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value)
        .unwrap()
        .to_owned();
    let path = format!("{}:{}", place.path().display(), path.to_str().unwrap());
    let output = command.env("PATH", path).output().unwrap();
    assert_eq!(
        outcomes(&output),
        "A deployed, B deployed",
        "{}",
        transcript(&output)
    );
    let log = std::fs::read_to_string(log).unwrap();
    let with = |wanted: &str| log.lines().filter(|line| line.contains(wanted)).count();
    let both = with("profile = true; toplevel = true;");
    assert!(both > 0, "{log}");
    assert_eq!(with("profile = true;"), both, "{log}");
    assert_eq!(with("toplevel = true;"), both, "{log}");
}

/// What has nothing to do costs a question to each host, and all are asked at once.
#[test]
fn an_unchanged_fleet_costs_one_connection_a_host_and_all_at_once() {
    let names = ["A", "B", "C", "D"];
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0), ("C", 1), ("D", 2)]) else {
        return;
    };
    // Of two kinds: D is asked through its guard.
    lab.guard("D", &serde_json::json!({}), true);
    lab.commit("first");
    let noted = "date +%s%N >/run/asked; sleep 3; date +%s%N >/run/answered; eval \"$SSH_ORIGINAL_COMMAND\"";
    for name in &names[..3] {
        lab.force(name, noted);
    }
    for name in names {
        lab.stop(name);
        lab.start(name);
    }
    // What is built and evaluated is found again; only the hosts are asked.
    let before = names.map(|name| lab.connections(name));
    let idle = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&idle),
        "A unchanged, B unchanged, C unchanged, D unchanged",
        "{}",
        transcript(&idle)
    );
    let after = names.map(|name| lab.connections(name));
    let cost: Vec<usize> = (0..4).map(|at| after[at] - before[at]).collect();
    assert_eq!(cost, [1, 1, 1, 1], "{}", transcript(&idle));
    let time = |name: &str, file: &str| -> u128 {
        let text = std::fs::read_to_string(lab.run_file(name, file)).unwrap();
        text.trim().parse().unwrap()
    };
    let last_asked = names[..3].iter().map(|name| time(name, "asked")).max();
    let first_answered = names[..3].iter().map(|name| time(name, "answered")).min();
    assert!(
        last_asked < first_answered,
        "whatever their waves, they are asked side by side"
    );
}

/// Fails on the second commit's activation, and not on the way back.
const FAILS: &str = "if [ $action != boot ] && ! [ -e /run/failed ]; then touch /run/failed; echo it does not start >&2; exit 4; fi";

#[test]
fn a_failed_wave_returns_and_later_waves_are_not_touched() {
    let hosts = [("A", 0), ("B", 1), ("C", 1), ("D", 2)];
    let Some(mut lab) = Loopback::new(&hosts) else {
        return;
    };
    lab.script("C", FAILS);
    lab.commit("second");
    let output = lab.xtask(&["deploy", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let running = ["A", "B", "C", "D"].map(|host| lab.running(host));
    assert_eq!(
        running,
        ["second", "first", "first", "first"],
        "{}",
        transcript(&output)
    );
    let profiles = ["A", "B", "C", "D"].map(|host| lab.profile(host));
    assert_eq!(profiles, ["second", "first", "first", "first"]);
    let mut filters = lab.filters();
    // Which of the two is done first is theirs to say, and how much deploy-rs says of its own is not ours.
    filters.push((r"(?s)--- stderr.*".to_owned(), String::new()));
    filters.push((r"  \| .*\n".to_owned(), String::new()));
    with_filters(&filters, || {
        insta::assert_snapshot!("a_failed_wave", transcript(&output));
    });

    // With another commit everything up to there returns.
    std::fs::remove_file(lab.run_file("C", "failed")).unwrap();
    lab.commit("third");
    let output = lab.xtask(&[&DEPLOY[..], &["--rollback", "all"]].concat());
    assert_eq!(
        outcomes(&output),
        "A rolledBack, B rolledBack, C rolledBack, D notTried",
        "{}",
        transcript(&output)
    );
    assert_eq!(
        lab.running("A"),
        "second",
        "what it had before this deployment"
    );

    // And without, what was deployed stays.
    std::fs::remove_file(lab.run_file("C", "failed")).unwrap();
    let output = lab.xtask(&[&DEPLOY[..], &["--rollback", "none"]].concat());
    let wanted = "A deployed, B deployed, C rolledBack, D notTried";
    assert_eq!(outcomes(&output), wanted, "{}", transcript(&output));
}

#[test]
fn a_host_that_is_off_is_told_and_stops_nobody() {
    let hosts = [("A", 0), ("B", 0), ("C", 1)];
    let Some(mut lab) = Loopback::new(&hosts) else {
        return;
    };
    lab.stop("A");
    // This one is not who the inventory says it is.
    let other = lab.run_file("B", "../key.pub");
    let stranger = std::fs::read_to_string(lab.run_file("C", "../key.pub")).unwrap();
    std::fs::write(other, stranger).unwrap();
    lab.commit("second");
    let output = lab.xtask(&DEPLOY);
    // Nobody proved it in the first wave, so nothing came after.
    assert_eq!(
        outcomes(&output),
        "A unreachable, B unreachable, C notTried"
    );
    let report = document(&output);
    let why = |at: usize| {
        report["hosts"][at]["outcome"]["why"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(why(0), "connection refused");
    assert_eq!(why(1), "its host key is not the one in the inventory");
    assert_eq!(output.status.code(), Some(1));

    lab.start("A");
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed, B unreachable, C deployed");
    assert_eq!(
        output.status.code(),
        Some(1),
        "one of them has not what it should have"
    );
    assert_eq!(lab.running("B"), "first");
    // A key that nobody wrote down is not accepted either.
    lab.forget_key("A");
    lab.commit("third");
    let report = document(&lab.xtask(&["deploy", "--yes", "--json", "A"]));
    assert_eq!(
        report["hosts"][0]["outcome"]["why"],
        "its host key is not known"
    );
}

#[test]
fn an_unhealthy_host_is_taken_back() {
    let Some(mut lab) = Loopback::new(&[("B", 0)]) else {
        return;
    };
    lab.checks("B", "{ page = { command = \"test ! -e /run/ill\"; url = null; user = \"root\"; settle = 0; retries = 1; timeout = 5; }; }");
    lab.script("B", "touch /run/ill");
    lab.commit("second");
    let output = lab.xtask(&["deploy", "--yes", "--json", "B"]);
    assert_eq!(outcomes(&output), "B rolledBack", "{}", transcript(&output));
    let report = document(&output);
    let why = report["hosts"][0]["outcome"]["why"].as_str().unwrap();
    assert!(why.starts_with("health check page: it exited 1"), "{why}");
    assert_eq!(
        (lab.running("B"), lab.profile("B")),
        ("first".to_owned(), "first".to_owned())
    );
}

#[test]
fn refs_try_and_wait_for_a_boot() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.fleet.git(&["checkout", "--quiet", "-b", "test-A"]);
    lab.commit("tried");
    let output = lab.xtask(&[&DEPLOY[..], &["--ref", "test-A"]].concat());
    assert_eq!(outcomes(&output), "A test", "{}", transcript(&output));
    assert_eq!(
        (lab.running("A"), lab.running("B")),
        ("tried".to_owned(), "first".to_owned())
    );
    // A branch of another name is built, and that is all.
    lab.fleet.git(&["checkout", "--quiet", "-b", "topic"]);
    lab.commit("topic");
    assert_eq!(outcomes(&lab.xtask(&DEPLOY)), "A unchanged, B unchanged");
    assert_eq!(lab.running("A"), "tried");
    // A later deployment of main ends the test.
    lab.fleet.git(&["checkout", "--quiet", "main"]);
    let output = lab.xtask(&DEPLOY);
    assert_eq!(
        outcomes(&output),
        "A deployed, B unchanged",
        "{}",
        transcript(&output)
    );
    assert_eq!(lab.running("A"), "first");

    lab.commit("booted");
    let output = lab.xtask(&[&DEPLOY[..], &["--boot", "always"]].concat());
    assert_eq!(
        outcomes(&output),
        "A bootPending, B bootPending",
        "{}",
        transcript(&output)
    );
    assert_eq!(
        (lab.running("A"), lab.profile("A")),
        ("first".to_owned(), "booted".to_owned())
    );
    let again = lab.xtask(&[&DEPLOY[..], &["--boot", "always"]].concat());
    assert_eq!(outcomes(&again), "A unchanged, B unchanged");
}

#[test]
fn one_controller_at_a_time_and_a_killed_one_is_followed() {
    let hosts = [("A", 0), ("B", 1), ("C", 2)];
    let Some(mut lab) = Loopback::new(&hosts) else {
        return;
    };
    let nothing = transcript(&lab.xtask(&["deploy", "--resume"]));
    assert!(
        nothing.starts_with("exit 2") && nothing.contains("no deployment to go on with"),
        "{nothing}"
    );
    lab.script(
        "B",
        "if [ $action = switch ]; then touch /run/begun; sleep 4; fi",
    );
    lab.commit("second");
    let mut first = lab.command(&DEPLOY);
    first
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut first = first.spawn().unwrap();
    let begun = lab.run_file("B", "begun");
    let started = std::time::Instant::now();
    while !begun.exists() {
        assert!(started.elapsed().as_secs() < 120, "B is never deployed");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let second = lab.xtask(&DEPLOY);
    assert_eq!(second.status.code(), Some(1));
    let text = transcript(&second);
    assert!(
        text.contains(&format!("deploys already, with process {}", first.id())),
        "{text}"
    );

    first.kill().unwrap();
    first.wait().unwrap();
    let resumed = lab.xtask(&["deploy", "--resume", "--json"]);
    assert_eq!(
        outcomes(&resumed),
        "A deployed, B deployed, C deployed",
        "{}",
        transcript(&resumed)
    );
    for host in ["A", "B", "C"] {
        assert_eq!(
            (lab.running(host), lab.profile(host)),
            ("second".to_owned(), "second".to_owned())
        );
    }
    assert!(transcript(&lab.xtask(&["deploy", "--resume"])).contains("no deployment to go on with"));
}

#[test]
fn nothing_is_touched_that_must_not_be() {
    let Some(mut lab) = Loopback::new(&[("A", 0)]) else {
        return;
    };
    lab.commit("second");
    let asked = lab
        .command(&["deploy"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = transcript(&asked);
    assert!(
        text.starts_with("exit 2") && text.contains("Nobody is here to answer"),
        "{text}"
    );
    assert_eq!(lab.running("A"), "first");
    // Stand-ins never leave this machine, whatever the options say.
    let flake = lab.fleet.read("flake.nix");
    lab.fleet.write(
        "flake.nix",
        &flake.replace("hostname = \"127.0.0.1\"", "hostname = \"192.0.2.1\""),
    );
    lab.fleet.commit();
    let refused = lab.xtask(&DEPLOY);
    let text = transcript(&refused);
    assert!(
        text.starts_with("exit 2") && text.contains("and A is at 192.0.2.1"),
        "{text}"
    );
    let around = flake.replace(
        "sshOpts = [",
        "sshOpts = [ \"-oHostName=192.0.2.1\" \"-oProxyCommand=false\"",
    );
    lab.fleet.write("flake.nix", &around);
    lab.fleet.commit();
    assert_eq!(outcomes(&lab.xtask(&DEPLOY)), "A deployed");
    // What is no release is none.
    let file = lab.fleet.cache().join("release.json");
    std::fs::write(&file, "{}").unwrap();
    let text = transcript(&lab.xtask(&["deploy", "--yes", "--release", file.to_str().unwrap()]));
    assert!(
        text.starts_with("exit 2") && text.contains("this is no release"),
        "{text}"
    );
}

#[test]
fn the_machine_that_one_sits_at_is_deployed_without_ssh() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    // Nobody could log in.
    lab.stop("A");
    lab.commit("second");
    let local = |lab: &Loopback, more: &[&str]| {
        let args = [&DEPLOY[..], &["--local"], more].concat();
        lab.on_host("A", &args)
    };
    let output = local(&lab, &[]);
    assert_eq!(outcomes(&output), "A deployed", "{}", transcript(&output));
    let is = |lab: &Loopback| [lab.running("A"), lab.profile("A"), lab.running("B")];
    assert_eq!(is(&lab), ["second", "second", "first"]);
    assert_eq!(outcomes(&local(&lab, &[])), "A unchanged");

    // What fails is taken back, as over ssh.
    lab.script("A", FAILS);
    lab.commit("third");
    let output = local(&lab, &[]);
    assert_eq!(outcomes(&output), "A rolledBack", "{}", transcript(&output));
    assert_eq!(is(&lab), ["second", "second", "first"]);
    lab.script("A", "");

    // On a branch that means nothing a person says what it is for.
    lab.fleet.git(&["checkout", "--quiet", "-b", "topic"]);
    lab.commit("fourth");
    assert_eq!(outcomes(&local(&lab, &[])), "A unchanged");
    let tried = local(&lab, &["--action", "test"]);
    assert_eq!(outcomes(&tried), "A test", "{}", transcript(&tried));
    // deploy-rs has made it the profile, too: what boots is the loader's matter, which nothing has touched.
    assert_eq!(is(&lab), ["fourth", "fourth", "first"]);
    lab.commit("fifth");
    let booted = local(&lab, &["A", "--action", "boot"]);
    assert_eq!(
        outcomes(&booted),
        "A bootPending",
        "{}",
        transcript(&booted)
    );
    assert_eq!(is(&lab), ["fourth", "fifth", "first"]);

    // Neither another host's configuration gets here, nor a stand-in on a machine that is none.
    let other = transcript(&local(&lab, &["B"]));
    assert!(
        other.starts_with("exit 2")
            && other.contains("this machine is A, and what was asked for is B"),
        "{other}"
    );
    std::fs::remove_file(lab.run_file("A", "current-system")).unwrap();
    let real = transcript(&local(&lab, &[]));
    assert!(
        real.starts_with("exit 2") && real.contains("this machine runs a system of its own"),
        "{real}"
    );
}

#[test]
fn status_asks_all_hosts_and_tells_drift() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.commit("second");
    assert_eq!(
        outcomes(&lab.xtask(&[&DEPLOY[..], &["A"]].concat())),
        "A deployed"
    );
    lab.commit("third");
    lab.stop("B");
    let output = lab.xtask(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1), "one does not answer");
    let status = document(&output);
    assert_eq!(schema::complaints("status", &status), [""; 0]);
    let a = &status["hosts"]["A"];
    assert_eq!(
        (&a["origin"]["behind"], &a["origin"]["ahead"]),
        (&1.into(), &0.into())
    );
    assert_eq!(a["live"]["running"], a["live"]["bootDefault"]);
    assert_eq!(a["rebootDue"], serde_json::json!([]));
    assert_eq!(status["hosts"]["B"]["unreachable"], "connection refused");
    let output = lab.xtask(&["status", "A"]);
    assert_eq!(output.status.code(), Some(0));
    let text = transcript(&output);
    assert!(
        text.contains("main is 1 ahead") && text.contains("the same"),
        "{text}"
    );
    assert_eq!(lab.xtask(&["status", "C"]).status.code(), Some(2));
}

/// The next request to a server on this machine, answered with 200.
fn heard(server: &std::net::TcpListener) -> String {
    use std::io::{Read, Write};
    let (mut stream, _) = server.accept().unwrap();
    let mut text = String::new();
    let mut bytes = [0; 65536];
    loop {
        let count = stream.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if let (Some(length), Some(body)) = (length, body) {
            if body >= length.trim().parse().unwrap() {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                return text;
            }
        }
    }
}

#[test]
fn listeners_are_told_and_a_deaf_one_changes_nothing() {
    let Some(mut lab) = Loopback::new(&[("A", 0)]) else {
        return;
    };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    lab.notify(
        "A",
        &format!(
            "{{ deaf = {{ kind = \"webhook\"; url = \"http://127.0.0.1:1/\"; }}; phone = {{ kind = \"ntfy\"; url = \"http://{address}/fleet\"; }}; hook = {{ kind = \"webhook\"; url = \"http://{address}/hook\"; }}; }}"
        ),
    );
    lab.commit("second");
    let listening = std::thread::spawn(move || [heard(&server), heard(&server)]);
    let output = lab.xtask(&DEPLOY);
    assert_eq!(outcomes(&output), "A deployed", "{}", transcript(&output));
    assert!(transcript(&output).contains("warning: cannot tell http://127.0.0.1:1/"));
    let [hook, phone] = listening.join().unwrap();
    assert!(hook.starts_with("POST /hook "), "{hook}");
    let (_, body) = hook.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(schema::complaints("deployment", &told), [""; 0]);
    assert!(
        phone.starts_with("POST /fleet ") && phone.contains("Title: deployed main\r\n"),
        "{phone}"
    );
    assert!(phone.ends_with("\r\n\r\nA: deployed\n"), "{phone}");
}

/// Answers as a guard's verbs do; what a guard really does is shown elsewhere.
fn guard_script(lab: &Loopback, host: &str) -> String {
    use guard::answer::{
        Activation, Done, Ended, Entry, Event, History, HostState, Outcome, Purpose, ReleaseId,
    };
    let time = |text: &str| text.parse().unwrap();
    let system = std::fs::read_link(lab.run_file(host, "current-system")).unwrap();
    let path = system.to_str().unwrap().parse().unwrap();
    let release = ReleaseId {
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        counter: 7,
    };
    let activation = Activation {
        id: "1".to_owned(),
        purpose: Purpose::Switch,
        by: "ci".to_owned(),
        began: time("2026-11-21T15:00:00Z"),
        toplevel: path,
        previous: None,
        release: Some(release.clone()),
        ended: Some(Ended {
            at: time("2026-11-21T15:00:09Z"),
            outcome: Outcome::Confirmed,
        }),
    };
    let entry = |by: &str, event| Entry {
        at: time("2026-11-21T15:00:09Z"),
        by: by.to_owned(),
        event,
    };
    let signer = "builder".to_owned();
    let history = History {
        host: host.to_owned(),
        entries: vec![
            entry(
                "ci",
                Event::Activation {
                    activation: activation.clone(),
                },
            ),
            entry("ci", Event::ReleaseAccepted { release, signer }),
        ],
    };
    let done = |purpose| {
        let done = Done {
            host: host.to_owned(),
            state: HostState::Idle,
            activation: Some(Activation {
                purpose,
                release: None,
                ..activation.clone()
            }),
        };
        serde_json::to_string(&done).unwrap()
    };
    format!(
        "case $SSH_ORIGINAL_COMMAND in\n\
         'history --limit 20' | 'history --limit 200') echo '{}';;\n\
         rollback) echo 'talk of an activation' >&2; echo '{}';;\n\
         keep) if [ -e /run/not-yours ]; then echo 'refused not-operator: ci' >&2; exit 77; fi; echo '{}';;\n\
         'rollback --to 3') echo 'refused never-confirmed: generation 3' >&2; exit 77;;\n\
         for*) eval \"$SSH_ORIGINAL_COMMAND\";;\n\
         *) exit 127;;\nesac",
        serde_json::to_string(&history).unwrap(),
        done(Purpose::Rollback),
        done(Purpose::Keep),
    )
}

#[test]
fn guards_tell_their_history_and_go_back() {
    let Some(mut lab) = Loopback::new(&[("A", 0), ("B", 0)]) else {
        return;
    };
    lab.force("A", &guard_script(&lab, "A"));
    lab.stop("A");
    lab.start("A");
    let output = lab.xtask(&["history"]);
    assert_eq!(output.status.code(), Some(1), "B has none");
    with_filters(&lab.filters(), || {
        insta::assert_snapshot!("history", transcript(&output))
    });
    let all = document(&lab.xtask(&["history", "--json"]));
    assert_eq!(schema::complaints("history", &all), [""; 0]);
    assert_eq!(lab.xtask(&["history", "A"]).status.code(), Some(0));

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("fleet.html");
    let told = lab.xtask(&["status", "--html", file.to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", transcript(&told));
    let page = std::fs::read_to_string(&file).unwrap();
    for part in [
        "switch to nixos-system-A of 0123456789: confirmed",
        "<b>B</b><small>it has no guard",
        "<h2>Wave 0</h2>",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    if let Some(mut browser) = Browser::start() {
        assert_eq!(browser.faults(&file), Faults::default());
    }
    let nowhere = lab.xtask(&["status", "--html", "/proc/fleet.html"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        nowhere.stdout.starts_with("─".as_bytes()),
        "the table comes first"
    );
    let text = transcript(&nowhere);
    assert!(text.contains("cannot write /proc/fleet.html"), "{text}");

    let back = lab.xtask(&["rollback", "A", "--yes"]);
    assert_eq!(back.status.code(), Some(0), "{}", transcript(&back));
    assert!(
        transcript(&back).contains("A: rollback to nixos-system-A: confirmed"),
        "{}",
        transcript(&back)
    );
    let refused = transcript(&lab.xtask(&["rollback", "A", "--to", "3", "--yes"]));
    assert!(
        refused.starts_with("exit 1")
            && refused.contains("host A does not go back: refused never-confirmed: generation 3"),
        "{refused}"
    );
    let kept = lab.xtask(&["deploy", "--keep", "A", "--yes"]);
    assert_eq!(kept.status.code(), Some(0), "{}", transcript(&kept));
    assert!(
        transcript(&kept).contains("A: test kept to nixos-system-A: confirmed"),
        "{}",
        transcript(&kept)
    );
    std::fs::write(lab.run_file("A", "not-yours"), "").unwrap();
    let refused = transcript(&lab.xtask(&["deploy", "--keep", "A", "--yes"]));
    assert!(
        refused.starts_with("exit 1")
            && refused.contains("host A keeps nothing: refused not-operator: ci"),
        "{refused}"
    );
    let no_guard = transcript(&lab.xtask(&["rollback", "B", "--yes"]));
    assert!(
        no_guard.starts_with("exit 1") && no_guard.contains("it has no guard"),
        "{no_guard}"
    );
    let unasked = lab
        .command(&["rollback", "A"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(unasked.status.code(), Some(2));
}

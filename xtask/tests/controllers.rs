//! Who deploys: one at a time, somebody who goes on where another was killed, whoever sits at the host; and who may not.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod loopback;
mod schema;
mod support;

use loopback::outcomes::of_deployment as outcomes;
use loopback::{Loopback, DEPLOY, FAILS};
use support::transcript;

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
    assert_eq!(outcomes(&local(&lab, &[])), "A built");
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

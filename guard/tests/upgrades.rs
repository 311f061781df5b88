//! Pull mode: a host that asks for its release itself, over HTTP from a server of the test, as a user of its own.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

use guard::answer::{Cause, Outcome, Poll, Upgrade, UpgradeResult};
use guard::refusal::Code;
use guard::release::{ActionKind, SignedRelease};
use guard::time::Time;
use serde_json::json;
use support::client::{answer, Answer};
use support::host::Host;
use support::releases::{release, sign, sign_text};
use support::{in_a_host_of_its_own, run, write, PLACE};

const WEB: &str = "/nix/test/web";
const USER: u32 = 7778;

/// A cache's web server, as far as it matters: what lies in a folder.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(&stream);
            reader.read_line(&mut line).unwrap();
            let mut header = String::new();
            while reader.read_line(&mut header).unwrap() > 2 {
                header.clear();
            }
            let path = line.split(' ').nth(1).unwrap();
            let answer = match std::fs::read(format!("{WEB}{path}")) {
                Ok(body) => [&b"HTTP/1.0 200 OK\r\n\r\n"[..], &body].concat(),
                Err(_) => b"HTTP/1.0 404 Not Found\r\n\r\n".to_vec(),
            };
            // A client that has enough does not read the rest.
            let _ = stream.write_all(&answer);
        }
    });
}

/// Makes the host one that looks itself; `other` is what its settings say otherwise.
fn looks_itself(host: &Host, builds: bool, other: &serde_json::Value) {
    let mut passwd = std::fs::OpenOptions::new()
        .append(true)
        .open("/etc/passwd")
        .unwrap();
    if !std::fs::read_to_string("/etc/passwd")
        .unwrap()
        .contains("\nupgrade:")
    {
        writeln!(passwd, "upgrade:x:{USER}:7777:Upgrades:/var/empty:/bin/sh").unwrap();
    }
    let kind = if builds { "hydra" } else { "release" };
    let mut settings = json!({
        "host": "Niko",
        "source": { "is": kind, "url": "http://127.0.0.1:8080/Niko.json" },
        "reboot": false,
        "confirmTimeoutSeconds": 6,
        "root": format!("{PLACE}/next/root"),
        "programs": { "curl": "/usr/bin/curl", "nixStore": format!("{PLACE}/bin/nix-store") },
        "socket": "/nix/test/guard.socket",
    });
    for (key, value) in other.as_object().unwrap() {
        settings[key] = value.clone();
    }
    write(
        &format!("{PLACE}/upgrade.json"),
        &settings.to_string(),
        0o644,
    );
    std::fs::create_dir_all(format!("{PLACE}/next")).unwrap();
    std::os::unix::fs::chown(format!("{PLACE}/next"), Some(USER), Some(7777)).unwrap();
    std::fs::create_dir_all(WEB).unwrap();
    host.stop_guard();
    host.configure(&json!({
        "upgrade": { "user": "upgrade", "unit": "slipway-upgrade.service", "takesBuilds": builds },
    }));
    host.start_guard();
}

/// The unit, without systemd.
fn as_the_user(words: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=7778", "--regid=7777", "--clear-groups", "--"])
        .arg(format!("{PLACE}/bin/slipway-guard"))
        .args(words);
    command
}

fn look() -> Answer {
    let settings = format!("{PLACE}/upgrade.json");
    answer(as_the_user(&["upgrade", "--settings", &settings]), "")
}

fn offers(signed: &SignedRelease) {
    write(
        &format!("{WEB}/Niko.json"),
        &signed.to_wire().unwrap(),
        0o644,
    );
}

fn offers_release(host: &Host, counter: u64, name: &str, kind: ActionKind) {
    offers(&sign(&release(host, counter, name, kind)));
}

fn last(host: &Host) -> Upgrade {
    host.status().last_upgrade.unwrap()
}

#[track_caller]
fn is_refused(host: &Host, code: Code) {
    let looked = look();
    assert_eq!(looked.code, Some(guard::refusal::EXIT_CODE), "{looked:?}");
    let last = last(host);
    assert_eq!(last.result, UpgradeResult::Refused);
    assert!(
        last.text.starts_with(&format!("refused {code}: ")),
        "{last:?}"
    );
}

#[track_caller]
fn waits(host: &Host, text: &str) {
    let looked = look();
    assert_eq!(looked.code, Some(75), "{looked:?}");
    let last = last(host);
    assert_eq!(last.result, UpgradeResult::Waiting);
    assert!(last.text.contains(text), "{last:?}");
}

#[test]
fn a_host_takes_its_newest_release_itself() {
    in_a_host_of_its_own("a_host_takes_its_newest_release_itself", |host| {
        serve();
        looks_itself(host, false, &json!({}));
        waits(host, "404");
        offers_release(host, 1, "new", ActionKind::Switch);
        look().good();
        assert_eq!(host.is(), ["new", "new", "new"]);
        assert_eq!(host.calls(), ["test new", "boot new"]);
        let newest = host.history().entries.remove(0);
        assert_eq!(newest.by, "upgrade");
        assert_eq!(last(host).result, UpgradeResult::Upgraded);
        // What it has is left alone, also when the release's time is over.
        look().good();
        assert_eq!(last(host).result, UpgradeResult::UpToDate);
        assert!(host.calls().is_empty());
        // A newer release of the same closure is remembered, and changes nothing.
        offers_release(host, 2, "new", ActionKind::Switch);
        look().good();
        assert_eq!(host.status().last_release.unwrap().counter, 2);
        assert!(host.calls().is_empty());
        // Only the next boot brings this one; until then it is waited for.
        offers_release(host, 3, "newer", ActionKind::Boot);
        look().good();
        assert_eq!(host.is()[0], "new");
        waits(host, "a boot on trial waits for its reboot");
        host.reboot();
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
    });
}

#[test]
fn what_is_not_to_be_had_is_refused_by_its_code() {
    in_a_host_of_its_own("what_is_not_to_be_had_is_refused_by_its_code", |host| {
        serve();
        looks_itself(host, false, &json!({}));
        offers_release(host, 5, "new", ActionKind::Switch);
        look().good();
        // Replayed, under its own number and under the newest one.
        offers_release(host, 4, "newer", ActionKind::Switch);
        is_refused(host, Code::Downgrade);
        let mut again = release(host, 5, "newer", ActionKind::Switch);
        again.commit = "f".repeat(40);
        offers(&sign(&again));
        is_refused(host, Code::CounterReused);
        let mut late = release(host, 6, "newer", ActionKind::Switch);
        late.made = Time::from_unix(1000);
        late.expires = Time::from_unix(2000);
        offers(&sign(&late));
        is_refused(host, Code::Expired);
        let text = release(host, 6, "newer", ActionKind::Switch)
            .to_text()
            .unwrap();
        offers(&sign_text("stranger", guard::release::NAMESPACE, &text));
        is_refused(host, Code::BadSignature);
        let mut other = release(host, 6, "newer", ActionKind::Switch);
        let named = other.hosts.remove("Niko").unwrap();
        other.hosts.insert("Ingress".to_owned(), named);
        offers(&sign(&other));
        is_refused(host, Code::OtherHost);
        write(&format!("{WEB}/Niko.json"), "<html>", 0o644);
        is_refused(host, Code::BadDocument);
        offers_release(host, 7, "with-dependency", ActionKind::Switch);
        is_refused(host, Code::Unsigned);
        // A longer document than any release is not read to its end.
        write(&format!("{WEB}/Niko.json"), &" ".repeat(2_000_000), 0o644);
        waits(host, "cannot fetch");
        assert_eq!(host.is(), ["new", "new", "new"]);
        // And the honest twin of all of them is taken.
        offers_release(host, 8, "newer", ActionKind::Switch);
        look().good();
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
    });
}

#[test]
fn what_does_not_work_is_taken_back_and_not_tried_for_ever() {
    in_a_host_of_its_own(
        "what_does_not_work_is_taken_back_and_not_tried_for_ever",
        |host| {
            serve();
            looks_itself(host, false, &json!({}));
            offers_release(host, 1, "unhealthy", ActionKind::Switch);
            assert_eq!(look().code, Some(1));
            assert_eq!(host.is(), ["old", "old", "old"]);
            assert!(last(host).text.contains("not healthy"), "{:?}", last(host));
            host.calls();
            waits(host, "for a newer release");
            assert!(host.calls().is_empty());
            // The host that has just been activated cannot reach its cache: nobody could bring it anything better.
            write(
                "/nix/test/lost.json",
                &json!({ "source": { "is": "release", "url": "http://127.0.0.1:9/Niko.json" } })
                    .to_string(),
                0o644,
            );
            offers_release(host, 2, "loses-its-cache", ActionKind::Switch);
            assert_eq!(look().code, Some(1));
            let Outcome::RolledBack { cause, .. } = host.outcome() else {
                panic!("{:?}", host.outcome());
            };
            assert_eq!(cause, Cause::NotConfirmed);
            assert_eq!(host.is(), ["old", "old", "old"]);
            // What an operator took back stays so, until there is a newer release.
            looks_itself(host, false, &json!({}));
            offers_release(host, 3, "new", ActionKind::Switch);
            look().good();
            host.done(host.ssh("ci", "rollback"));
            waits(host, "the host went back from this one");
            host.ssh("laptop", "hold --reason 'new disk'").good();
            offers_release(host, 4, "new", ActionKind::Switch);
            waits(host, "laptop holds the host, new disk");
            host.ssh("laptop", "unhold").good();
            look().good();
            assert_eq!(host.is(), ["new", "new", "new"]);
        },
    );
}

#[test]
fn it_waits_for_its_canaries() {
    in_a_host_of_its_own("it_waits_for_its_canaries", |host| {
        serve();
        let canaries = json!({ "canaries": { "Testing": "http://127.0.0.1:8080/metrics" } });
        looks_itself(host, false, &canaries);
        let mut both = release(host, 1, "new", ActionKind::Switch);
        let mut named = both.hosts["Niko"].clone();
        named.toplevel = host.toplevel("elsewhere");
        offers(&sign(&both));
        waits(host, "the release does not name the canary Testing");
        both.counter = 2;
        both.hosts.insert("Testing".to_owned(), named);
        offers(&sign(&both));
        waits(host, "canary Testing: cannot fetch");
        let tell = |toplevel: &str, success: u8| {
            let system = |role: &str| {
                format!("nixos_system_info{{role=\"{role}\",toplevel=\"{toplevel}\"}} 1\n")
            };
            let text = system("running")
                + &system("boot")
                + &format!("nixos_deployment_last_success {success}\nnixos_deployment_last_time_seconds 1000\n")
                + "node_systemd_unit_state{name=\"a.service\",state=\"failed\"} 0\n";
            write(&format!("{WEB}/metrics"), &text, 0o644);
        };
        tell(host.toplevel("old").as_str(), 1);
        waits(host, "it does not run what the release names for it");
        tell(host.toplevel("elsewhere").as_str(), 0);
        waits(host, "its last deployment failed");
        assert!(host.calls().is_empty());
        tell(host.toplevel("elsewhere").as_str(), 1);
        look().good();
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

#[test]
fn whoever_rings_is_told_what_came_of_it() {
    in_a_host_of_its_own("whoever_rings_is_told_what_came_of_it", |host| {
        serve();
        host.ssh("ci", "poll").is_refused(Code::NoUpgrades);
        looks_itself(host, false, &json!({}));
        offers_release(host, 1, "new", ActionKind::Switch);
        let rung = host.ssh("ci", "poll --wait 60").good();
        let rung: Poll = serde_json::from_str(&rung).unwrap();
        assert_eq!(rung.upgrade.unwrap().result, UpgradeResult::Upgraded);
        assert_eq!(host.is(), ["new", "new", "new"]);
        // Nobody else says what came of a look, or goes by its name.
        for line in [
            "upgraded --result up-to-date",
            "accept-build /nix/store/0123456789abcdfghijklmnpqrsvwxyz-a --build 1",
        ] {
            host.ssh("laptop", line).is_refused(Code::NotPermitted);
        }
        // Its user may do nothing else, and cannot take a key's name.
        for line in ["rollback", "hold", "keep", "health", "poll"] {
            let asked = guard_socket(&format!("{{\"words\":[\"{line}\"]}}"));
            assert!(asked.contains("not-permitted"), "{line}: {asked}");
        }
        let named = guard_socket("{\"as\":\"laptop\",\"words\":[\"status\"]}");
        assert!(named.contains("goes by no key's name"), "{named}");
        assert!(guard_socket("{\"words\":[\"status\"]}").contains("Niko"));
        assert_eq!(host.is(), ["new", "new", "new"]);
    });
}

/// What its user is answered when it talks to the socket itself.
fn guard_socket(request: &str) -> String {
    let script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/nix/test/guard.socket'); \
        s.sendall(sys.argv[1].encode() + b'\\n'); print(b''.join(iter(lambda: s.recv(65536), b'')).decode())";
    run(
        "setpriv",
        &[
            "--reuid=7778",
            "--regid=7777",
            "--clear-groups",
            "--",
            "python3",
            "-c",
            script,
            request,
        ],
    )
}

#[test]
fn a_hydra_s_build_passes_the_same_gate() {
    in_a_host_of_its_own("a_hydra_s_build_passes_the_same_gate", |host| {
        serve();
        let offers = |id: u64, status: u8, name: &str| {
            let build = json!({ "id": id, "finished": 1, "buildstatus": status, "nixname": name,
                "buildoutputs": { "out": { "path": host.toplevel(name) } } });
            write(&format!("{WEB}/Niko.json"), &build.to_string(), 0o644);
        };
        // As long as the host takes releases only, its user brings no build past it.
        looks_itself(
            host,
            false,
            &json!({ "source": { "is": "hydra", "url": "http://127.0.0.1:8080/Niko.json" } }),
        );
        offers(10, 0, "new");
        is_refused(host, Code::NoBuilds);
        looks_itself(host, true, &json!({}));
        offers(10, 1, "new");
        assert_eq!(look().code, Some(1));
        offers(10, 0, "new");
        look().good();
        assert_eq!(host.is(), ["new", "new", "new"]);
        look().good();
        assert_eq!(last(host).result, UpgradeResult::UpToDate);
        // The same gate: signatures, whose system it is, its guard, its health.
        for (id, name, code) in [
            (11, "with-dependency", Code::Unsigned),
            (12, "elsewhere", Code::OtherHost),
            (13, "no-guard", Code::RemovesGuard),
            (14, "no-system", Code::NotASystem),
        ] {
            offers(id, 0, name);
            is_refused(host, code);
        }
        offers(9, 0, "newer");
        is_refused(host, Code::Downgrade);
        offers(15, 0, "unhealthy");
        assert_eq!(look().code, Some(1));
        assert_eq!(host.is(), ["new", "new", "new"]);
        waits(host, "for a newer release");
        offers(16, 0, "newer");
        look().good();
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
        // What it had once does not come back this way, whatever its number.
        offers(17, 0, "new");
        is_refused(host, Code::Downgrade);
        assert_eq!(host.is(), ["newer", "newer", "newer"]);
    });
}

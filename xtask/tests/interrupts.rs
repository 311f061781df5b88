//! Ctrl-C, a supervisor's SIGTERM and a closed terminal, while hosts are evaluated and built: no process is left, and a
//! second run continues.

// A test says by panicking that it fails.
#![allow(clippy::unwrap_used)]

mod fleet;
mod hosts;
mod processes;
mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fleet::Fleet;
use hosts::{host, Host};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use processes::{processes, wait_for};
use support::{all_nixes, Nix};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

fn start(fleet: &Fleet, nix: &Nix) -> Child {
    fleet
        .command(nix, &["build-all"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn interrupt(mut child: Child, signal: Signal, mark: &str) {
    let started = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{signal}");
    assert!(started.elapsed() < Duration::from_secs(6), "{signal}");
    assert_eq!(processes(mark), Vec::<String>::new(), "{signal}");
}

#[test]
fn builders_end_and_a_second_run_continues() {
    for nix in all_nixes() {
        for signal in SIGNALS {
            let fleet = hosts::fleet(&[
                host("Done", "echo done > $out"),
                host(
                    "Waits",
                    "while ! test -e GATE; do sleep 0.1; done; echo > $out",
                ),
            ]);
            let gate = fleet.cache().join("gate");
            let flake = fleet.read("flake.nix");
            fleet.write("flake.nix", &flake.replace("GATE", gate.to_str().unwrap()));
            fleet.commit();
            let child = start(&fleet, &nix);
            // The script names the gate.
            let mark = gate.to_str().unwrap();
            wait_for("builder", || !processes(mark).is_empty());
            interrupt(child, signal, mark);
            std::fs::write(&gate, "").unwrap();
            let second = fleet.xtask(&nix, &["build-all"]);
            assert_eq!(second.status.code(), Some(0));
        }
    }
}

#[test]
fn evaluations_end() {
    let thinks = Host {
        evaluation: "builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i + builtins.length \
                     (builtins.genList (j: j) 100000)) 1000000)) toplevel",
        ..host("Thinks", "echo > $out")
    };
    let all = [thinks];
    for nix in all_nixes() {
        for signal in SIGNALS {
            let fleet = hosts::fleet(&all);
            let child = start(&fleet, &nix);
            let mark = fleet.path().to_str().unwrap().to_owned();
            let evaluates = || {
                let lines = processes(&mark);
                lines.iter().any(|line| line.contains("\"Thinks\""))
            };
            wait_for("evaluation", evaluates);
            interrupt(child, signal, &mark);
        }
    }
}

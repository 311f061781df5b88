//! The real deploy-rs and the real Nix at the other end of the door.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use guard::answer::{Cause, Outcome};
use guard::release::ActionKind;
use support::client::{answer, Answer};
use support::host::Host;
use support::{in_a_host_of_its_own, skip, write};

const SSH_OPTIONS: [&str; 8] = [
    "-F",
    "none",
    "-p",
    "2222",
    "-oIdentityFile=/nix/test/keys/ci",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oLogLevel=ERROR",
];

fn client(program: &str) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command
        .env("PATH", "/nix/test/bin:/usr/bin:/bin")
        .env("HOME", "/nix/test/home")
        .env("NIX_SSHOPTS", SSH_OPTIONS.join(" "));
    command
}

/// None: there is no deploy-rs here.
fn deploy(host: &Host, name: &str, flags: &[&str]) -> Option<Answer> {
    if !std::path::Path::new("/nix/test/bin/deploy").exists() {
        skip("no deploy-rs: neither `deploy` on PATH nor one that xtask installed");
        return None;
    }
    let node = serde_json::json!({
        "hostname": "127.0.0.1",
        "sshUser": "deploy",
        "sshOpts": SSH_OPTIONS,
        "fastConnection": true,
        "confirmTimeout": 20,
        "profiles": { "system": { "user": "root", "path": host.profile(name) } },
    });
    let nodes = serde_json::json!({ "Niko": node }).to_string();
    write("/nix/test/flake/nodes.json", &nodes, 0o644);
    let flake =
        "{ outputs = _: { deploy.nodes = builtins.fromJSON (builtins.readFile ./nodes.json); }; }";
    write("/nix/test/flake/flake.nix", flake, 0o644);
    let mut command = client("/nix/test/bin/deploy");
    command
        .args(["--skip-checks", "--no-demarcate-output", "--no-progress"])
        .args(flags)
        .args(["--targets", "/nix/test/flake#Niko"]);
    Some(answer(command, ""))
}

#[test]
fn unmodified_deploy_rs_deploys_through_the_guard() {
    in_a_host_of_its_own("unmodified_deploy_rs_deploys_through_the_guard", |host| {
        host.release(1, "new", ActionKind::Switch);
        let Some(looked) = deploy(host, "new", &["--dry-activate"]) else {
            return;
        };
        looked.good();
        assert_eq!(host.calls(), ["dry-activate new"]);
        let begun = std::time::Instant::now();
        deploy(host, "new", &[]).unwrap().good();
        println!("deployed in {:.1} s", begun.elapsed().as_secs_f64());
        assert_eq!(host.is(), ["new", "new", "new"]);
        assert_eq!(host.calls(), ["test new", "boot new"]);

        host.release(2, "fails", ActionKind::Switch);
        let failed = deploy(host, "fails", &[]).unwrap();
        assert!(failed.code != Some(0), "{failed:?}");
        assert!(matches!(
            host.outcome(),
            Outcome::RolledBack {
                cause: Cause::ActivationFailed,
                ..
            }
        ));
        assert_eq!(host.is(), ["new", "new", "new"]);

        host.release(3, "newer", ActionKind::Test);
        deploy(host, "newer", &["--test"]).unwrap().good();
        assert_eq!(host.is(), ["newer", "new", "new"]);
        host.release(4, "healthy", ActionKind::Boot);
        deploy(host, "healthy", &["--boot"]).unwrap().good();
        assert_eq!(host.is(), ["newer", "new", "healthy"]);
        let refused = deploy(host, "old", &[]).unwrap();
        assert!(refused.stderr.contains("refused on-trial"), "{refused:?}");
    });
}

#[test]
fn nix_copies_what_is_signed_and_nothing_else() {
    in_a_host_of_its_own("nix_copies_what_is_signed_and_nothing_else", |host| {
        let cache = "file:///nix/test/cache";
        let nix = "/nix/test/bin/nix";
        for name in ["newer", "with-dependency"] {
            let (profile, toplevel) = (host.profile(name), host.toplevel(name));
            support::run(nix, &["copy", "--to", cache, profile.as_str()]);
            support::run(
                "/nix/test/bin/nix-store",
                &["--delete", profile.as_str(), toplevel.as_str()],
            );
            for door in ["ssh", "ssh-ng"] {
                let mut copy = client(nix);
                copy.args(["copy", "--no-check-sigs", "--from", cache, "--to"]);
                copy.args([&format!("{door}://deploy@127.0.0.1"), profile.as_str()]);
                let copied = answer(copy, "");
                let there = toplevel.as_path().exists();
                if name == "newer" {
                    assert!(there && copied.code == Some(0), "{door}: {copied:?}");
                } else {
                    assert!(!there && copied.code != Some(0), "{door}: {copied:?}");
                    assert!(copied.stderr.contains("signature"), "{door}: {copied:?}");
                }
            }
        }
        host.release(1, "newer", ActionKind::Switch);
        host.deploys("newer");
    });
}

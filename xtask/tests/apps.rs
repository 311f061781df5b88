//! What `nix run .#deploy` starts: the real script, with a program in xtask's place that says what it was called with.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{nix, repository, skip, transcript, Nix};

/// Builds the app in the rehearsal stage; its own programs are those in `crates`.
fn program(nix: &Nix, crates: &Path) -> PathBuf {
    let stand_in = format!("path:{}", repository().join("nix/rehearsal").display());
    let crates = format!("path:{}", crates.display());
    let flake = format!("git+file://{}", repository().display());
    let run = |args: &[&str]| {
        let mut command = nix.command();
        command.args(args).arg("--no-write-lock-file");
        for input in ["nixpkgs", "deploy-rs", "sops-nix"] {
            command.args(["--override-input", input, &stand_in]);
            command.args(["--override-input", &format!("{input}/crates"), &crates]);
        }
        command.args([
            "--option",
            "sandbox",
            "false",
            "--option",
            "build-users-group",
            "",
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let attribute = format!("{flake}#apps.x86_64-linux.deploy.program");
    let program = run(&["eval", "--raw", &attribute]);
    // With the derivations behind it.
    let deriver = run(&[
        "eval",
        "--raw",
        &attribute,
        "--apply",
        "program: builtins.head (builtins.attrNames (builtins.getContext program))",
    ]);
    run(&["build", "--no-link", &format!("{deriver}^*")]);
    program.into()
}

#[test]
fn the_deploy_app_is_xtask_in_the_stage_that_it_was_made_in() {
    let Some(nix) = nix() else { return };
    if !cfg!(target_arch = "x86_64") {
        return skip("the app of another system is built elsewhere");
    }
    let crates = tempfile::tempdir().unwrap();
    let bin = crates.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["xtask", "slipway-guard"] {
        let file = bin.join(name);
        std::fs::write(&file, "#!/bin/sh\necho \"$*\"\n").unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let program = program(&nix, crates.path());
    let called = |args: &[&str]| {
        let output = Command::new(&program).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.code(), said)
    };
    let deploys = |line: &str| (Some(0), format!("--stage rehearsal deploy {line}"));
    assert_eq!(called(&["Niko"]), deploys("Niko --action switch"));
    assert_eq!(called(&["Niko", "test"]), deploys("Niko --action test"));
    assert_eq!(
        called(&["Niko", "boot", "--local", "--plan"]),
        deploys("Niko --action boot --local --plan")
    );
    assert_eq!(
        called(&["Niko", "--yes"]),
        deploys("Niko --action switch --yes")
    );
    for wrong in [&[][..], &["--help"], &["Niko", "dance"]] {
        assert_eq!(called(wrong), (Some(2), String::new()), "{wrong:?}");
    }
}

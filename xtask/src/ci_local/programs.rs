//! The xtask that workflows run in the rehearsal stage, which has no Rust of its own: that of the commit, compiled once,
//! and named as `nix run` takes it. In stage nixos it is the flake's own package.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::cache_dir::CacheDir;
use crate::report;
use crate::tools::cargo;
use crate::tools::git::Git;
use crate::tools::nix::Nix;

/// The variable by which workflows name it.
pub const VARIABLE: &str = "SLIPWAY_XTASK";

/// What xtask is compiled from.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "xtask",
    "guard",
    "harness",
    "nix/rehearsal",
    "tests/machine",
    "tests/generations/guard.nix",
    "tests/nixos/capabilities.toml",
];

/// A flake whose app is the checkout's xtask.
///
/// # Errors
/// If it does not compile, or the store cannot be written.
pub async fn flake(checkout: &Git, cache: &CacheDir, nix: &Nix, system: &str) -> Result<String> {
    let kept = cache.ci_local().join("programs").join(key(checkout).await?);
    let program = kept.join("xtask");
    if !program.exists() {
        compile(checkout.root(), cache, &program).await?;
    }
    // Again in each run: a collection of the store may have taken it.
    let stored = nix
        .command(["store", "add", "--name", "xtask"])
        .arg(&program)
        .success()
        .await
        .context("cannot put xtask into the store")?;
    let folder = kept.join("flake");
    let text = flake_text(system, stored.text().trim());
    crate::whole_file::write(&folder.join("flake.nix"), text)
        .with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(format!("path:{}", folder.display()))
}

/// The same for checkouts whose sources are the same.
async fn key(checkout: &Git) -> Result<String> {
    let tree = checkout.tree().await?;
    let mut hash = Sha256::new();
    for source in SOURCES {
        let object = checkout.object(&tree, source).await?;
        hash.update(format!("{source} {}\n", object.unwrap_or_default()));
    }
    Ok(format!("{:x}", hash.finalize())[..32].to_owned())
}

async fn compile(source: &Path, cache: &CacheDir, program: &Path) -> Result<()> {
    let target = cache.ci_local().join("target");
    report::say(
        "ci-local: compiling the xtask of this commit, for all jobs of this and later runs",
    );
    cargo::build("xtask")
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(source)
        .success()
        .await
        .context("cannot compile the xtask of this commit")?;
    let built: PathBuf = target.join("debug/xtask");
    let folder = program.parent().unwrap_or(Path::new("."));
    let place = || {
        std::fs::create_dir_all(folder)?;
        let new = folder.join(".xtask.part");
        std::fs::copy(&built, &new)?;
        std::fs::rename(&new, program)
    };
    place().with_context(|| format!("cannot keep {}", program.display()))
}

fn flake_text(system: &str, program: &str) -> String {
    format!(
        "{{\n  outputs = _: {{\n    apps.{system:?}.default = {{\n      type = \"app\";\n      program = {program:?};\n    }};\n  }};\n}}\n"
    )
}

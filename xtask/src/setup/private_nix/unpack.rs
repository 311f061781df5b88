//! From Debian's packages to a program that runs from the cache with the libraries that it came with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Cpu, Suite};
use crate::process::Command;
use crate::report::progress::Progress;
use crate::setup::install::{failed_step, Install};
use crate::tools::apt;
use crate::tools::version::Version;

/// Unpacks the packages below a folder that is not yet the tool's place.
pub async fn unpack(
    install: &Install,
    suite: Suite,
    archives: &[PathBuf],
    live: bool,
) -> Result<PathBuf> {
    let root = install.fresh("root")?;
    let what = format!("unpack the Nix of Debian {}", suite.name());
    let mut progress = Progress::start(live, "setup: unpacking");
    for (index, archive) in archives.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)] // A hundred packages.
        let percent = 100.0 * index as f32 / archives.len() as f32;
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        progress.at(percent, &name);
        let output = apt::unpack(archive, &root).capture().await?;
        if !output.status.success() {
            let what = format!("{what}: {name}");
            return Err(failed_step(&what, install.place(), &output, &output.stderr).into());
        }
    }
    // A quarter of it is documentation that nobody looks for here.
    let share = root.join("usr/share");
    std::fs::remove_dir_all(&share)
        .with_context(|| format!("cannot remove {}", share.display()))?;
    Ok(root)
}

/// Makes the program run with the libraries that it came with, once it is in its place.
///
/// Only `nix` itself is changed: a patched libc no longer works, and the libraries find each other through the
/// program's RPATH (not RUNPATH, which does not reach what libraries load).
pub async fn make_runnable(root: &Path, place: &Path, cpu: Cpu) -> Result<()> {
    with_own_libraries(root, cpu, "patchelf")
        .arg("--set-interpreter")
        .arg(place.join(cpu.loader))
        .arg("--force-rpath")
        .arg("--set-rpath")
        .arg(place.join(cpu.libraries))
        .arg(root.join("usr/bin/nix"))
        .success()
        .await
        .context("cannot make the private Nix find its libraries")?;
    // A folder of its own for PATH: the prefix has a curl, a perl and others that would hide the machine's.
    let bin = root.join("bin");
    std::fs::create_dir(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    for entry in std::fs::read_dir(root.join("usr/bin"))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text == "nix" || text.starts_with("nix-") {
            std::os::unix::fs::symlink(Path::new("../usr/bin/nix"), bin.join(&name))
                .with_context(|| format!("cannot link {}", bin.join(&name).display()))?;
        }
    }
    Ok(())
}

/// The version that the unpacked program says it has; proof that it starts.
pub async fn first_run(root: &Path, cpu: Cpu) -> Result<Version> {
    let output = with_own_libraries(root, cpu, "nix")
        .arg("--version")
        .success()
        .await
        .context("the private Nix does not start")?;
    let text = output.text();
    Version::find(&text).with_context(|| format!("the private Nix has no version: {text}"))
}

/// A program below `root`, started by the loader below `root`.
fn with_own_libraries(root: &Path, cpu: Cpu, program: &str) -> Command {
    Command::new(root.join(cpu.loader))
        .arg("--library-path")
        .arg(root.join(cpu.libraries))
        .arg(root.join("usr/bin").join(program))
}

//! Debian packages on the machine itself: by apt as root, else the command to type.

use std::path::Path;

use anyhow::Result;

use super::install::failed_step;
use super::machine;
use crate::cli::Global;
use crate::failure::Failure;
use crate::process::{last_lines, Command, Output};
use crate::report::{self, progress::Progress};
use crate::tools::apt;

/// The command that a person types.
pub fn command_line(packages: &[&str]) -> String {
    let sudo = if machine::is_root() { "" } else { "sudo " };
    format!("{sudo}apt-get install {}", packages.join(" "))
}

/// Whether `install` would not stop at a person.
pub fn installs_itself() -> bool {
    machine::is_root() && machine::distribution().is_debian && which::which("apt-get").is_ok()
}

/// Installs packages that are missing; `why` names what is missing and what for.
///
/// # Errors
/// Missing, with the command to type, where it may not or cannot.
pub async fn install(global: &Global, packages: &[&str], why: &str) -> Result<()> {
    let distribution = machine::distribution();
    if !distribution.is_debian || which::which("apt-get").is_err() {
        return Err(
            Failure::missing(format!("{why}, and {} is no Debian", distribution.name))
                .try_next(format!(
                    "install it with the tools of your system; Debian's packages are {}",
                    packages.join(", ")
                ))
                .into(),
        );
    }
    let by_hand = command_line(packages);
    if global.no_setup {
        return Err(
            Failure::missing(format!("{why}, and --no-setup forbids to install it"))
                .try_next(by_hand)
                .into(),
        );
    }
    if !machine::is_root() {
        return Err(
            Failure::missing(format!("{why}, and only root can install it"))
                .try_next(by_hand)
                .into(),
        );
    }
    let names = packages.join(" ");
    report::say(&format!(
        "setup: {why}: installing Debian's {names} on this machine, from its own apt sources"
    ));
    let what = format!("install Debian's {names}");
    let live = report::live(global.plain);
    run(apt::machine_update(), &what, live).await?;
    run(apt::machine_install(packages), &what, live).await
}

async fn run(command: Command, what: &str, live: bool) -> Result<()> {
    let output = with_progress(command, live, "setup: apt").await?;
    if output.status.success() {
        return Ok(());
    }
    // What a package's own script says is on stdout, and the reason is often there.
    let said = last_lines(&output.text(), 5);
    let talk = format!("{said}\n{}", apt::talk(&output.stderr));
    Err(failed_step(what, Path::new("/"), &output, &talk).into())
}

/// Runs an apt to its end, and shows how far it is.
///
/// # Errors
/// If it cannot be started.
pub async fn with_progress(command: Command, live: bool, title: &str) -> Result<Output> {
    let mut progress = Progress::start(live, title);
    command
        .stream(|line| {
            if let Some((percent, detail)) = apt::progress(line) {
                progress.at(percent, detail);
            }
        })
        .await
}

//! Prometheus with Alertmanager, node exporter and their tools, for the tests of alerts: unpacked from Debian 13.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::found::{Found, PROMTOOL};
use super::install::Install;
use super::unpacked::{Packages, Unpacked};
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::failure::Failure;
use crate::report;

const PROGRAM: &str = "usr/bin/promtool";

const PACKAGES: Packages = Packages {
    name: "Prometheus",
    short: "Prometheus",
    tool: "monitoring-trixie",
    suite: "trixie",
    check_valid_until: true,
    packages: &[
        "prometheus",
        "prometheus-alertmanager",
        "prometheus-node-exporter",
    ],
    programs: &[
        PROGRAM,
        "usr/bin/amtool",
        "usr/bin/prometheus",
        "usr/bin/prometheus-alertmanager",
        "usr/bin/prometheus-node-exporter",
    ],
    // The rest of usr/share is Alertmanager's own texts.
    unused: &["usr/share/doc", "usr/share/man", "usr/share/locale"],
    needed_mib: 700,
    instead: "install Prometheus yourself; docs/monitoring.md says what its tools are for",
};

/// The folder with `usr/bin/promtool` and the others.
///
/// # Errors
/// Missing, naming the cure, if it is not here and may or can not be installed.
pub async fn prometheus(global: &Global) -> Result<PathBuf> {
    let cache = CacheDir::find()?;
    let place = cache.tool(PACKAGES.tool);
    if !place.exists() && global.no_setup {
        return Err(Failure::missing(
            "no Prometheus: none installed by `cargo xtask setup`, and --no-setup forbids it",
        )
        .try_next("cargo xtask setup prometheus")
        .into());
    }
    if let Some(install) = Install::begin(&cache, PACKAGES.tool).await? {
        let why = "alerts are tested with Prometheus: installing a private one, nothing outside the cache is touched";
        let live = report::live(global.plain);
        let unpacked = PACKAGES.unpack(&install, &cache, why, live).await?;
        starts(&unpacked).await?;
        install.finish(&unpacked.root)?;
    }
    Ok(place)
}

async fn starts(unpacked: &Unpacked) -> Result<()> {
    let version = unpacked.command(PROGRAM).arg("--version");
    version
        .success()
        .await
        .context("the private promtool does not start")?;
    Ok(())
}

/// The promtool in the cache, for doctor.
///
/// # Errors
/// If it is there and cannot be started.
pub async fn find(cache: &CacheDir) -> Result<Found> {
    PROMTOOL
        .find_at(cache.tool(PACKAGES.tool).join(PROGRAM))
        .await
}

/// Whether this machine has what an installation needs.
///
/// # Errors
/// Missing, naming the cure, if it has not.
pub fn possible(cache: &CacheDir) -> Result<(), Failure> {
    PACKAGES.possible(cache)
}

//! What there is to know of the host at one moment, as samples.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;

use super::text::Sample;
use super::{Cache, Settings};
use crate::answer::{Activation, Event};
use crate::history::History;
use crate::process::{Exit, Program};
use crate::state::{State, Store};
use crate::store_path::StorePath;
use crate::time::Time;
use crate::toplevels::{reboot_reasons, Toplevels};

/// Entries of the record among which the last deployment is looked for.
const ENTRIES: usize = 200;

/// The toplevels of one look: each link is read once, so that all samples say the same.
struct Look {
    running: Option<StorePath>,
    booted: Option<StorePath>,
    boot_default: Option<StorePath>,
}

/// # Errors
/// If the guard's state is there and cannot be read.
pub fn collect(settings: &Settings, now: Time) -> Result<Vec<Sample>> {
    let toplevels = settings.toplevels();
    let look = Look {
        running: toplevels.running(),
        booted: toplevels.booted(),
        // A loader that cannot be asked leaves its samples out, and the others are still told.
        boot_default: toplevels.boot_default().unwrap_or_else(|error| {
            eprintln!("cannot ask for the boot default: {error:#}");
            None
        }),
    };
    let folder = &settings.places.state;
    let state = match folder.exists() {
        true => Some(Store::open(folder)?.read()?),
        false => None,
    };
    let mut samples = generations(&toplevels, &look, now);
    samples.extend(reboot(&look, state.as_ref()));
    samples.extend(test(settings, &look, state.as_ref()));
    samples.extend(systems(&look, state.as_ref()));
    samples.push(Sample::new("nixos_guard", state.is_some().into()));
    if let Some(state) = &state {
        samples.extend(releases(&look, state));
        let last = last_deployment(&History::new(folder))?;
        samples.extend(last.iter().flat_map(deployment));
    }
    samples.extend(settings.cache.as_ref().map(cache));
    Ok(samples)
}

fn generations(toplevels: &Toplevels, look: &Look, now: Time) -> Vec<Sample> {
    let of = |toplevel: &Option<StorePath>| toplevels.generation_of(toplevel.as_ref()?);
    let named = [
        ("nixos_current_generation", &look.running),
        ("nixos_boot_generation", &look.boot_default),
        ("nixos_booted_generation", &look.booted),
    ];
    let mut samples: Vec<Sample> = named
        .into_iter()
        .filter(|(_, toplevel)| toplevel.is_some())
        .map(|(name, toplevel)| Sample::new(name, of(toplevel).map_or(0, |(number, _)| number)))
        .collect();
    let link = of(&look.running).map(|(_, link)| link);
    let since = made(link.as_deref().unwrap_or(&toplevels.places.running));
    let age = since.map(|since| now.since(since).as_secs());
    samples.extend(age.map(|age| Sample::new("nixos_config_age_seconds", age)));
    samples
}

/// When a link itself was made.
fn made(link: &Path) -> Option<Time> {
    let modified = std::fs::symlink_metadata(link).ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    Some(Time::from_unix(since.as_secs()))
}

/// As `cargo xtask reboot` has it: a guard judges what runs; on a host without one it is what would boot, since nothing
/// else tells of a boot deployment that waits.
fn reboot(look: &Look, state: Option<&State>) -> Vec<Sample> {
    let configured = match state {
        Some(_) => &look.running,
        None => &look.boot_default,
    };
    let (Some(booted), Some(configured)) = (&look.booted, configured) else {
        return Vec::new();
    };
    let mut reasons = reboot_reasons(booted, configured);
    let trial = state.and_then(|state| state.trial.as_ref());
    if trial.is_some_and(|trial| !trial.booted) {
        reasons.push("boot-pending".to_owned());
    }
    let required = Sample::new("nixos_reboot_required", (!reasons.is_empty()).into());
    let reason = |reason| Sample::new("nixos_reboot_reason", 1).label("reason", reason);
    std::iter::once(required)
        .chain(reasons.into_iter().map(reason))
        .collect()
}

/// A guard knows of its own tests. Any other shows itself: what runs neither booted nor would boot.
fn test(settings: &Settings, look: &Look, state: Option<&State>) -> Vec<Sample> {
    let own = state.and_then(|state| state.test.as_ref());
    let busy = state.is_some_and(|state| state.current.is_some() || state.trial.is_some());
    let apart = look.boot_default.is_some()
        && look.running != look.boot_default
        && look.running != look.booted
        && !busy;
    let until = match own {
        Some(test) => Some(test.until),
        None if apart => made(&settings.places.running)
            .map(|since| since.plus(Duration::from_secs(settings.test_lease_seconds))),
        None => None,
    };
    let is_test = own.is_some() || apart;
    let until = until.map(|until| Sample::new("nixos_test_activation_until_seconds", until.unix()));
    std::iter::once(Sample::new("nixos_test_activation", is_test.into()))
        .chain(until)
        .collect()
}

fn systems(look: &Look, state: Option<&State>) -> Vec<Sample> {
    let roles = [
        ("running", &look.running),
        ("boot", &look.boot_default),
        ("booted", &look.booted),
    ];
    let info = |(role, toplevel): (&str, &Option<StorePath>)| {
        let toplevel = toplevel.as_ref()?;
        let release = state.and_then(|state| state.release_of(toplevel));
        let revision = release.map_or("", |release| release.commit.as_str());
        // A toplevel without the file says nothing of its version.
        let version = std::fs::read_to_string(toplevel.join("nixos-version")).unwrap_or_default();
        Some(
            Sample::new("nixos_system_info", 1)
                .label("role", role)
                .label("toplevel", toplevel.as_str())
                .label("version", version.trim())
                .label("revision", revision),
        )
    };
    roles.into_iter().filter_map(info).collect()
}

fn releases(look: &Look, state: &State) -> [Sample; 2] {
    let confirmed = state.confirmed.iter();
    let newest = confirmed.filter_map(|known| Some(known.release.as_ref()?.counter));
    let running = look.running.as_ref().and_then(|it| state.release_of(it));
    [
        Sample::new("nixos_release_counter", newest.max().unwrap_or(0)),
        Sample::new(
            "nixos_running_release_counter",
            running.map_or(0, |release| release.counter),
        ),
    ]
}

/// The newest that somebody asked for and that changed, or was to change, the host.
fn last_deployment(history: &History) -> Result<Option<Activation>> {
    let entries = history.newest(ENTRIES)?.into_iter();
    Ok(entries
        .filter_map(|entry| match entry.event {
            Event::Activation { activation } => Some(activation),
            _ => None,
        })
        .find(|activation| activation.purpose.is_deployment() && activation.ended.is_some()))
}

fn deployment(activation: &Activation) -> Vec<Sample> {
    let Some(ended) = &activation.ended else {
        return Vec::new();
    };
    let commit = activation.release.as_ref().map(|it| it.commit.clone());
    vec![
        Sample::new(
            "nixos_deployment_last_success",
            ended.outcome.is_success().into(),
        ),
        Sample::new("nixos_deployment_last_time_seconds", ended.at.unix()),
        Sample::new("nixos_deployment_last_info", 1)
            .label("purpose", activation.purpose.as_str())
            .label("outcome", ended.outcome.as_str())
            .label("commit", commit.unwrap_or_default()),
    ]
}

/// Asks the cache what every client asks first.
fn cache(cache: &Cache) -> Sample {
    let seconds = cache.timeout.to_string();
    let asked = Program::new(&cache.curl)
        .args(["--silent", "--fail", "--max-time", &seconds, "--"])
        .args([format!(
            "{}/nix-cache-info",
            cache.url.trim_end_matches('/')
        )])
        .within(Duration::from_secs(cache.timeout + 5))
        .capture();
    let up = match asked {
        Ok(asked) => asked.exit == Exit::Code(0) && asked.stdout.starts_with(b"StoreDir:"),
        Err(error) => {
            eprintln!("cannot ask the cache: {error:#}");
            false
        }
    };
    Sample::new("nixos_cache_up", up.into()).label("url", &cache.url)
}

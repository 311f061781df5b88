//! Switching machines off: as a person would, and by pulling the plug of one that does not go.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use super::name::{nothing_to_stop, Name};
use super::place::{Place, State};
use super::wire::{Answer, Ask, Line};
use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::report;

/// The holder gives its guest a minute and a half; a minute of the guest is longer on a slow machine.
const CLEANLY: Duration = Duration::from_secs(240);
/// A holder that was killed is gone at once.
const KILLED: Duration = Duration::from_secs(10);

/// Stops these machines, or all that run.
///
/// # Errors
/// Usage, if one of them does not run; the others are stopped all the same.
pub async fn stop(wanted: &[String]) -> Result<()> {
    let cache = CacheDir::find()?;
    let running = Place::running(&cache)?;
    let names: Vec<Name> = running.iter().map(|state| state.name.clone()).collect();
    let mut failure = None;
    let mut chosen = Vec::new();
    for text in wanted {
        let name = Name::parse(text);
        match running.iter().find(|state| state.name == name) {
            Some(state) => chosen.push(state.clone()),
            None => failure = Some(nothing_to_stop(&name, &names)),
        }
    }
    if wanted.is_empty() {
        chosen = running;
        if chosen.is_empty() {
            report::say("no machine runs");
        }
    }
    let mut stopping = tokio::task::JoinSet::new();
    for state in chosen {
        let place = Place::of(&cache, &state.name);
        stopping.spawn_blocking(move || stop_one(&place, &state));
    }
    while let Some(stopped) = stopping.join_next().await {
        match stopped? {
            Ok(words) => report::say(&words),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

fn stop_one(place: &Place, state: &State) -> Result<String, Failure> {
    let ask = Ask::Stop { hard: state.copy };
    let answer = Line::connect(state).and_then(|mut line| line.ask(&ask, state.host_time(CLEANLY)));
    let words = match answer {
        Ok(Answer::Stopped { forced: None }) => off(state),
        Ok(Answer::Stopped { forced: Some(why) }) => {
            format!("{}\nit did not go cleanly: {why}", off(state))
        }
        Ok(_) => killed(state, "its holder answered something else"),
        Err(error) => killed(state, &format!("{error:#}")),
    };
    if wait_gone(place) {
        return Ok(words);
    }
    Err(Failure::failed(format!(
        "process {}, which holds {}, does not end",
        state.pid, state.name
    ))
    .try_next(format!("kill -KILL {}", state.pid)))
}

fn off(state: &State) -> String {
    let name = &state.name;
    match state.copy {
        true => format!("{name} is off; what was kept is as it was"),
        false => format!("{name} is off; its disk is kept: cargo xtask vm start {name}"),
    }
}

/// Its QEMU ends with it.
fn killed(state: &State, why: &str) -> String {
    // One that has ended by itself is gone, which is what is wanted.
    let _ = kill(Pid::from_raw(state.pid), Signal::SIGKILL);
    format!("{}\nits holder was killed: {why}", off(state))
}

fn wait_gone(place: &Place) -> bool {
    let started = Instant::now();
    while started.elapsed() < KILLED {
        if !place.is_taken().unwrap_or(true) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

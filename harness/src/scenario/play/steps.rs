//! One step after the other: what each verb does to the machines, and what is looked at.

use std::time::{Duration, Instant};

use super::install::wait_settled;
use super::outcome::{StepOutcome, StepResult};
use super::points;
use super::running;
use super::stage::Stage;
use super::verdict::{as_meant, Trouble};
use crate::error::{Error, ErrorKind};
use crate::machine::{Cable, Exec, Nic};
use crate::network::Condition;
use crate::patience::Patience;
use crate::scenario::{Disk, Fact, Network, Place, Point, Sight, Step, Verb};

/// Plays one step; the outcome says when and for how long, the trouble why it failed.
pub(super) fn play_step(
    stage: &mut Stage,
    step: &Step,
    began: Instant,
) -> (StepOutcome, Option<Trouble>) {
    let started = Instant::now();
    let mut outcome = StepOutcome {
        name: step.name.clone(),
        result: StepResult::Passed,
        began: began.elapsed().as_secs_f64(),
        seconds: 0.0,
        fault: None,
        then: Vec::new(),
    };
    stage
        .run
        .transcript()
        .note("play", format!("step `{}`", step.name));
    let result = act(stage, step, &mut outcome);
    let trouble = as_meant(step.fails.as_deref(), result).err();
    outcome.seconds = started.elapsed().as_secs_f64();
    if trouble.is_some() {
        outcome.result = StepResult::Failed;
    }
    let said = match &trouble {
        None => "passed".to_owned(),
        Some(Trouble::Failed {
            expected, found, ..
        }) => {
            format!("failed: expected {expected}; found {found}")
        }
        Some(Trouble::NotDone {
            expected, error, ..
        }) => {
            format!("failed: expected {expected}; found {error}")
        }
        Some(Trouble::Broken(error)) => format!("could not be played: {error}"),
    };
    stage.run.transcript().note(
        "play",
        format!("`{}` {}", step.name, said.replace('\n', " / ")),
    );
    (outcome, trouble)
}

fn act(stage: &mut Stage, step: &Step, outcome: &mut StepOutcome) -> Result<(), Trouble> {
    let within = Duration::from_secs(step.within);
    match &step.verb {
        Verb::Run(run) => running::run(stage, run, within, outcome),
        Verb::Wait(point) => wait(stage, point, within),
        Verb::State(wanted) => {
            let wanted: Vec<(&str, &[Fact])> = wanted
                .iter()
                .map(|(machine, facts)| (machine.as_str(), facts.as_slice()))
                .collect();
            state(stage, &wanted, within)
        }
        verb => fault(stage, verb, within),
    }
}

/// The machine that a step is about, if it is about one.
pub(super) fn machine_of(verb: &Verb) -> Option<&str> {
    match verb {
        Verb::Reboot(on)
        | Verb::PowerCut(on)
        | Verb::PowerOn(on)
        | Verb::Freeze(on)
        | Verb::Thaw(on)
        | Verb::Network { on, .. }
        | Verb::Disk { on, .. }
        | Verb::Clock { on, .. }
        | Verb::Kill {
            on: Place::Machine(on),
            ..
        }
        | Verb::Wait(Point::Seen {
            on: Place::Machine(on),
            ..
        }) => Some(on),
        Verb::State(wanted) => wanted.keys().next().map(String::as_str),
        Verb::Run(run) => match &run.by {
            crate::scenario::RunBy::User { machine, .. } => Some(machine),
            crate::scenario::RunBy::Controller => None,
        },
        Verb::Kill { .. } | Verb::Wait(_) => None,
    }
}

fn wait(stage: &Stage, point: &Point, within: Duration) -> Result<(), Trouble> {
    let Point::Seen { on, sight } = point else {
        return Err(Trouble::Broken(Error::new(
            ErrorKind::State,
            "`output` and `after` can only be waited for while a command runs",
        )));
    };
    let machine = match on {
        Place::Machine(name) => Some(name.as_str()),
        Place::Controller => None,
    };
    let expected = format!("{} within {} s", points::words(sight), within.as_secs());
    let sight = points::filled(stage, sight).map_err(Trouble::Broken)?;
    let patience = patience(stage, machine, within);
    loop {
        match points::is_there(stage, on, &sight) {
            Ok(true) => return Ok(()),
            Ok(false) => (),
            Err(error) if is_passing(&error) && !patience.is_over() => (),
            Err(error) => return Err(Trouble::of(machine, expected, error)),
        }
        if patience.is_over() {
            return Err(Trouble::Failed {
                machine: machine.map(str::to_owned),
                expected,
                found: not_there(&sight),
            });
        }
        patience.pause();
    }
}

fn not_there(sight: &Sight) -> String {
    match sight {
        Sight::NoFile(_) => "it was there all the time".to_owned(),
        _ => "it was not there".to_owned(),
    }
}

/// All facts of all machines at one time.
fn state(stage: &Stage, wanted: &[(&str, &[Fact])], within: Duration) -> Result<(), Trouble> {
    let first = wanted.first().map(|(machine, _)| *machine);
    let patience = patience(stage, first, within);
    loop {
        let wrong = wanted
            .iter()
            .find_map(|(machine, facts)| state_of(stage, machine, facts).err());
        let Some(trouble) = wrong else {
            return Ok(());
        };
        let (trouble, is_passing) = trouble;
        if patience.is_over() || !is_passing {
            return Err(trouble);
        }
        patience.pause();
    }
}

/// What is wrong with one machine, and whether it may still become right.
fn state_of(stage: &Stage, machine: &str, facts: &[Fact]) -> Result<(), (Trouble, bool)> {
    let findings = stage
        .look(machine)
        .and_then(|look| look.at(facts))
        .map_err(|error| {
            let passing = is_passing(&error);
            (Trouble::of(Some(machine), "an answer", error), passing)
        })?;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.holds).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let list = |of: &dyn Fn(&super::facts::Finding) -> &str| {
        wrong
            .iter()
            .map(|finding| of(finding))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let trouble = Trouble::Failed {
        machine: Some(machine.to_owned()),
        expected: format!("{machine}: {}", list(&|finding| &finding.expected)),
        found: list(&|finding| &finding.found),
    };
    Err((trouble, true))
}

/// Whether the next question may be answered though this one was not.
fn is_passing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::Refused | ErrorKind::Command
    )
}

pub(super) fn patience(stage: &Stage, machine: Option<&str>, within: Duration) -> Patience {
    let pid = match machine {
        Some(name) => stage.machines.get(name).and_then(|machine| machine.pid()),
        // Whoever waits on the controller waits for a machine.
        None => stage.machines.values().find_map(|machine| machine.pid()),
    };
    Patience::new(within, stage.scale, pid)
}

/// Whatever is done to a machine, and in time.
fn fault(stage: &mut Stage, verb: &Verb, within: Duration) -> Result<(), Trouble> {
    let name = machine_of(verb);
    let done = inflict(stage, verb, within).and_then(|clock| in_time(&clock));
    let expected = || format!("it to be done within {} s", within.as_secs());
    done.map_err(|error| Trouble::of(name, expected(), error))
}

fn in_time(clock: &Patience) -> crate::Result<()> {
    match clock.is_over() {
        false => Ok(()),
        true => Err(Error::new(
            ErrorKind::TimedOut,
            format!(
                "it took longer ({:.1} s on this host)",
                clock.elapsed().as_secs_f64()
            ),
        )),
    }
}

/// Gives the clock of it, which has begun when it had: the wait for a place for a boot does not count.
fn inflict(stage: &Stage, verb: &Verb, within: Duration) -> crate::Result<Patience> {
    let clock = patience(stage, machine_of(verb), within);
    match verb {
        Verb::Reboot(on) => {
            let machine = stage.machine(on)?;
            let clock = machine.reboot_within(within)?;
            wait_settled(machine, clock.left_to_guest())?;
            return Ok(clock);
        }
        Verb::PowerOn(on) => {
            let machine = stage.machine(on)?;
            let clock = machine.power_on_until_up(within)?;
            wait_settled(machine, clock.left_to_guest())?;
            return Ok(clock);
        }
        Verb::PowerCut(on) => stage.machine(on)?.power_cut()?,
        Verb::Freeze(on) => {
            let machine = stage.machine(on)?;
            require_frozen(on, machine.is_frozen()?, false)?;
            machine.freeze()?;
        }
        Verb::Thaw(on) => {
            let machine = stage.machine(on)?;
            require_frozen(on, machine.is_frozen()?, true)?;
            machine.thaw()?;
        }
        Verb::Network { on, condition } => network(stage, on, condition)?,
        Verb::Disk { on, at, condition } => {
            let machine = stage.machine(on)?;
            match condition {
                Disk::Full => machine.fill_disk_within(at, within)?,
                Disk::Freed => machine.free_disk(at)?,
                Disk::ReadOnly => machine.make_read_only()?,
                Disk::Writable => machine.make_writable()?,
            }
        }
        Verb::Clock { on, seconds } => stage.machine(on)?.move_clock(*seconds)?,
        Verb::Kill {
            on,
            pattern,
            signal,
        } => kill(stage, on, &stage.fill(pattern)?, signal, within)?,
        Verb::Run(_) | Verb::Wait(_) | Verb::State(_) => (),
    }
    Ok(clock)
}

/// A machine is frozen once, and thawed once.
fn require_frozen(machine: &str, is_frozen: bool, wanted: bool) -> crate::Result<()> {
    if is_frozen == wanted {
        return Ok(());
    }
    let not = if is_frozen { "" } else { "not " };
    Err(Error::new(
        ErrorKind::State,
        format!("{machine} is {not}frozen"),
    ))
}

/// All cables of a machine, to the controller and to the others.
fn network(stage: &Stage, on: &str, condition: &Network) -> crate::Result<()> {
    let machine = stage.machine(on)?;
    let plug = |cable| {
        machine.plug(Nic::Control, cable)?;
        machine.plug(Nic::Lan, cable)
    };
    let lay = |condition| {
        machine.control_cable(condition)?;
        stage.lan.cable(on, condition)
    };
    match condition {
        Network::Unplugged => plug(Cable::Out),
        Network::Cut => lay(Condition::cut()),
        Network::Restored => {
            lay(Condition::default())?;
            plug(Cable::In)
        }
        Network::Shaped {
            delay_ms,
            loss,
            bytes_per_second,
        } => lay(Condition {
            cut: false,
            delay: Duration::from_millis(*delay_ms),
            loss: *loss,
            rate: *bytes_per_second,
        }),
    }
}

fn kill(
    stage: &Stage,
    on: &Place,
    pattern: &str,
    signal: &str,
    within: Duration,
) -> crate::Result<()> {
    let nobody = || {
        Error::new(
            ErrorKind::Command,
            format!("no process `{pattern}` to kill"),
        )
    };
    match on {
        Place::Machine(name) => {
            let signal = format!("-{signal}");
            let exec = Exec::new(["pkill", &signal, "-f", "--", pattern]).timeout(within);
            match stage.machine(name)?.exec(exec)?.success() {
                true => Ok(()),
                false => Err(nobody()),
            }
        }
        Place::Controller => {
            let signal = crate::process::signal(signal)?;
            let killed = stage
                .desk
                .processes(pattern)?
                .into_iter()
                .filter(|pid| crate::process::send(*pid, signal))
                .count();
            match killed {
                0 => Err(nobody()),
                _ => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longer_than_it_may_is_not_done() {
        let clock = |within| Patience::new(within, 1.0, None);
        assert!(in_time(&clock(Duration::from_secs(60))).is_ok());
        let late = clock(Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(5));
        let error = in_time(&late).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("it took longer"), "{error}");
    }

    #[test]
    fn a_machine_is_frozen_once_and_thawed_once() {
        assert!(require_frozen("Niko", false, false).is_ok());
        assert!(require_frozen("Niko", true, true).is_ok());
        let said = |is, wanted| require_frozen("Niko", is, wanted).unwrap_err().to_string();
        assert_eq!(said(true, false), "Niko is frozen");
        assert_eq!(said(false, true), "Niko is not frozen");
    }
}

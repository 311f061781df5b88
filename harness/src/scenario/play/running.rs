//! A command while it runs: its end and its output. What falls into it meanwhile is in `during`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::controller::Started;
use super::during::{watches, Fault};
use super::expect::{self, Ended};
use super::outcome::StepOutcome;
use super::stage::Stage;
use super::steps::patience;
use super::units;
use super::verdict::Trouble;
use crate::error::{ErrorKind, Result};
use crate::machine::{Exec, Machine, Running};
use crate::scenario::{Expect, Run, RunBy};

/// Runs the script $3 with its output in files: the agent itself tells of output only at the end.
const INTO_FILES: &str = r#"exec >"$1" 2>"$2"; exec /bin/sh -c "$3""#;

/// A command of the controller or of a machine.
pub(super) enum Live {
    Controller(Started),
    Machine {
        machine: Machine,
        running: Box<Running>,
        files: Option<(String, String)>,
    },
}

pub(super) fn run(
    stage: &mut Stage,
    run: &Run,
    within: Duration,
    outcome: &mut StepOutcome,
) -> std::result::Result<(), Trouble> {
    let command = stage.fill(&run.command).map_err(Trouble::Broken)?;
    let expect = filled(stage, &run.expect).map_err(Trouble::Broken)?;
    let on = match &run.by {
        RunBy::User { machine, .. } => Some(machine.as_str()),
        RunBy::Controller => None,
    };
    let trouble = |error| Trouble::of(on, "the command to run", error);
    let mut before = BTreeMap::new();
    for (machine, spoken_of) in &expect.units {
        let seen = stage
            .machine(machine)
            .and_then(|machine| units::look(machine, spoken_of));
        before.insert(machine.clone(), seen.map_err(trouble)?);
    }
    let mut watches = match &run.during {
        Some(during) => Some(watches(stage, during).map_err(trouble)?),
        None => None,
    };
    let patience = patience(stage, on, within);
    let mut live = start(stage, &run.by, &command, within, watches.is_some()).map_err(trouble)?;
    let began = Instant::now();
    if let (Some(during), Some((when, not))) = (&run.during, &mut watches) {
        let fault = Fault::of(during, when, not.as_mut(), began);
        fault.play(stage, &mut live, &patience, outcome)?;
    }
    let ended = loop {
        if let Some(ended) = live.ended().map_err(trouble)? {
            break ended;
        }
        if patience.is_over() {
            return Err(out_of_time(stage, live, on, within));
        }
        std::thread::sleep(Duration::from_millis(15));
    };
    if let Some(wrong) = expect::mismatch(&expect, &ended) {
        return Err(failed(on, wrong));
    }
    for (machine, spoken_of) in &expect.units {
        let after = stage
            .machine(machine)
            .and_then(|machine| units::look(machine, spoken_of))
            .map_err(trouble)?;
        let none = BTreeMap::new();
        let earlier = before.get(machine).unwrap_or(&none);
        let moved = units::moved(&stage.play.steps, machine);
        if let Some(wrong) = units::mismatch(spoken_of, &moved, earlier, &after) {
            return Err(failed(Some(machine), wrong));
        }
    }
    Ok(())
}

fn failed(machine: Option<&str>, wrong: expect::Mismatch) -> Trouble {
    Trouble::Failed {
        machine: machine.map(str::to_owned),
        expected: wrong.expected,
        found: wrong.found,
    }
}

fn filled(stage: &Stage, expect: &Expect) -> Result<Expect> {
    let all = |texts: &[String]| -> Result<Vec<String>> {
        texts.iter().map(|text| stage.fill(text)).collect()
    };
    let mut json = expect.json.clone();
    for value in json.values_mut() {
        if let serde_json::Value::String(text) = value {
            *text = stage.fill(text)?;
        }
    }
    Ok(Expect {
        exit: expect.exit.clone(),
        output: all(&expect.output)?,
        output_lacks: all(&expect.output_lacks)?,
        stdout: expect
            .stdout
            .as_ref()
            .map(|text| stage.fill(text))
            .transpose()?,
        json,
        units: expect.units.clone(),
    })
}

fn start(
    stage: &mut Stage,
    by: &RunBy,
    command: &str,
    within: Duration,
    into_files: bool,
) -> Result<Live> {
    let (name, user) = match by {
        RunBy::Controller => return Ok(Live::Controller(stage.desk.start(command)?)),
        RunBy::User { machine, user } => (machine, user),
    };
    let machine = stage.machine(name)?.clone();
    let files = into_files.then(|| {
        let at = format!("/tmp/harness-{}", stage.run.transcript().entries().len());
        (format!("{at}.stdout"), format!("{at}.stderr"))
    });
    let exec = match &files {
        Some((out, err)) => Exec::new(["/bin/sh", "-c", INTO_FILES, "run", out, err, command]),
        None => Exec::shell(command),
    };
    let exec = match user.as_str() {
        "root" => exec,
        user => exec.user(user),
    };
    let running = Box::new(machine.spawn(exec.timeout(within))?);
    Ok(Live::Machine {
        machine,
        running,
        files,
    })
}

impl Live {
    /// What it came to, once it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<Ended>> {
        match self {
            Self::Controller(started) => Ok(started.ended()?.map(|code| Ended {
                code: Some(code),
                stdout: started.stdout(),
                stderr: started.stderr(),
            })),
            Self::Machine {
                machine,
                running,
                files,
            } => {
                let output = match running.poll() {
                    Ok(None) => return Ok(None),
                    Ok(Some(output)) => output,
                    Err(error) => {
                        return match error.kind() {
                            // Off, panicked, or up again without it.
                            ErrorKind::State | ErrorKind::Panicked | ErrorKind::Command => {
                                Ok(Some(Ended {
                                    code: None,
                                    stdout: String::new(),
                                    stderr: error.to_string(),
                                }))
                            }
                            // Frozen, or busy with something else.
                            ErrorKind::TimedOut => Ok(None),
                            _ => Err(error),
                        };
                    }
                };
                let (stdout, stderr) = match files {
                    Some((out, err)) => (text(machine, out)?, text(machine, err)?),
                    None => (
                        String::from_utf8_lossy(&output.stdout).into_owned(),
                        output.stderr,
                    ),
                };
                Ok(Some(Ended {
                    code: Some(output.code),
                    stdout,
                    stderr,
                }))
            }
        }
    }

    /// What it has printed so far, both streams.
    pub(super) fn output(&self) -> Result<String> {
        match self {
            Self::Controller(started) => Ok(started.stdout() + &started.stderr()),
            Self::Machine {
                machine,
                files: Some((out, err)),
                ..
            } => Ok(text(machine, out)? + &text(machine, err)?),
            Self::Machine { files: None, .. } => Ok(String::new()),
        }
    }
}

fn text(machine: &Machine, file: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&machine.read_file(file)?).into_owned())
}

fn out_of_time(stage: &mut Stage, live: Live, on: Option<&str>, within: Duration) -> Trouble {
    // What it said is worth showing, and nothing more is lost if it cannot be had.
    let said = live.output().unwrap_or_default();
    match live {
        Live::Controller(started) => stage.desk.end(&started),
        Live::Machine {
            machine, running, ..
        } => {
            let kill = format!("kill -KILL {}", running.pid());
            // The time-out is the news; that the killing failed too is not.
            let _ = machine.spawn(Exec::shell(&kill));
        }
    }
    Trouble::Failed {
        machine: on.map(str::to_owned),
        expected: format!("an end within {} s", within.as_secs()),
        found: format!(
            "it still ran; its output ends in:\n{}",
            crate::process::last_lines(&said, 12)
        ),
    }
}

//! What a person needs to see of a failure: the step as written, expected and found, the ends of journal and console.
//! Also gathers the journals into the logs.

use super::outcome::Failure;
use super::stage::Stage;
use super::steps::machine_of;
use super::verdict::Trouble;
use crate::error::Error;
use crate::machine::{Exec, Machine};
use crate::scenario::{Play, RunBy, Step, Verb};

/// Lines of a machine's journal and console that are shown.
const SHOWN: usize = 15;
/// And lines of the journal that are kept in the logs.
const KEPT: usize = 5000;

/// The failure of a step.
pub(super) fn of_step(stage: &Stage, step: &Step, trouble: Trouble) -> Failure {
    let (about, expected, found, kind, next_step) = match trouble {
        Trouble::Failed {
            machine,
            expected,
            found,
        } => (machine, expected, found, None, None),
        Trouble::Broken(error) => (
            None,
            "the harness to be able to do it".to_owned(),
            error.to_string(),
            Some(error.kind()),
            error.next_step().map(str::to_owned),
        ),
    };
    let machine = about
        .or_else(|| machine_of(&step.verb).map(str::to_owned))
        .or_else(|| spoken_of(stage.play, step));
    let (journal, console) = machine
        .as_deref()
        .and_then(|name| stage.machines.get(name))
        .map_or_else(Default::default, |machine| {
            (journal(machine, SHOWN), machine.console_lines(SHOWN))
        });
    Failure {
        step: Some(step.name.clone()),
        place: format!("{}:{}", stage.play.file, step.line),
        written: step.written.clone(),
        expected,
        found,
        machine,
        journal,
        console,
        error: kind,
        next_step,
        kept: Vec::new(),
    }
}

/// A play that did not come as far as its first step.
pub(super) fn of_set_up(play: &Play, error: &Error) -> Failure {
    Failure {
        step: None,
        place: play.file.clone(),
        written: String::new(),
        expected: "machines that are up".to_owned(),
        found: error.to_string(),
        machine: None,
        journal: Vec::new(),
        console: Vec::new(),
        error: Some(error.kind()),
        next_step: error.next_step().map(str::to_owned),
        kept: Vec::new(),
    }
}

/// A play that ended otherwise than it should, without a step that says so.
pub(super) fn of_end(play: &Play, why: String) -> Failure {
    let error = Error::new(crate::ErrorKind::State, why);
    Failure {
        expected: "a failure where the control says".to_owned(),
        error: None,
        ..of_set_up(play, &error)
    }
}

/// The journals of all machines that can still be asked.
pub(super) fn keep_journals(stage: &Stage) {
    for (name, machine) in &stage.machines {
        let lines = journal(machine, KEPT).join("\n");
        let file = stage.run.logs().join(format!("{name}.journal"));
        // The failure is told already; one that cannot be kept in full is not worth another.
        let _ = std::fs::write(file, lines + "\n");
    }
}

fn journal(machine: &Machine, lines: usize) -> Vec<String> {
    let count = lines.to_string();
    let exec = Exec::new(["journalctl", "-q", "--no-pager", "-b", "-n", &count])
        .timeout(std::time::Duration::from_secs(20));
    match machine.exec(exec) {
        Ok(output) => output.text().lines().map(str::to_owned).collect(),
        Err(error) => vec![format!("({error})")],
    }
}

/// The machine whose name the command of the controller has in it; else the first one.
fn spoken_of(play: &Play, step: &Step) -> Option<String> {
    let names = || play.machines.keys();
    if let Verb::Run(run) = &step.verb {
        if run.by == RunBy::Controller {
            if let Some(name) = names().find(|name| run.command.contains(name.as_str())) {
                return Some(name.clone());
            }
        }
    }
    names().next().cloned()
}

//! What a person needs to see of a failure: the step as written, expected and found, the ends of journal and console.
//! Also gathers the journals into the logs.

use super::outcome::Failure;
use super::stage::Stage;
use super::steps::machine_of;
use super::verdict::Trouble;
use crate::error::{Error, ErrorKind};
use crate::machine::{Exec, Machine};
use crate::scenario::{Play, RunBy, Step, Verb};

/// Lines of a machine's journal and console that are shown.
const SHOWN: usize = 15;
/// And lines of the journal that are kept in the logs.
const KEPT: usize = 5000;

/// The failure of a step.
pub(super) fn of_step(stage: &Stage, step: &Step, trouble: Trouble) -> Failure {
    let Told {
        machine: about,
        expected,
        found,
        error: kind,
        next_step,
    } = told(trouble);
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

/// What a trouble has to say.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    machine: Option<String>,
    expected: String,
    found: String,
    error: Option<ErrorKind>,
    next_step: Option<String>,
}

fn told(trouble: Trouble) -> Told {
    match trouble {
        Trouble::Failed {
            machine,
            expected,
            found,
        } => Told {
            machine,
            expected,
            found,
            error: None,
            next_step: None,
        },
        Trouble::NotDone {
            machine,
            expected,
            error,
        } => Told {
            machine,
            expected,
            found: error.to_string(),
            error: None,
            next_step: error.next_step().map(str::to_owned),
        },
        Trouble::Broken(error) => Told {
            machine: None,
            expected: "the harness to be able to do it".to_owned(),
            found: error.to_string(),
            error: Some(error.kind()),
            next_step: error.next_step().map(str::to_owned),
        },
    }
}

/// Says besides why a machine that was to be kept is not.
pub(super) fn not_kept(failure: &mut Failure, why: &str) {
    failure.found = format!("{}\n{why}", failure.found);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ErrorKind, said: &str, next_step: &str) -> Told {
        let error = Error::new(kind, said).try_next(next_step);
        told(Trouble::of(
            Some("Niko"),
            "it to be done within 120 s",
            error,
        ))
    }

    #[test]
    fn a_guest_that_panics_or_hangs_is_told_with_its_machine_and_where_to_look() {
        for (kind, said) in [
            (ErrorKind::Panicked, "the kernel of Niko panicked: no init"),
            (ErrorKind::TimedOut, "the guest agent of Niko was not there"),
        ] {
            let told = of(kind, said, "read /logs/Niko.console");
            assert_eq!(told.machine.as_deref(), Some("Niko"));
            assert_eq!(told.expected, "it to be done within 120 s");
            assert_eq!(told.found, said);
            // Nothing is missing on this computer.
            assert_eq!(told.error, None);
            assert_eq!(told.next_step.as_deref(), Some("read /logs/Niko.console"));
        }
    }

    #[test]
    fn a_qemu_that_died_is_told_as_the_harness_own_trouble() {
        let said = "QEMU of Niko ended with 137: killed";
        let told = of(ErrorKind::MachineDied, said, "read /logs/Niko.qemu");
        assert_eq!(told.expected, "the harness to be able to do it");
        assert_eq!(told.found, said);
        assert_eq!(told.error, Some(ErrorKind::MachineDied));
        assert_eq!(told.next_step.as_deref(), Some("read /logs/Niko.qemu"));
    }

    #[test]
    fn a_machine_that_could_not_be_kept_is_told_with_the_failure() {
        let play = Play {
            name: "p".to_owned(),
            scenario: "p".to_owned(),
            cell: None,
            control: None,
            title: "t".to_owned(),
            proves: "p".to_owned(),
            machines: Default::default(),
            steps: Vec::new(),
            file: "p.toml".to_owned(),
        };
        let mut failure = of_set_up(&play, &Error::new(ErrorKind::Io, "no lock"));
        not_kept(&mut failure, "cannot keep Niko: no space left");
        assert_eq!(failure.found, "no lock\ncannot keep Niko: no space left");
    }
}

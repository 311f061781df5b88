//! What the NixOS test driver prints while it plays, read line by line. Pure.
//! It was read off the driver's source, not off a run: no machine that can play it was at hand.

use harness::scenario::{Failure, Outcome, Play, StepOutcome, StepResult, Verdict};

/// Lines of the end that are shown of a failure.
const SHOWN: usize = 20;

/// What a line says of the steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Begins(String),
    Finished(String, f64),
    Other(String),
}

/// Takes off what Nix and the terminal put around it: `vm-test-run-boot-Niko> subtest: the host is up`.
pub fn read(line: &str) -> Said {
    let line = plain(line);
    let text = match line.split_once("> ") {
        Some((prefix, rest)) if prefix.starts_with("vm-test-run-") => rest,
        _ => &line,
    };
    if let Some(name) = text.strip_prefix("subtest: ") {
        return Said::Begins(name.to_owned());
    }
    let finished = text
        .strip_prefix("(finished: subtest: ")
        .and_then(|rest| rest.strip_suffix(" seconds)"))
        .and_then(|rest| rest.rsplit_once(", in "))
        .and_then(|(name, seconds)| Some((name.to_owned(), seconds.parse().ok()?)));
    match finished {
        Some((name, seconds)) => Said::Finished(name, seconds),
        None => Said::Other(text.to_owned()),
    }
}

/// Without the colours that the driver and systemd use.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            chars.next();
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if c != '\r' {
            text.push(c);
        }
    }
    text
}

/// How far a play is, told by what was read so far.
#[derive(Debug)]
pub struct Playing<'a> {
    play: &'a Play,
    steps: Vec<StepOutcome>,
    now: Option<usize>,
    last: Vec<String>,
}

impl<'a> Playing<'a> {
    pub fn new(play: &'a Play) -> Self {
        let step = |name: &str| StepOutcome {
            name: name.to_owned(),
            result: StepResult::NotPlayed,
            began: 0.0,
            seconds: 0.0,
            fault: None,
            then: Vec::new(),
        };
        Self {
            play,
            steps: play.steps.iter().map(|it| step(&it.name)).collect(),
            now: None,
            last: Vec::new(),
        }
    }

    /// Takes a line that came this many seconds after the start; the number of a step that begins with it.
    pub fn take(&mut self, line: &str, at: f64) -> Option<usize> {
        match read(line) {
            Said::Begins(name) => {
                let from = self.now.map_or(0, |now| now + 1);
                let behind = self.steps.iter().skip(from);
                // A step of a `during` is no step of the play.
                let step = from + behind.clone().position(|step| step.name == name)?;
                self.now = Some(step);
                self.steps[step].began = at;
                // Until it is finished, it is where the play stopped.
                self.steps[step].result = StepResult::Failed;
                return Some(step);
            }
            Said::Finished(name, seconds) => {
                if let Some(step) = self.now.map(|now| &mut self.steps[now]) {
                    if step.name == name {
                        step.result = StepResult::Passed;
                        step.seconds = seconds;
                    }
                }
            }
            Said::Other(text) => {
                if !text.trim().is_empty() {
                    self.last.push(text);
                    if self.last.len() > SHOWN {
                        self.last.remove(0);
                    }
                }
            }
        }
        None
    }

    /// The end: the driver's verdict, and where it stopped. A control is judged by the driver's script itself.
    pub fn end(mut self, passed: bool, seconds: f64, logs: std::path::PathBuf) -> Outcome {
        let stopped = self.now.filter(|now| {
            let result = self.steps[*now].result;
            !passed && result == StepResult::Failed
        });
        if passed {
            for step in &mut self.steps {
                // The script of a control ends well at the step that must fail.
                if step.result == StepResult::Failed && self.play.control.is_none() {
                    step.result = StepResult::Passed;
                }
            }
        }
        let failure = (!passed).then(|| self.failure(stopped));
        Outcome {
            play: self.play.name.clone(),
            title: self.play.title.clone(),
            verdict: match (passed, self.now) {
                (true, _) => Verdict::Passed,
                (false, Some(_)) => Verdict::Failed,
                // It did not build, or no machine came up.
                (false, None) => Verdict::Broken,
            },
            failure,
            steps: self.steps,
            setup_seconds: 0.0,
            seconds,
            logs,
        }
    }

    fn failure(&self, stopped: Option<usize>) -> Failure {
        let step = stopped.map(|at| &self.play.steps[at]);
        Failure {
            step: step.map(|step| step.name.clone()),
            place: match step {
                Some(step) => format!("{}:{}", self.play.file, step.line),
                None => self.play.file.clone(),
            },
            written: step.map_or_else(String::new, |step| step.written.clone()),
            expected: String::new(),
            found: self.found(),
            machine: None,
            journal: Vec::new(),
            console: self.last.clone(),
            error: None,
            next_step: None,
            kept: Vec::new(),
        }
    }

    /// The driver's own words for what went wrong, else its last line.
    fn found(&self) -> String {
        let error = |line: &&String| line.contains("failed with error") || line.contains("Error:");
        let line = self.last.iter().rev().find(error).or(self.last.last());
        line.cloned()
            .unwrap_or_else(|| "the driver said nothing".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use harness::scenario::{Step, Verb};

    use super::super::super::samples;
    use super::*;

    fn play() -> Play {
        let step = |name: &str, line: usize| Step {
            name: name.to_owned(),
            within: 30,
            fails: None,
            verb: Verb::Reboot("Niko".to_owned()),
            line,
            written: format!("name = \"{name}\"\nreboot = \"Niko\""),
        };
        Play {
            steps: vec![
                step("it is up", 4),
                step("it reboots", 8),
                step("it is up again", 12),
            ],
            ..samples::play("one")
        }
    }

    #[test]
    fn prefixes_and_colours_are_taken_off() {
        let begins = Said::Begins("the host is up".to_owned());
        for line in [
            "subtest: the host is up",
            "vm-test-run-boot-Niko> subtest: the host is up",
            "vm-test-run-boot-Niko> \u{1b}[1m\u{1b}[32msubtest: the host is up\u{1b}[0m",
        ] {
            assert_eq!(read(line), begins, "{line}");
        }
        assert_eq!(
            read("vm-test-run-x> (finished: subtest: a, b, in 1.23 seconds)"),
            Said::Finished("a, b".to_owned(), 1.23)
        );
        assert_eq!(
            read("vm-test-run-x> Niko # [    1.2] a > b"),
            Said::Other("Niko # [    1.2] a > b".to_owned())
        );
    }

    #[test]
    fn a_play_stops_at_the_step_that_never_finished() {
        let play = play();
        let mut playing = Playing::new(&play);
        assert_eq!(playing.take("x> start all VMs", 0.1), None);
        assert_eq!(playing.take("subtest: it is up", 1.0), Some(0));
        playing.take("(finished: subtest: it is up, in 2.50 seconds)", 3.5);
        assert_eq!(playing.take("subtest: it reboots", 3.6), Some(1));
        playing.take("Niko # [ 12.0] kernel panic", 4.0);
        playing.take("Test \"it reboots\" failed with error: \"no answer\"", 5.0);
        let outcome = playing.end(false, 6.0, "/logs".into());
        assert_eq!(outcome.verdict, Verdict::Failed);
        let results: Vec<_> = outcome.steps.iter().map(|step| step.result).collect();
        assert_eq!(
            results,
            [
                StepResult::Passed,
                StepResult::Failed,
                StepResult::NotPlayed
            ]
        );
        let failure = outcome.failure.unwrap();
        assert_eq!(failure.place, "tests/scenarios/one.toml:8");
        assert!(failure.found.contains("no answer"), "{}", failure.found);
    }

    #[test]
    fn what_never_began_is_broken_and_what_passed_has_no_failure() {
        let play = play();
        let mut playing = Playing::new(&play);
        playing.take("error: builder failed", 0.1);
        let outcome = playing.end(false, 1.0, "/logs".into());
        assert_eq!(outcome.verdict, Verdict::Broken);
        assert_eq!(outcome.failure.unwrap().found, "error: builder failed");
        let outcome = Playing::new(&play).end(true, 1.0, "/logs".into());
        assert_eq!((outcome.verdict, outcome.failure), (Verdict::Passed, None));
    }
}

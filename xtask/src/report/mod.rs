//! The one place that prints: stdout is data, stderr is talk.

pub mod build_all;
pub mod check;
pub mod diff;
pub mod doctor;
pub mod hosts;
pub mod live;
pub mod progress;
pub mod table;

use std::io::{IsTerminal, Write};

use crate::evaluate::{Fleet, Survey};
use crate::failure::{self, Exit};

/// Prints an error: object, cause, and the next step where there is one.
pub fn error(error: &anyhow::Error) {
    say(&format!("error: {error:#}"));
    if let Some(next_step) = failure::find(error).and_then(failure::Failure::next_step) {
        say(&format!("try: {next_step}"));
    }
}

/// Says in full why hosts do not evaluate; an exit code that tells whether there are such hosts.
pub fn unhealthy(fleet: &Fleet, survey: &Survey) -> Exit {
    for (host, error) in &survey.failed {
        say(&format!(
            "error: host {host} does not evaluate: {}",
            fleet.worded(error)
        ));
    }
    if survey.failed.is_empty() {
        Exit::Passed
    } else {
        Exit::Failed
    }
}

pub fn interrupted() {
    say("interrupted");
}

/// One line of talk on stderr.
pub fn say(line: &str) {
    // Nobody may be listening, and then there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Data on stdout, as it is.
pub fn data(text: &str) {
    // `xtask hosts | head -1` closes the pipe early; the exit code is the command's all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Whether live lines make sense: a person watches stderr.
pub fn live(plain: bool) -> bool {
    !plain && std::io::stderr().is_terminal()
}

//! The one place that prints: stdout is data, stderr is talk. Knows nothing of what it prints: each capability renders
//! its own results.

pub mod html;
pub mod live;
pub mod progress;
pub mod table;
pub mod words;

#[cfg(test)]
#[path = "../../tests/schema/mod.rs"]
pub mod schema;

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::failure::{self, Failure};

/// Prints an error: object, cause, and the next step where there is one.
pub fn error(error: &anyhow::Error) {
    say(&format!("error: {error:#}"));
    if let Some(next_step) = failure::find(error).and_then(failure::Failure::next_step) {
        say(&format!("try: {next_step}"));
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
///
/// # Errors
/// If not all of it could be written. A pipe that is closed is no error: `xtask hosts | head -1` has had enough, and the
/// exit code is the command's all the same.
pub fn data(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A value as one JSON document, ending in a line feed.
///
/// # Errors
/// If it cannot be told in JSON, as with keys that are no strings.
pub fn json(value: &impl Serialize) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// What a command found, on stdout: one JSON document if that is wanted, else as a person reads it.
///
/// # Errors
/// As of `json` and `data`.
pub fn answer<T: Serialize>(
    found: &T,
    as_json: bool,
    text: impl FnOnce(&T) -> String,
) -> Result<()> {
    data(&if as_json { json(found)? } else { text(found) })
}

/// Prints the text, and writes the document to `file` if one is wanted; `-` is stdout, and the text is talk then.
///
/// # Errors
/// If one of them cannot be written; the text is printed in any case.
pub fn data_and_document(text: &str, value: &impl Serialize, file: Option<&Path>) -> Result<()> {
    match file {
        Some(file) if file == Path::new("-") => {
            say(text.trim_end());
            data(&json(value)?)
        }
        Some(file) => {
            let printed = data(text);
            std::fs::write(file, json(value)?).map_err(|error| cannot_write(file, &error))?;
            printed
        }
        None => data(text),
    }
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!(
        "cannot write the report {}: {error}",
        file.display()
    ))
    .try_next(
        "a file in a folder that exists and that you may write to, or `-` for standard output",
    )
}

/// Asks a person, who answers `y` or `yes`, or does not want it.
///
/// # Errors
/// Usage, if nobody is there to be asked.
pub async fn confirm(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("{question} Nobody is here to answer"))
                .try_next("--yes")
                .into(),
        );
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    // Elsewhere than where signals are waited for: who is asked may also press Ctrl-C.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await?.context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Whether live lines make sense: a person watches stderr.
pub fn live(plain: bool) -> bool {
    !plain && std::io::stderr().is_terminal()
}

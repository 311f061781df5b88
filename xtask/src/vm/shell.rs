//! A way into a machine that runs: by ssh if that lets us in, else by the serial console or the guest agent, neither of
//! which needs its network.

use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use super::attach::{self, Left, Raw};
use super::place::State;
use super::wire::{Answer, Ask, Line};
use crate::failure::Exit;
use crate::process::Command;
use crate::report;

/// A loaded machine takes seconds for a login. Time of the guest, as the other.
const LOGIN: Duration = Duration::from_secs(40);
/// For sshd to say anything.
const CONNECT: Duration = Duration::from_secs(15);
/// For what needs the guest's answer.
const ANSWER: Duration = Duration::from_secs(120);

/// A shell, or a command whose exit code is ours. Where ssh is, this process becomes it.
///
/// # Errors
/// If there is no way in.
pub async fn shell(state: State, command: &[String]) -> Result<Exit> {
    let Some(why) = shut_out(&state).await? else {
        return Err(ssh(&state, command).become_it());
    };
    let instead = match command.is_empty() {
        true => "the serial console",
        false => "over the guest agent",
    };
    report::say(&format!(
        "{} lets nobody in by ssh ({why}): {instead}, as root",
        state.name
    ));
    if command.is_empty() {
        return console(state).await;
    }
    run(state, line(command)).await
}

fn ssh_to(state: &State) -> Command {
    Command::new("ssh")
        .arg("-F")
        .arg(&state.ssh_config)
        .arg(format!(
            "-oConnectTimeout={}",
            state.host_time(CONNECT).as_secs()
        ))
        .arg(format!("{}@{}", state.user, state.name.machine))
}

/// ssh's own options may follow the name of the machine.
fn ssh(state: &State, command: &[String]) -> Command {
    let ssh = ssh_to(state);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let ssh = match !command.is_empty() && terminal {
        true => ssh.arg("-t"),
        false => ssh,
    };
    match command.is_empty() {
        true => ssh,
        false => ssh.arg("--").arg(line(command)),
    }
}

/// One word is a line for the shell; of several, each stays a word.
fn line(command: &[String]) -> String {
    match command {
        [line] => line.clone(),
        words => {
            let quoted = words.iter().map(|word| crate::process::quote(word));
            quoted.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Why nobody comes in by ssh; none if one does.
async fn shut_out(state: &State) -> Result<Option<String>> {
    let output = ssh_to(state)
        .args(["--", "true"])
        .timeout(state.host_time(LOGIN))
        .capture()
        .await?;
    if output.status.success() {
        return Ok(None);
    }
    let why = output.last_lines(1);
    Ok(Some(match why.is_empty() {
        true => format!("ssh {}", output.status),
        false => why.trim_end_matches('\r').to_owned(),
    }))
}

async fn run(state: State, line: String) -> Result<Exit> {
    let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
    let within = state.host_time(ANSWER);
    let answer =
        tokio::task::spawn_blocking(move || Line::connect(&state)?.ask(&Ask::Run(argv), within))
            .await??;
    let Answer::Ran {
        code,
        stdout,
        stderr,
    } = answer
    else {
        bail!("the machine's holder answered something else");
    };
    report::data(&stdout)?;
    if !stderr.is_empty() {
        report::say(stderr.trim_end_matches('\n'));
    }
    Ok(match code {
        0 => Exit::Passed,
        _ => Exit::Failed,
    })
}

/// The serial console, until the escape key.
///
/// # Errors
/// If somebody else is at it, or this is no terminal.
pub async fn console(state: State) -> Result<Exit> {
    let name = state.name.clone();
    let (rows, columns) = attach::size();
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "vt100".to_owned());
    let ask = Ask::Console {
        terminal,
        rows,
        columns,
    };
    // Refuses where there is no terminal, before anything is started. Put back at once: what follows is said as usual.
    drop(Raw::enter()?);
    let (line, answer) = tokio::task::spawn_blocking(move || -> Result<_> {
        let mut line = Line::connect(&state)?;
        let answer = line.ask(&ask, state.host_time(ANSWER))?;
        Ok((line, answer))
    })
    .await??;
    let Answer::Console { socket, log, bare } = answer else {
        bail!("the machine's holder answered something else");
    };
    if let Some(why) = bare {
        report::say(&format!("no shell was started there: {why}"));
    }
    let console = UnixStream::connect(&socket)
        .with_context(|| format!("cannot reach the console of {name}"))?;
    report::say(&format!(
        "the serial console of {name}; {} leaves it. What was said before: {}",
        attach::ESCAPE_WORDS,
        log.display()
    ));
    // Held here and not by the thread: it is put back when this is given up, too.
    let raw = Raw::enter()?;
    // Whatever is there draws itself again.
    let left = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        (&console).write_all(b"\x0c")?;
        attach::bridge(&console)
    })
    .await;
    drop(raw);
    drop(line);
    match left?? {
        Left::ByEscape => report::say(&format!(
            "\nleft the console of {name}; it goes on. cargo xtask vm stop {name} ends it"
        )),
        Left::Closed => report::say(&format!("\nthe console of {name} closed")),
    }
    Ok(Exit::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn one_word_is_a_line_and_several_are_words() {
        assert_eq!(line(&words(&["ls | wc"])), "ls | wc");
        assert_eq!(
            line(&words(&["echo", "a b", "$HOME"])),
            "echo 'a b' '$HOME'"
        );
    }
}

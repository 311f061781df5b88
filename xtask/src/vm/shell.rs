//! A way into a machine that runs: by ssh if its sshd answers, else by the serial console or the guest agent, neither of
//! which needs its network.

use std::io::{IsTerminal, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use super::attach::{self, Left, Raw};
use super::place::State;
use super::wire::{Answer, Ask, Line};
use crate::failure::Exit;
use crate::process::Command;
use crate::report;

/// A loaded machine's sshd takes seconds for its first word.
const BANNER: Duration = Duration::from_secs(5);
/// For what needs the guest's answer.
const ANSWER: Duration = Duration::from_secs(120);

/// A shell, or a command whose exit code is ours. Where ssh is, this process becomes it.
///
/// # Errors
/// If there is no way in.
pub async fn shell(state: State, command: &[String]) -> Result<Exit> {
    let asked = state.clone();
    let sshd = tokio::task::spawn_blocking(move || sshd_answers(&asked)).await?;
    if sshd {
        return Err(ssh(&state, command).replace_us());
    }
    if command.is_empty() {
        report::say(&format!(
            "sshd of {} does not answer: this is its serial console, as root",
            state.name
        ));
        return console(state).await;
    }
    report::say(&format!(
        "sshd of {} does not answer: over the guest agent, as root",
        state.name
    ));
    run(state, line(command)).await
}

/// The arguments of ssh.
fn ssh(state: &State, command: &[String]) -> Command {
    let ssh = Command::new("ssh").arg("-F").arg(&state.ssh_config);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let ssh = match !command.is_empty() && terminal {
        true => ssh.arg("-t"),
        false => ssh,
    };
    let ssh = ssh.arg(format!("{}@{}", state.user, state.name.machine));
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

fn sshd_answers(state: &State) -> bool {
    let Some(port) = state.port(22) else {
        return false;
    };
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut start = [0u8; 4];
    stream
        .set_read_timeout(Some(BANNER))
        .and_then(|()| stream.read_exact(&mut start))
        .is_ok_and(|()| &start == b"SSH-")
}

async fn run(state: State, line: String) -> Result<Exit> {
    let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
    let answer =
        tokio::task::spawn_blocking(move || Line::connect(&state)?.ask(&Ask::Run(argv), ANSWER))
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
        let answer = line.ask(&ask, ANSWER)?;
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

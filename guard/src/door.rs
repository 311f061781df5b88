//! The forced command of a deploy key: what the key's holder asks for is parsed, and either becomes one of Nix's two
//! programs or is handed to the service.

use std::io::Read;
use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::client;
use crate::command::{parse, Command};
use crate::config::Config;
use crate::process::Program;
use crate::refusal::{Code, Refusal};
use crate::release::WIRE_LIMIT;
use crate::wire::{is_name, Request};

/// Where sshd says what was asked for.
pub const VARIABLE: &str = "SSH_ORIGINAL_COMMAND";
/// What ended here is told to the service, for the journal.
pub const REFUSED: &str = "refused";

/// `asked` is the variable's value.
///
/// # Errors
/// A `Refusal`, or what keeps the guard from answering.
pub fn open(config: &Config, name: &str, asked: Option<&str>) -> Result<i32> {
    if !is_name(name) {
        bail!("{name:?} cannot be the name of a key");
    }
    let command = match parse(asked.unwrap_or_default()) {
        Ok(command) => command,
        Err(refusal) => {
            report(config, name, &refusal);
            return Err(refusal.into());
        }
    };
    let programs = &config.programs;
    match command {
        Command::StoreServe => turn_into(&programs.nix_store, &["--serve", "--write"], config),
        Command::StoreDaemon => turn_into(&programs.nix_daemon, &["--stdio"], config),
        command => {
            let words = words(asked.unwrap_or_default());
            ask(config, Some(name), words, &command)
        }
    }
}

/// Root on the host itself: no name, and the words as the shell told them apart.
///
/// # Errors
/// As `open`.
pub fn local(config: &Config, words: Vec<String>) -> Result<i32> {
    let command = crate::command::parse_words(&words)?;
    if matches!(command, Command::StoreServe | Command::StoreDaemon) {
        return Err(Refusal::because(Code::UnknownCommand, "this is for ssh").into());
    }
    ask(config, None, words, &command)
}

/// The service parses what it is handed itself.
fn words(line: &str) -> Vec<String> {
    crate::command::split(line).unwrap_or_default()
}

fn ask(config: &Config, name: Option<&str>, words: Vec<String>, command: &Command) -> Result<i32> {
    let document = match command {
        Command::AcceptRelease => Some(document(std::io::stdin().lock())?),
        _ => None,
    };
    let request = Request {
        name: name.map(str::to_owned),
        words,
        document,
        follow: None,
    };
    client::talk(&config.places.socket, &request)
}

fn document(input: impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    input
        .take(WIRE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .context("cannot read the release")?;
    if bytes.len() > WIRE_LIMIT {
        return Err(Refusal::because(Code::TooLong, "a release document").into());
    }
    String::from_utf8(bytes)
        .map_err(|_| Refusal::because(Code::BadDocument, "it is no text").into())
}

/// Nix's program, as the deploy user, with nothing of the connection's environment.
fn turn_into(program: &Path, args: &[&str], config: &Config) -> Result<i32> {
    Err(Program::new(program)
        .args(args.iter().copied())
        .env("PATH", &config.path)
        .env("HOME", "/var/empty")
        .env("LC_ALL", "C.UTF-8")
        .env("NIX_REMOTE", "daemon")
        .env("NIX_USER_CONF_FILES", "/dev/null")
        .exec())
}

/// The service writes it into the journal; that it cannot be reached changes nothing for the client.
fn report(config: &Config, name: &str, refusal: &Refusal) {
    if let Ok(stream) = std::os::unix::net::UnixStream::connect(&config.places.socket) {
        let request = Request {
            name: Some(name.to_owned()),
            words: vec![REFUSED.to_owned(), refusal.to_string()],
            document: None,
            follow: None,
        };
        let _ = crate::wire::write(&stream, &request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_up_to_its_limit() {
        assert_eq!(document("{}".as_bytes()).unwrap(), "{}");
        let code = |result: Result<String>| result.unwrap_err().downcast::<Refusal>().unwrap().code;
        assert_eq!(code(document(std::io::repeat(b' '))), Code::TooLong);
        assert_eq!(code(document([0xff].as_slice())), Code::BadDocument);
    }
}

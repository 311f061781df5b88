//! From a command line to the command that it is, or why it is none.

use std::time::Duration;

use super::words::{is_plain_path, missing, quoted, split, Words};
use super::{Activate, Command, Mode, LIMIT};
use crate::answer::UpgradeResult;
use crate::refusal::{Code, Refusal};
use crate::store_path::{is_hash, StorePath};

const CANARY: &str = "deploy-rs-canary-";
/// What deploy-rs's node settings lead to when nobody sets them otherwise.
const SUDO: [&str; 3] = ["sudo", "-u", "root"];

/// # Errors
/// `no-shell`, `unknown-command`, `bad-argument`, `too-long`, `wrong-profile`.
pub fn parse(line: &str) -> Result<Command, Refusal> {
    if line.len() > LIMIT {
        return Err(Refusal::because(Code::TooLong, "a command line"));
    }
    parse_words(&split(line)?)
}

/// A command line whose words have been told apart.
///
/// # Errors
/// As `parse`.
pub fn parse_words<S: AsRef<str>>(words: &[S]) -> Result<Command, Refusal> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let Some(first) = words.first() else {
        return Err(Refusal::new(Code::NoShell));
    };
    let as_root = words.strip_prefix(&SUDO);
    let words_of_deploy_rs = as_root.unwrap_or(&words);
    match words_of_deploy_rs {
        ["rm", canary] => return confirm(canary),
        [program, rest @ ..] if program.ends_with("/activate-rs") => {
            return deploy_rs(program, Words { rest });
        }
        _ => (),
    }
    let mut rest = Words { rest: &words[1..] };
    let command = match *first {
        "nix-store" => {
            rest.exactly("--serve")?;
            rest.exactly("--write")?;
            Command::StoreServe
        }
        "nix-daemon" => {
            rest.exactly("--stdio")?;
            Command::StoreDaemon
        }
        "accept-release" => Command::AcceptRelease,
        "status" => Command::Status,
        "health" => Command::Health {
            wait: Duration::from_secs(rest.number("--wait", 0, 900)?.unwrap_or(0)),
        },
        "history" => Command::History {
            limit: rest.number("--limit", 1, 1000)?.unwrap_or(20) as usize,
        },
        "poll" => Command::Poll {
            wait: Duration::from_secs(rest.number("--wait", 0, 900)?.unwrap_or(0)),
        },
        "rollback" => Command::Rollback {
            to: rest.number("--to", 1, u64::from(u32::MAX))?,
        },
        "keep" => Command::Keep,
        "hold" => Command::Hold {
            reason: rest.text("--reason")?,
        },
        "unhold" => Command::Unhold,
        "reboot" => Command::Reboot {
            now: rest.flag("--now"),
        },
        "accept-build" => {
            let path = rest.next()?;
            Command::AcceptBuild {
                toplevel: path
                    .parse()
                    .map_err(|_| Refusal::because(Code::BadArgument, quoted(path)))?,
                build: rest
                    .number("--build", 1, u64::MAX)?
                    .ok_or_else(|| missing("--build"))?,
            }
        }
        "upgraded" => {
            let word = rest.value("--result")?.unwrap_or_default();
            Command::Upgraded {
                result: UpgradeResult::of_word(word)
                    .ok_or_else(|| Refusal::because(Code::BadArgument, quoted(word)))?,
                text: rest.text("--text")?,
            }
        }
        _ => return Err(Refusal::because(Code::UnknownCommand, quoted(first))),
    };
    rest.end()?;
    Ok(command)
}

fn confirm(path: &str) -> Result<Command, Refusal> {
    let refusal = || Refusal::because(Code::BadArgument, quoted(path));
    let (folder, file) = path.rsplit_once('/').ok_or_else(refusal)?;
    let hash = file.strip_prefix(CANARY).ok_or_else(refusal)?;
    if is_plain_path(folder) && is_hash(hash) {
        Ok(Command::Confirm {
            hash: hash.to_owned(),
        })
    } else {
        Err(refusal())
    }
}

fn deploy_rs(program: &str, mut rest: Words<'_>) -> Result<Command, Refusal> {
    let profile: StorePath = program
        .strip_suffix("/activate-rs")
        .and_then(|path| path.parse().ok())
        .ok_or_else(|| Refusal::because(Code::BadArgument, quoted(program)))?;
    rest.flag("--debug-logs");
    let command = match rest.next()? {
        "activate" => {
            rest.same_closure(&profile)?;
            rest.system_profile()?;
            rest.temp_path()?;
            let confirm_timeout = Duration::from_secs(
                rest.number("--confirm-timeout", 1, u64::from(u16::MAX))?
                    .ok_or_else(|| missing("--confirm-timeout"))?,
            );
            let confirmed = rest.flag("--magic-rollback");
            // The guard goes back in any case.
            rest.flag("--auto-rollback");
            let flags = [
                rest.flag("--dry-activate"),
                rest.flag("--boot"),
                rest.flag("--test"),
            ];
            let mode = match flags {
                [false, false, false] => Mode::Plain,
                [true, false, false] => Mode::Dry,
                [false, true, false] => Mode::Boot,
                [false, false, true] => Mode::Test,
                _ => return Err(Refusal::because(Code::BadArgument, "two modes at once")),
            };
            Command::Activate(Activate {
                profile,
                mode,
                confirmed,
                confirm_timeout,
            })
        }
        "wait" => {
            rest.same_closure(&profile)?;
            rest.temp_path()?;
            let timeout = rest.number("--activation-timeout", 1, u64::from(u16::MAX))?;
            Command::Wait {
                profile,
                // deploy-rs's own default.
                timeout: Duration::from_secs(timeout.unwrap_or(240)),
            }
        }
        "revoke" => {
            rest.system_profile()?;
            Command::Revoke { profile }
        }
        other => return Err(Refusal::because(Code::BadArgument, quoted(other))),
    };
    rest.end()?;
    Ok(command)
}

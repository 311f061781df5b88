//! What a key's holder asks for: `SSH_ORIGINAL_COMMAND`, taken apart without a shell. Exactly the command lines that
//! deploy-rs, Nix and the guard's own clients send are known; all else is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::UpgradeResult;
use crate::refusal::{Code, Refusal};
use crate::release::ActionKind;
use crate::store_path::{is_hash, StorePath};

/// Bytes of a command line. deploy-rs's longest has some 400.
pub const LIMIT: usize = 4096;
/// Bytes of a reason, and of what an upgrade came to.
pub const TEXT_LIMIT: usize = 200;
const CANARY: &str = "deploy-rs-canary-";
/// What deploy-rs's node settings lead to when nobody sets them otherwise.
const SUDO: [&str; 3] = ["sudo", "-u", "root"];

/// A command line that the guard knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `nix-store --serve --write`: what `nix copy --to ssh://` talks to.
    StoreServe,
    /// `nix-daemon --stdio`: what `nix copy --to ssh-ng://` talks to.
    StoreDaemon,
    /// deploy-rs's remote half.
    Activate(Activate),
    Wait {
        profile: StorePath,
        timeout: Duration,
    },
    Confirm {
        hash: String,
    },
    Revoke {
        profile: StorePath,
    },
    /// The guard's own.
    AcceptRelease,
    Status,
    /// `wait` is for how long systemd may still be starting.
    Health {
        wait: Duration,
    },
    History {
        limit: usize,
    },
    Poll {
        wait: Duration,
    },
    Rollback {
        to: Option<u64>,
    },
    Keep,
    Hold {
        reason: Option<String>,
    },
    Unhold,
    Reboot {
        /// Whatever the host's window says.
        now: bool,
    },
    /// What the host's own upgrades say, and nobody else.
    AcceptBuild {
        toplevel: StorePath,
        build: u64,
    },
    Upgraded {
        result: UpgradeResult,
        text: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activate {
    /// What deploy-rs calls the closure: the release says which toplevel belongs to it.
    pub profile: StorePath,
    pub mode: Mode,
    /// Whether a new connection is to confirm the activation.
    pub confirmed: bool,
    pub confirm_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Dry,
    /// With no flag deploy-rs asks for a switch; before 1.0.0 it had no flag for a test.
    Plain,
    Boot,
    Test,
}

impl Mode {
    /// Whether a release's action may be asked for this way.
    pub fn fits(self, action: ActionKind) -> bool {
        match self {
            Self::Dry => true,
            Self::Plain => matches!(action, ActionKind::Switch | ActionKind::Test),
            Self::Boot => action == ActionKind::Boot,
            Self::Test => action == ActionKind::Test,
        }
    }
}

impl Activate {
    /// As deploy-rs says it.
    pub fn words(&self) -> Vec<String> {
        let profile = &self.profile;
        let flags = [
            (self.confirmed, "--magic-rollback"),
            (self.mode == Mode::Dry, "--dry-activate"),
            (self.mode == Mode::Boot, "--boot"),
            (self.mode == Mode::Test, "--test"),
        ];
        let seconds = self.confirm_timeout.as_secs();
        let line = format!(
            "{profile}/activate-rs activate {profile} --profile-user root --profile-name system --temp-path /tmp \
             --confirm-timeout {seconds}"
        );
        let set = flags.into_iter().filter(|flag| flag.0);
        (line.split(' ').map(str::to_owned))
            .chain(set.map(|flag| flag.1.to_owned()))
            .collect()
    }
}

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

/// The words that have not been looked at.
struct Words<'a> {
    rest: &'a [&'a str],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, Refusal> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| missing("an argument"))?;
        self.rest = rest;
        Ok(first)
    }

    fn flag(&mut self, name: &str) -> bool {
        let found = self.rest.first() == Some(&name);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn exactly(&mut self, word: &str) -> Result<(), Refusal> {
        if self.flag(word) {
            Ok(())
        } else {
            Err(missing(word))
        }
    }

    fn value(&mut self, name: &str) -> Result<Option<&'a str>, Refusal> {
        if self.flag(name) {
            self.next().map(Some)
        } else {
            Ok(None)
        }
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse() {
            Ok(number) if digits && (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::because(
                Code::BadArgument,
                format_args!("{name} is to be {least} to {most}"),
            )),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        const LIMIT: usize = TEXT_LIMIT;
        match self.value(name)? {
            Some(text) if text.is_empty() || text.len() > LIMIT => Err(Refusal::because(
                Code::BadArgument,
                format_args!("{name} takes 1 to {LIMIT} characters"),
            )),
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn same_closure(&mut self, profile: &StorePath) -> Result<(), Refusal> {
        let closure = self.next()?;
        if closure == profile.as_str() {
            Ok(())
        } else {
            Err(Refusal::because(
                Code::BadArgument,
                "the program is not the closure's own",
            ))
        }
    }

    fn system_profile(&mut self) -> Result<(), Refusal> {
        let system = ["--profile-user", "root", "--profile-name", "system"];
        match self.rest.strip_prefix(&system) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(Refusal::new(Code::WrongProfile)),
        }
    }

    /// deploy-rs's folder for its canary. The guard keeps its own elsewhere, and only looks at the form.
    fn temp_path(&mut self) -> Result<(), Refusal> {
        match self.value("--temp-path")? {
            Some(path) if is_plain_path(path) => Ok(()),
            Some(path) => Err(Refusal::because(Code::BadArgument, quoted(path))),
            None => Err(missing("--temp-path")),
        }
    }

    fn end(&self) -> Result<(), Refusal> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => Err(Refusal::because(Code::BadArgument, quoted(word))),
        }
    }
}

fn missing(what: &str) -> Refusal {
    Refusal::because(Code::BadArgument, format_args!("{what} is missing"))
}

pub(crate) fn quoted(word: &str) -> String {
    const SHOWN: usize = 80;
    word.chars().take(SHOWN).collect()
}

/// Absolute, and nothing in it that leads elsewhere.
fn is_plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|below| {
        below
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
    })
}

/// Words between spaces, each bare or in single quotes as a whole. What a shell would do more with is refused.
pub(crate) fn split(line: &str) -> Result<Vec<String>, Refusal> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"+-./_=:@,?".contains(&byte);
    let refusal = || Refusal::because(Code::BadArgument, "what only a shell would understand");
    let mut words = Vec::new();
    let mut rest = line.trim_matches(' ');
    while !rest.is_empty() {
        let word = if let Some(quoted) = rest.strip_prefix('\'') {
            let (word, after) = quoted.split_once('\'').ok_or_else(refusal)?;
            if !word.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(refusal());
            }
            if !after.is_empty() && !after.starts_with(' ') {
                return Err(refusal());
            }
            rest = after;
            word
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if !word.bytes().all(bare) {
                return Err(refusal());
            }
            rest = after;
            word
        };
        words.push(word.to_owned());
        rest = rest.trim_start_matches(' ');
    }
    Ok(words)
}

#[cfg(test)]
mod tests;

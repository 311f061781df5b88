//! The builder's door: the forced command of a key whose holder may ask for a release. What is asked for is parsed without
//! a shell, and one program is started, which decides everything else; one at a time.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use nix::fcntl::FlockArg;
use serde::Deserialize;

use crate::client::nobody_reads;
use crate::command::{quoted, split, LIMIT};
use crate::config::read_bounded;
use crate::process::{Exit, Program};
use crate::refusal::{one_line, Code, Refusal};
use crate::state::lock;
use crate::wire::is_name;

/// Where the NixOS module puts the door's configuration.
pub const FILE: &str = "/etc/slipway-guard/builder.json";
/// What the release's whole fleet may take to build. Without an end, a build that hangs would close the door for good.
const TIME: Duration = Duration::from_secs(6 * 3600);

/// As the NixOS module writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Makes the release of the commit that is its last argument, and prints it.
    pub program: PathBuf,
    /// What it is called with before that.
    pub args: Vec<String>,
    /// PATH of what is started.
    pub path: String,
    /// A folder of the builder's own.
    pub home: PathBuf,
    /// Where the journal listens.
    #[serde(default = "syslog")]
    pub log: PathBuf,
}

fn syslog() -> PathBuf {
    "/dev/log".into()
}

/// What a key's holder asks for: `release COMMIT [--boot]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// 40 hexadecimal digits.
    pub commit: String,
    /// Hosts boot into it where they would switch to it.
    pub boot: bool,
}

impl Config {
    /// # Errors
    /// If it is no configuration, or its paths are not absolute.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let config: Self = serde_json::from_slice(json).context("it cannot be read")?;
        for path in [&config.program, &config.home, &config.log] {
            if !path.is_absolute() {
                bail!("{} is no absolute path", path.display());
            }
        }
        Ok(config)
    }
}

/// # Errors
/// `no-shell`, `unknown-command`, `bad-argument`, `too-long`.
pub fn parse(line: &str) -> Result<Asked, Refusal> {
    if line.len() > LIMIT {
        return Err(Refusal::because(Code::TooLong, "a command line"));
    }
    let words = split(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (commit, boot) = match words[..] {
        [] => return Err(Refusal::new(Code::NoShell)),
        ["release", commit] => (commit, false),
        ["release", commit, "--boot"] => (commit, true),
        ["release", ..] => {
            return Err(Refusal::because(
                Code::BadArgument,
                "release COMMIT, or release COMMIT --boot",
            ))
        }
        [other, ..] => return Err(Refusal::because(Code::UnknownCommand, quoted(other))),
    };
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if commit.len() != 40 || !commit.bytes().all(hexadecimal) {
        let found = format!("{} is no whole commit id", quoted(commit));
        return Err(Refusal::because(Code::BadArgument, found));
    }
    Ok(Asked {
        commit: commit.to_owned(),
        boot,
    })
}

/// `asked` is what sshd says was asked for. The exit code is the program's.
///
/// # Errors
/// A `Refusal`, or what keeps the program from being started.
pub fn open(file: &Path, name: &str, asked: Option<&str>) -> Result<i32> {
    if !is_name(name) {
        bail!("{name:?} cannot be the name of a key");
    }
    let config = Config::parse(&read_bounded(file)?)
        .with_context(|| format!("cannot use {}", file.display()))?;
    let refused = |refusal: Refusal| {
        note(&config.log, &format!("{name}: {refusal}"));
        refusal
    };
    let asked = parse(asked.unwrap_or_default()).map_err(refused)?;
    let Some(_lock) = lock(
        &config.home.join("door.lock"),
        FlockArg::LockExclusiveNonblock,
    )?
    else {
        return Err(refused(Refusal::new(Code::Releasing)).into());
    };
    note(&config.log, &format!("{name}: {asked}"));
    let exit = program(&config, &asked).attend(nobody_reads)?;
    note(&config.log, &format!("{name}: {asked} {exit}"));
    match exit {
        Exit::Code(code) => Ok(code),
        exit => bail!("what makes releases {exit}"),
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let boot = if self.boot { " --boot" } else { "" };
        write!(f, "release {}{boot}", self.commit)
    }
}

fn program(config: &Config, asked: &Asked) -> Program {
    let boot = asked.boot.then_some(["--boot", "always"]);
    Program::new(&config.program)
        .args(config.args.iter().map(String::as_str))
        .args(boot.into_iter().flatten())
        .args([asked.commit.as_str()])
        .env("PATH", &config.path)
        .env("HOME", config.home.as_os_str())
        .within(TIME)
}

/// A line for the journal; that nobody keeps one changes nothing for who asks.
fn note(log: &Path, line: &str) {
    // 30: of a daemon, informational.
    let line = format!("<30>slipway-builder: {}", one_line(line));
    let _ = UnixDatagram::unbound().and_then(|socket| {
        // Nor that it is busy.
        socket.set_nonblocking(true)?;
        socket.send_to(line.as_bytes(), log)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_release_of_a_whole_commit_is_asked_for_and_nothing_else() {
        let asked = |boot| Asked {
            commit: COMMIT.to_owned(),
            boot,
        };
        assert_eq!(parse(&format!("release {COMMIT}")), Ok(asked(false)));
        assert_eq!(parse(&format!("release '{COMMIT}'")), Ok(asked(false)));
        assert_eq!(parse(&format!("release {COMMIT} --boot")), Ok(asked(true)));
        let bad = |line: String, code| assert_eq!(parse(&line).unwrap_err().code, code, "{line}");
        bad(String::new(), Code::NoShell);
        bad("  ".to_owned(), Code::NoShell);
        bad("x".repeat(LIMIT + 1), Code::TooLong);
        for line in ["bash", "status", "nix-store --serve --write", "RELEASE x"] {
            bad(line.to_owned(), Code::UnknownCommand);
        }
        for rest in [
            String::new(),
            "main".to_owned(),
            COMMIT[..39].to_owned(),
            format!("{COMMIT}0"),
            COMMIT.to_uppercase(),
            format!("-{}", &COMMIT[1..]),
            format!("{COMMIT} --boot --boot"),
            format!("{COMMIT} --config=/tmp/x"),
            format!("--boot {COMMIT}"),
            format!("{COMMIT}; id"),
            format!("$(id) {COMMIT}"),
            format!("{COMMIT}\nid"),
        ] {
            bad(format!("release {rest}"), Code::BadArgument);
        }
    }

    #[test]
    fn a_configuration_is_whole() {
        let good =
            r#"{"program":"/bin/xtask","args":["release"],"path":"/bin","home":"/var/lib/x"}"#;
        let config = Config::parse(good.as_bytes()).unwrap();
        assert_eq!(config.log, Path::new("/dev/log"));
        let bad = |from: &str, to: &str| Config::parse(good.replace(from, to).as_bytes()).is_err();
        assert!(bad("/bin/xtask", "xtask"));
        assert!(bad("\"path\":\"/bin\",", ""));
        assert!(bad("\"path\"", "\"paths\":1,\"path\""));
    }

    proptest! {
        #[test]
        fn what_is_taken_says_the_same_again(line in "(release )?[ -~]{0,60}( --boot)?") {
            if let Ok(asked) = parse(&line) {
                prop_assert_eq!(parse(&asked.to_string()), Ok(asked));
            }
        }
    }
}

//! A program to start on the host: its words, its environment, its output, and how it ended.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::code_of;
use super::guarded::{Guarded, GUARD};
use crate::error::{Error, ErrorKind, Result};

/// A program to start on the host. Nothing is passed through a shell.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    /// Whether our own environment stays out of it.
    clean_env: bool,
    dir: Option<PathBuf>,
    stdin: Option<PathBuf>,
    /// SIGTERM for programs that clean up after themselves, SIGKILL for the others.
    gentle: bool,
}

/// What a finished program left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; 128 + n when signal n ended it.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// Time on the host from start to end.
    pub wall: Duration,
}

impl Output {
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Stdout as text without the last line feeds.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout)
            .trim_end_matches('\n')
            .to_owned()
    }

    /// The last `count` lines of stderr that are not empty.
    pub fn last_lines(&self, count: usize) -> String {
        last_lines(&self.stderr, count)
    }
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

impl Command {
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            clean_env: false,
            dir: None,
            stdin: None,
            gentle: false,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Only what `env` says is in its environment; a PATH must be, for the guard too.
    pub fn clean_env(mut self) -> Self {
        self.clean_env = true;
        self
    }

    pub fn in_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// A file to read standard input from.
    pub fn stdin(mut self, file: impl AsRef<Path>) -> Self {
        self.stdin = Some(file.as_ref().to_owned());
        self
    }

    /// Ends by SIGTERM, and by SIGKILL only after five seconds more.
    pub fn gentle(mut self) -> Self {
        self.gentle = true;
        self
    }

    fn name(&self) -> String {
        self.program.file_name().map_or_else(
            || self.program.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Starts it with stdout and stderr going to `log`.
    pub fn start(self, log: &File) -> Result<Guarded> {
        let clone = || log.try_clone().map_err(|e| self.cannot_start(e));
        let (out, err) = (clone()?.into(), clone()?.into());
        self.spawn(out, err)
    }

    /// Starts it with nobody listening.
    pub fn start_quiet(self) -> Result<Guarded> {
        self.spawn(Stdio::null(), Stdio::null())
    }

    /// Runs to the end, captured. Errs if it cannot be started or takes longer than `within` (host time).
    pub fn capture(self, within: Duration) -> Result<Output> {
        self.run(Stdio::piped(), within)
    }

    /// Like `success`, with stdout going to a file.
    pub fn success_into(self, out: &File, within: Duration) -> Result<()> {
        let name = self.name();
        let out = out.try_clone().map_err(|e| self.cannot_start(e))?;
        checked(&name, self.run(out.into(), within)?).map(drop)
    }

    fn run(self, out: Stdio, within: Duration) -> Result<Output> {
        let started = Instant::now();
        let name = self.name();
        let mut guarded = self.spawn(out, Stdio::piped())?;
        let (done, finished) = mpsc::channel();
        let stdout = guarded.child.stdout.take();
        let stderr = guarded.child.stderr.take();
        let out = std::thread::spawn(move || read_all(stdout));
        let err_done = done.clone();
        let err = std::thread::spawn(move || {
            let text = read_all(stderr);
            // The receiver may have given up on us: then nobody wants to know.
            let _ = err_done.send(());
            text
        });
        drop(done);
        if finished.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            guarded.end();
            return Err(Error::new(
                ErrorKind::TimedOut,
                format!("`{name}` did not end within {} s", within.as_secs()),
            ));
        }
        let status = guarded.wait()?;
        let stdout = out.join().unwrap_or_default();
        let stderr = err.join().unwrap_or_default();
        Ok(Output {
            code: code_of(status),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            wall: started.elapsed(),
        })
    }

    /// Like `capture`, and an exit code other than 0 is an error with the last lines of stderr.
    pub fn success(self, within: Duration) -> Result<Output> {
        let name = self.name();
        checked(&name, self.capture(within)?)
    }

    fn spawn(&self, out: Stdio, err: Stdio) -> Result<Guarded> {
        if self.program.is_absolute() && !self.program.exists() {
            return Err(self.cannot_start(std::io::ErrorKind::NotFound.into()));
        }
        let mut command = std::process::Command::new("/bin/sh");
        if self.clean_env {
            command.env_clear();
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
            .args(["-c", GUARD, "guard"])
            .arg(if self.gentle { "TERM" } else { "KILL" })
            .arg(self.stdin.as_deref().unwrap_or(Path::new("/dev/null")))
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(out)
            .stderr(err)
            // Ctrl-C on the terminal is for the caller to handle; ours end when it does.
            .process_group(0);
        match Guarded::start(&mut command) {
            Ok(Some(guarded)) => Ok(guarded),
            Ok(None) => Err(Error::new(
                ErrorKind::State,
                format!("{} is not started: all is being ended", self.name()),
            )),
            Err(error) => Err(self.cannot_start(error)),
        }
    }

    fn cannot_start(&self, error: std::io::Error) -> Error {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::ToolMissing,
            _ => ErrorKind::Io,
        };
        Error::new(
            kind,
            format!("cannot start {}: {error}", self.program.display()),
        )
    }
}

fn checked(name: &str, output: Output) -> Result<Output> {
    if output.success() {
        return Ok(output);
    }
    Err(Error::new(
        ErrorKind::Command,
        format!(
            "`{name}` exited {}:\n{}",
            output.code,
            output.last_lines(20)
        ),
    ))
}

fn read_all(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What was read before an error is worth showing; the exit code says whether it matters.
        let _ = from.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn captures_both_streams_and_the_exit_code() {
        let output = Command::new("/bin/sh")
            .args(["-c", "echo out; echo err >&2; exit 3"])
            .capture(LONG)
            .unwrap();
        assert_eq!((output.code, output.text().as_str()), (3, "out"));
        assert_eq!(output.last_lines(5), "err");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let started = Instant::now();
        let error = Command::new("/bin/sh")
            .args(["-c", "sleep 61.7 & sleep 61.7"])
            .capture(Duration::from_millis(300))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(10));
        let left = Command::new("/bin/sh")
            .args([
                "-c",
                "grep -lz '^61.7$' /proc/[0-9]*/cmdline 2>/dev/null | grep -v self | wc -l",
            ])
            .capture(LONG)
            .unwrap();
        assert_eq!(left.text(), "0");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Command::new("/nowhere/qemu").capture(LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert!(error.to_string().contains("/nowhere/qemu"));
    }

    #[test]
    fn a_signal_is_never_a_pass() {
        let output = Command::new("/bin/sh")
            .args(["-c", "kill -9 $$"])
            .capture(LONG)
            .unwrap();
        assert_eq!(output.code, 137);
    }
}

//! The one place that starts programs: with a clean environment, bounded output, a time-out, and in a group of their own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

/// What a program of the guard finds in its environment, and nothing else. Above all nothing of the caller's.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("HOME", "/root"),
    ("USER", "root"),
    ("LC_ALL", "C.UTF-8"),
    // Root's own settings for Nix are not the host's.
    ("NIX_USER_CONF_FILES", "/dev/null"),
    ("SYSTEMD_PAGER", ""),
];
const OUTPUT_LIMIT: u64 = 64 * 1024 * 1024;
const LAST_LINES: usize = 5;

/// A program that is to be started.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    input: Vec<u8>,
    time: Duration,
    limit: u64,
}

/// How a program ended. A signal is never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => f.write_str("took too long and was killed"),
        }
    }
}

#[derive(Debug)]
pub struct Captured {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Program {
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            input: Vec::new(),
            time: Duration::from_secs(60),
            limit: OUTPUT_LIMIT,
        }
    }

    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Bytes that it may print; by default 64 MiB.
    #[must_use]
    pub fn at_most(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and takes what it prints.
    ///
    /// # Errors
    /// If it cannot be started, or prints more than it may.
    pub fn capture(self) -> Result<Captured> {
        let (name, time, input) = (self.name(), self.time, self.input.clone());
        let limit = self.limit;
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take();
        let feed = std::thread::spawn(move || {
            // A program that does not want its input says so by its exit code.
            stdin.map(|mut stdin| stdin.write_all(&input))
        });
        let stdout = reader(child.stdout.take(), limit);
        let stderr = reader(child.stderr.take(), OUTPUT_LIMIT);
        let exit = wait(&mut child, time)?;
        type Reader = std::thread::JoinHandle<std::io::Result<Vec<u8>>>;
        let take = |thread: Reader, limit: u64| -> Result<Vec<u8>> {
            let read = thread.join().map_err(|_| anyhow::anyhow!("no output"))?;
            let bytes = read.with_context(|| format!("cannot read what {name} prints"))?;
            if bytes.len() as u64 > limit {
                bail!("{name} prints more than {limit} bytes");
            }
            Ok(bytes)
        };
        let (stdout, stderr) = (take(stdout, limit)?, take(stderr, OUTPUT_LIMIT)?);
        drop(feed.join());
        Ok(Captured {
            exit,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Runs it; success is exit code 0, and what it printed is the result.
    ///
    /// # Errors
    /// If it fails in any way, with the end of its stderr.
    pub fn output(self) -> Result<String> {
        let name = self.name();
        let captured = self.capture()?;
        if captured.exit != Exit::Code(0) {
            bail!("{name} {}{}", captured.exit, last_lines(&captured.stderr));
        }
        String::from_utf8(captured.stdout).with_context(|| format!("{name} prints what is no text"))
    }

    /// Runs it with all that it prints going to a file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn into_file(self, log: &File) -> Result<Exit> {
        let (name, time) = (self.name(), self.time);
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log.try_clone().context("cannot share the log")?);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        wait(&mut child, time)
    }

    /// Runs it with the caller's stdout and stderr, and ends it when its time is over or nobody waits for it any more.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn attend(self, gone: impl Fn() -> bool) -> Result<Exit> {
        const PAUSE: Duration = Duration::from_millis(100);
        /// For what it started itself.
        const GRACE: Duration = Duration::from_secs(10);
        let (name, deadline) = (self.name(), Instant::now() + self.time);
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for a program")? {
                return Ok(exit_of(status));
            }
            let late = Instant::now() >= deadline;
            if late || gone() {
                // It may have ended by itself a moment ago, and then there is no group.
                let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
                wait(&mut child, GRACE)?;
                let signal = Exit::Signal(Signal::SIGTERM as i32);
                return Ok(if late { Exit::TimedOut } else { signal });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Starts it and leaves it alone.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn detach(self) -> Result<Child> {
        let name = self.name();
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {name}"))
    }

    /// Becomes it, with the caller's stdin, stdout and stderr.
    pub fn exec(self) -> anyhow::Error {
        let name = self.name();
        let mut command = Command::new(&self.path);
        command.args(&self.args).env_clear().envs(self.env);
        anyhow::Error::new(command.exec()).context(format!("cannot start {name}"))
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn command(self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(self.env)
            .current_dir("/")
            .process_group(0);
        command
    }
}

fn reader<R: Read + Send + 'static>(
    pipe: Option<R>,
    limit: u64,
) -> std::thread::JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            pipe.take(limit + 1).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(0),
    }
}

/// Waits for the program, and ends its whole group when its time is over.
fn wait(child: &mut Child, time: Duration) -> Result<Exit> {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + time;
    let mut pause = FIRST;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            return Ok(exit_of(status));
        }
        if Instant::now() >= deadline {
            // It may have ended by itself a moment ago, and then there is no group.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
            child.wait().context("cannot wait for a program")?;
            return Ok(Exit::TimedOut);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST);
    }
}

/// The end of what a program said, as the tail of an error.
pub fn last_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    let last = lines[from..].join("; ");
    if last.is_empty() {
        last
    } else {
        format!(": {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn nothing_of_the_caller_s_environment_is_inherited() {
        let seen = shell("/usr/bin/env").env("PATH", "/bin").output().unwrap();
        let names: Vec<&str> = seen
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|pair| pair.0)
            .collect();
        for name in &names {
            let known = ENVIRONMENT.iter().any(|(known, _)| known == name);
            assert!(
                known || ["PATH", "PWD", "SHLVL", "_"].contains(name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_signal_and_a_time_out_are_no_exit_codes() {
        assert_eq!(shell("kill -9 $$").capture().unwrap().exit, Exit::Signal(9));
        let slow = shell("sleep 60 & sleep 60").within(Duration::from_millis(50));
        assert_eq!(slow.capture().unwrap().exit, Exit::TimedOut);
        let error = shell("echo why >&2; exit 3").output().unwrap_err();
        assert_eq!(error.to_string(), "sh exited 3: why");
    }

    #[test]
    fn what_prints_without_end_is_stopped() {
        let error = shell("yes").env("PATH", "/usr/bin").at_most(1000).capture();
        assert_eq!(
            error.unwrap_err().to_string(),
            "sh prints more than 1000 bytes"
        );
    }

    #[test]
    fn input_arrives_and_output_comes_back() {
        let long = "x".repeat(1_000_000);
        let echoed = shell("cat")
            .env("PATH", "/usr/bin:/bin")
            .input(long.as_str())
            .output()
            .unwrap();
        assert_eq!(echoed, long);
    }
}

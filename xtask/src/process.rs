//! The one place that starts processes: captured, streamed, timed, interrupted.
//! Each process leads its own group, so that ending it ends what it started; nothing outlives xtask.

pub mod detached;
pub mod folders;
mod groups;
mod orphans;
pub mod own;
mod strays;
mod tree;
pub mod usage;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::failure::Failure;
use groups::{Group, GRACE};

pub use groups::{ask_to_end, interrupt_signal, kill, terminate_all};
pub use strays::{adopt, end_strays};

/// A process to start: program, arguments, environment. Nothing is passed through a shell.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    timeout: Option<Duration>,
    grace: Duration,
    orphaned: Signal,
    bare: bool,
}

/// How a process ended. A signal is never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Code(i32),
    Signal(i32),
    TimedOut(Duration),
}

impl Status {
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited {code}"),
            Self::Signal(signal) => match Signal::try_from(*signal) {
                Ok(name) => write!(f, "was ended by {name}"),
                Err(_) => write!(f, "was ended by signal {signal}"),
            },
            Self::TimedOut(after) => write!(f, "timed out after {} s", after.as_secs()),
        }
    }
}

/// What a finished process left behind.
#[derive(Debug, Clone)]
pub struct Output {
    pub status: Status,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub wall: Duration,
}

impl Output {
    /// The last `count` lines of stderr that are not empty.
    pub fn last_lines(&self, count: usize) -> String {
        last_lines(&self.stderr, count)
    }

    /// Stdout as text without the last line feed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout)
            .trim_end_matches('\n')
            .to_owned()
    }
}

/// The last `count` lines of a text that are not empty.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
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
            cwd: None,
            stdin: None,
            timeout: None,
            grace: GRACE,
            orphaned: Signal::SIGTERM,
            bare: false,
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

    /// With nothing of our own environment: only what is set here.
    pub fn bare_environment(mut self) -> Self {
        self.bare = true;
        self
    }

    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }

    /// How long it may take to end when it is given up, before it is killed.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Has the kernel kill it should xtask be killed, in place of SIGTERM: for what is deaf to that and has nothing to tidy.
    pub fn killed_if_orphaned(mut self) -> Self {
        self.orphaned = Signal::SIGKILL;
        self
    }

    /// The command as a person would type it, for error messages.
    pub fn line(&self) -> String {
        let program = match self.program.file_name() {
            _ if self.program == own::program() => OsStr::new("xtask"),
            Some(name) => name,
            None => self.program.as_os_str(),
        };
        std::iter::once(program)
            .chain(self.args.iter().map(OsString::as_os_str))
            .map(|word| quote(&word.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs to the end with stdout and stderr captured. Errs only if the process could not be started.
    pub async fn capture(self) -> Result<Output> {
        self.stream(|_| ()).await
    }

    /// Like `capture`, and an ending other than exit 0 is an error with the last lines of stderr.
    pub async fn success(self) -> Result<Output> {
        let line = self.line();
        let output = self.capture().await?;
        if output.status.success() {
            return Ok(output);
        }
        let mut message = format!("`{line}` {}", output.status);
        let tail = output.last_lines(20);
        if !tail.is_empty() {
            message.push_str(":\n");
            message.push_str(&tail);
        }
        Err(Failure::failed(message).into())
    }

    /// Like `capture`, and each line of stderr is handed over the moment it is there.
    pub async fn stream(self, on_stderr: impl FnMut(&str)) -> Result<Output> {
        self.watch(|_| (), on_stderr).await
    }

    /// Like `stream`, and the process id is handed over first, for who measures the process while it runs.
    pub async fn watch(
        self,
        on_start: impl FnOnce(i32),
        on_stderr: impl FnMut(&str),
    ) -> Result<Output> {
        self.attend(on_start, None, on_stderr).await
    }

    /// Like `watch`, and each line of stdout is handed over the moment it is there, in place of being kept.
    pub async fn follow(
        self,
        on_start: impl FnOnce(i32),
        on_stdout: &mut (dyn FnMut(&str) + Send),
        on_stderr: impl FnMut(&str),
    ) -> Result<Output> {
        self.attend(on_start, Some(on_stdout), on_stderr).await
    }

    async fn attend(
        self,
        on_start: impl FnOnce(i32),
        on_stdout: Option<&mut (dyn FnMut(&str) + Send)>,
        mut on_stderr: impl FnMut(&str),
    ) -> Result<Output> {
        let started = Instant::now();
        let (mut child, group) = self.start(Stdio::piped())?;
        on_start(group.leader());
        let stdin = child.stdin.take();
        let bytes = self.stdin.clone().unwrap_or_default();
        let mut stdout = child.stdout.take().context("stdout was not captured")?;
        let stderr = child.stderr.take().context("stderr was not captured")?;

        let feed = async {
            if let Some(mut stdin) = stdin {
                // A process that does not read its input closes the pipe; its exit code tells.
                let _ = stdin.write_all(&bytes).await;
            }
        };
        let mut out = Vec::new();
        let read_out = async {
            match on_stdout {
                None => stdout.read_to_end(&mut out).await.map(|_| ()),
                Some(on_stdout) => {
                    lines(stdout, |line| on_stdout(line.trim_end_matches('\n'))).await
                }
            }
        };
        let mut err = String::new();
        let read_err = lines(stderr, |line| {
            on_stderr(line.trim_end_matches('\n'));
            err.push_str(line);
        });
        let all = async {
            let ((), read_out, read_err) = tokio::join!(feed, read_out, read_err);
            read_out?;
            read_err?;
            child.wait().await
        };
        let status = match self.timeout {
            None => status_of(all.await?),
            Some(after) => match tokio::time::timeout(after, all).await {
                Ok(status) => status_of(status?),
                Err(_) => {
                    group.end().await;
                    Status::TimedOut(after)
                }
            },
        };
        group.finish();
        Ok(Output {
            status,
            stdout: out,
            stderr: err,
            wall: started.elapsed(),
        })
    }

    /// Becomes the process: terminal, signals and exit code are its own from then on. Comes back with why it could not.
    pub fn become_it(&self) -> anyhow::Error {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let error = command.exec();
        anyhow::Error::new(error).context(format!("cannot start {}", self.program.display()))
    }

    fn start(&self, out: Stdio) -> Result<(tokio::process::Child, Group)> {
        let mut command = tokio::process::Command::new(&self.program);
        if self.bare {
            command.env_clear();
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(out)
            .stderr(Stdio::piped());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        Group::start(&mut command, self.grace, self.orphaned)
    }
}

/// Hands over each line, its line feed with it, the moment it is there.
async fn lines(pipe: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) -> std::io::Result<()> {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        each(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

fn status_of(status: ExitStatus) -> Status {
    match (status.code(), status.signal()) {
        (Some(code), _) => Status::Code(code),
        (None, Some(signal)) => Status::Signal(signal),
        (None, None) => Status::Code(-1),
    }
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,^#".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

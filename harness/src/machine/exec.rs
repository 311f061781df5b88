//! Commands in the guest: over the agent (as root or another user, whatever the network does), and over ssh.
//! Time-outs are guest seconds.

use std::time::Duration;

use super::Machine;
use crate::error::{Error, ErrorKind, Result};
use crate::patience::Patience;
use crate::process::{Command, Output};
use crate::qemu::agent::Progress;

/// How long one question to the agent may take, in guest seconds: it answers in milliseconds unless it is starved.
const ASK: Duration = Duration::from_secs(20);

/// For commands that name no time-out of their own.
const USUAL: Duration = Duration::from_secs(60);

/// Runs "$@" as the user $1, in its home.
const AS_USER: &str = r#"user=$1; shift
home=$(getent passwd "$user" | cut -d: -f6)
export HOME="$home" USER="$user" LOGNAME="$user"
cd "$home" 2>/dev/null || cd /
exec runuser -u "$user" -- "$@""#;

/// A command for a guest.
#[derive(Debug, Clone)]
pub struct Exec {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Vec<u8>,
    user: Option<String>,
    timeout: Duration,
}

impl Exec {
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            stdin: Vec::new(),
            user: None,
            timeout: USUAL,
        }
    }

    /// A script for /bin/sh.
    pub fn shell(script: &str) -> Self {
        Self::new(["/bin/sh", "-c", script])
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Instead of root.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Guest seconds; one minute if nothing is said.
    #[must_use]
    pub fn timeout(mut self, guest: Duration) -> Self {
        self.timeout = guest;
        self
    }

    fn line(&self) -> String {
        self.argv.join(" ")
    }

    fn argv(&self) -> Vec<String> {
        match &self.user {
            None => self.argv.clone(),
            Some(user) => ["/bin/sh", "-c", AS_USER, "as-user", user]
                .into_iter()
                .map(str::to_owned)
                .chain(self.argv.iter().cloned())
                .collect(),
        }
    }
}

/// A command that was started and not waited for. Dropping it leaves it running in the guest.
#[derive(Debug)]
pub struct Running {
    machine: Machine,
    pid: i64,
    line: String,
    patience: Patience,
    timeout: Duration,
}

impl Machine {
    /// Runs a command over the agent and waits for its end, whatever its exit code.
    ///
    /// # Errors
    /// `TimedOut` (the command is then killed), `Command` if it could not be started or the machine restarted
    /// meanwhile, `State`, `MachineDied`, `Panicked`.
    pub fn exec(&self, exec: Exec) -> Result<Output> {
        self.spawn(exec)?.wait()
    }

    /// A shell script that must succeed; gives its stdout without the last line feeds.
    ///
    /// # Errors
    /// Those of `exec`, and `Command` with the end of stderr for an exit code other than 0.
    pub fn shell(&self, script: &str) -> Result<String> {
        self.shell_within(script, USUAL)
    }

    /// The same with another time-out, in guest time.
    pub(crate) fn shell_within(&self, script: &str, guest: Duration) -> Result<String> {
        let output = self.exec(Exec::shell(script).timeout(guest))?;
        if output.success() {
            return Ok(output.text());
        }
        Err(Error::new(
            ErrorKind::Command,
            format!(
                "`{script}` exited {} on {}: {}",
                output.code,
                self.name(),
                output.last_lines(5)
            ),
        ))
    }

    /// Starts a command over the agent.
    pub fn spawn(&self, exec: Exec) -> Result<Running> {
        let vm = self.vm()?;
        let patience = Patience::new(exec.timeout, self.0.speed.scale, Some(vm.pid));
        let line = exec.line();
        let pid = self
            .0
            .agent
            .start(&exec.argv(), &exec.env, &exec.stdin, self.host_time(ASK))
            .map_err(|e| vm.why(e))
            .map_err(|e| e.context(format!("cannot run `{line}` on {}", self.name())))?;
        Ok(Running {
            machine: self.clone(),
            pid,
            line,
            patience,
            timeout: exec.timeout,
        })
    }

    /// Runs a command line over ssh as `user`, through the network, as the host's own programs do.
    /// Exit code 255 is ssh's own failure, as everywhere.
    pub fn ssh(&self, user: &str, command: &str, timeout: Duration) -> Result<Output> {
        Command::new(&self.0.run.0.harness.tools().ssh)
            .args(["-o", &crate::ssh::connect_timeout(self.0.speed.scale)])
            .args(self.ssh_args(user))
            .arg("--")
            .arg(command)
            .capture(self.host_time(timeout))
            .map_err(|e| e.context(format!("ssh {user}@{}", self.name())))
    }

    /// The arguments that lead ssh here: `-F FILE USER@NAME`.
    pub fn ssh_args(&self, user: &str) -> Vec<String> {
        vec![
            "-F".to_owned(),
            self.0.run.ssh_config().to_string_lossy().into_owned(),
            format!("{user}@{}", self.name()),
        ]
    }

    /// A file of the guest, over the agent (at most 16 MiB).
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let output = self.exec(Exec::new(["cat", "--", path]))?;
        match output.success() {
            true => Ok(output.stdout),
            false => Err(Error::new(
                ErrorKind::Command,
                format!(
                    "cannot read {path} of {}: {}",
                    self.name(),
                    output.last_lines(1)
                ),
            )),
        }
    }

    /// Writes a file of the guest, by rename, over the agent; for megabytes, not for hundreds of them.
    pub fn write_file(&self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let script = r#"set -e; mkdir -p "$(dirname "$1")"; cat >"$1.new"; chmod "$2" "$1.new"; mv "$1.new" "$1""#;
        let mode = format!("{mode:o}");
        let exec = Exec::new(["/bin/sh", "-c", script, "write", path, &mode]).stdin(content);
        let output = self.exec(exec)?;
        match output.success() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Command,
                format!(
                    "cannot write {path} of {}: {}",
                    self.name(),
                    output.last_lines(1)
                ),
            )),
        }
    }

    /// Guest time as time on this host.
    pub fn host_time(&self, guest: Duration) -> Duration {
        guest.mul_f64(self.0.speed.scale)
    }
}

impl Running {
    /// The process id in the guest.
    pub fn pid(&self) -> i64 {
        self.pid
    }

    /// Whether it has ended, without waiting; `Some` is given once.
    pub fn poll(&mut self) -> Result<Option<Output>> {
        let vm = self.machine.vm()?;
        let within = self.machine.host_time(ASK);
        let failed = |e: Error| {
            let restarted = e.kind() == ErrorKind::Refused;
            vm.trouble().unwrap_or(match restarted {
                // The agent of another boot knows nothing of this process.
                true => Error::new(ErrorKind::Command, "the machine restarted meanwhile"),
                false => e,
            })
        };
        let progress = self
            .machine
            .0
            .agent
            .progress(self.pid, within)
            .map_err(failed)
            .map_err(|e| e.context(format!("`{}` on {}", self.line, self.machine.name())))?;
        Ok(match progress {
            Progress::Running => None,
            Progress::Ended {
                code,
                stdout,
                stderr,
            } => Some(Output {
                code,
                stdout,
                stderr: String::from_utf8_lossy(&stderr).into_owned(),
                wall: self.patience.elapsed(),
            }),
        })
    }

    /// Waits for its end, within the command's time-out counted from its start.
    pub fn wait(mut self) -> Result<Output> {
        loop {
            if let Some(output) = self.poll()? {
                return Ok(output);
            }
            if self.patience.is_over() {
                return Err(self.give_up());
            }
            let nap = (self.patience.elapsed() / 10)
                .clamp(Duration::from_millis(5), Duration::from_millis(100));
            std::thread::sleep(nap);
        }
    }

    fn give_up(&self) -> Error {
        let kill = ["kill".to_owned(), "-KILL".to_owned(), self.pid.to_string()];
        // The time-out is the news; that the killing failed too is not.
        let _ = self
            .machine
            .0
            .agent
            .start(&kill, &[], b"", Duration::from_secs(2));
        Error::new(
            ErrorKind::TimedOut,
            format!(
                "`{}` on {} did not end within {} s",
                self.line,
                self.machine.name(),
                self.timeout.as_secs()
            ),
        )
    }
}

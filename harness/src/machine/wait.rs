//! Waiting for something of a machine, in guest seconds; a machine that died or panicked ends the wait at once.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{Exec, Machine};
use crate::error::{Error, ErrorKind, Result};
use crate::patience::Patience;

/// What can be waited for. For anything else there is `Machine::wait_until`.
#[derive(Debug, Clone)]
pub enum Wait {
    /// The agent answers: init runs.
    Agent,
    /// Something says `SSH-` on the forwarded port (the port itself is open before sshd is).
    Banner,
    /// `ssh root@NAME true` ends with 0.
    Ssh,
    /// A unit is active.
    Unit(String),
    /// A path exists.
    File(String),
    /// A command over the agent ends with 0.
    Command(Exec),
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent => f.write_str("the guest agent"),
            Self::Banner => f.write_str("the ssh banner"),
            Self::Ssh => f.write_str("a command over ssh"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::File(path) => write!(f, "{path}"),
            Self::Command(exec) => write!(f, "`{exec:?}`"),
        }
    }
}

impl Machine {
    /// Waits for one of the usual things.
    ///
    /// # Errors
    /// `TimedOut` with the last lines of the console, `Panicked`, `MachineDied`, `State`.
    pub fn wait_for(&self, wait: &Wait, guest: Duration) -> Result<()> {
        self.wait_until(&wait.to_string(), guest, || self.is_there(wait))
    }

    /// Asks again and again until it is so.
    ///
    /// # Errors
    /// As `wait_for`, and what `ask` errs with, if that is none of `TimedOut` and `Refused`.
    pub fn wait_until(
        &self,
        what: &str,
        guest: Duration,
        mut ask: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let vm = self.vm()?;
        let patience = Patience::new(guest, self.0.speed.scale, Some(vm.pid));
        loop {
            if let Some(trouble) = vm.trouble() {
                return Err(trouble.context(format!("waiting for {what} of {}", self.name())));
            }
            match ask() {
                Ok(true) => return Ok(()),
                Ok(false) => (),
                Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::Refused) => (),
                // Between the question and the answer it died: the next round says how.
                Err(e) if e.kind() == ErrorKind::MachineDied && vm.ended().is_none() => (),
                Err(e) => return Err(vm.why(e)),
            }
            if patience.is_over() {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "{} of {} was not there within {} s (guest time; {:.0} s on this host); \
                         its console ends with:\n{}",
                        what,
                        self.name(),
                        guest.as_secs(),
                        patience.elapsed().as_secs_f64(),
                        vm.console_tail(5)
                    ),
                )
                .try_next(format!("read {}", self.console().display())));
            }
            patience.pause();
        }
    }

    fn is_there(&self, wait: &Wait) -> Result<bool> {
        let succeeds = |exec: Exec| Ok(self.exec(exec)?.success());
        match wait {
            Wait::Agent => Ok(self.0.agent.answers(Duration::from_millis(500))),
            Wait::Banner => Ok(self.has_banner()),
            Wait::Ssh => self.ssh_works(),
            Wait::Unit(unit) => succeeds(Exec::new(["systemctl", "is-active", "--quiet", unit])),
            Wait::File(path) => succeeds(Exec::new(["test", "-e", path])),
            Wait::Command(exec) => succeeds(exec.clone()),
        }
    }

    fn has_banner(&self) -> bool {
        let Some(port) = self.port(22) else {
            return false;
        };
        // A slow cable needs two round trips until the banner is here.
        let within = self.host_time(Duration::from_secs(5));
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
            return false;
        };
        let mut start = [0u8; 4];
        stream
            .set_read_timeout(Some(within))
            .and_then(|()| stream.read_exact(&mut start))
            .is_ok_and(|()| &start == b"SSH-")
    }

    fn ssh_works(&self) -> Result<bool> {
        let output = self.ssh("root", "true", Duration::from_secs(20))?;
        if output.stderr.contains("Host key verification failed") {
            // sshd started between the two keys, and had not yet said that it may be told.
            self.shell("systemctl reload ssh.service")?;
        }
        Ok(output.success())
    }
}

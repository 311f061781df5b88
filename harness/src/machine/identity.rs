//! What makes one copy of a machine different from the next: name, id, keys, clock, address.

use std::time::{Duration, SystemTime};

use super::{Exec, Machine, Ready};
use crate::cache;
use crate::error::{Error, ErrorKind, Result};

const LIMIT: Duration = Duration::from_secs(30);

impl Machine {
    /// Gives a machine its own identity, over the agent: its network may still be another's.
    pub(super) fn identify(&self) -> Result<()> {
        let inner = &*self.0;
        let id = cache::read_text("/proc/sys/kernel/random/uuid".as_ref())?
            .trim()
            .replace('-', "");
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|e| Error::new(ErrorKind::Io, format!("the host's clock is wrong: {e}")))?;
        let (hosts, address) = match &inner.spec.lan {
            Some(lan) => (lan.hosts(), lan.address(self.name())?),
            None => (String::new(), String::new()),
        };
        let clock = format!("{:.3}", now.as_secs_f64());
        let argv = [
            "/usr/lib/harness/identify",
            self.name(),
            &id,
            &clock,
            &inner.run.0.identity.public_key,
            &hosts,
            &address,
            &inner.mac,
            self.host_key(),
        ];
        let output = self.exec(
            Exec::new(argv)
                .stdin(inner.host_key.private.as_bytes())
                .timeout(LIMIT),
        )?;
        if output.success() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Command,
            format!(
                "cannot give {} its identity (exit code {}): {}",
                self.name(),
                output.code,
                output.last_lines(5)
            ),
        ))
    }

    /// Waits for what the caller counts as up.
    pub(super) fn wait_ready(&self, guest: Duration) -> Result<()> {
        match self.0.spec.ready {
            Ready::Agent => Ok(()),
            Ready::Banner => self.wait_for(&super::Wait::Banner, guest),
            Ready::Ssh => self.wait_for(&super::Wait::Ssh, guest),
        }
    }
}

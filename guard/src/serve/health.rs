//! Whether the host is healthy at this moment: what it says when it is asked, and what a trial is judged by.

use std::os::unix::net::UnixStream;
use std::sync::TryLockError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Service;
use crate::answer::Health;
use crate::health::failed_checks;
use crate::process::Program;
use crate::refusal::{Code, Refusal};
use crate::system::System;

const PAUSE: Duration = Duration::from_secs(1);

impl Service {
    /// Runs the host's checks, once systemd has started everything or `wait` is over.
    ///
    /// # Errors
    /// `busy`, if an activation goes on, whose health is its own matter, or the checks are being run for somebody else:
    /// a key's holder makes the host do them once at a time. Else if systemd cannot be asked.
    pub(super) fn health(&self, stream: &UnixStream, wait: Duration) -> Result<Health> {
        if self.store.read()?.current.is_some() {
            return Err(Refusal::new(Code::Busy).into());
        }
        let _checking = match self.checking.try_lock() {
            Ok(checking) => checking,
            // A check that panicked leaves nothing behind.
            Err(TryLockError::Poisoned(checking)) => checking.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Refusal::because(Code::Busy, "its checks are being run").into())
            }
        };
        self.wait_until_up(wait, || self.is_gone(stream));
        self.examine()
    }

    /// Waits until systemd has started everything, but no longer than this, and not if `gone` says that nobody waits.
    pub(super) fn wait_until_up(&self, within: Duration, gone: impl Fn() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < within && !self.is_up() && !gone() {
            std::thread::sleep(PAUSE);
        }
    }

    /// # Errors
    /// If systemd or the kernel cannot be asked.
    pub(super) fn examine(&self) -> Result<Health> {
        let log = std::fs::File::options().append(true).open("/dev/null");
        let log = log.context("there is no /dev/null")?;
        let failed_checks = failed_checks(&self.config, &self.config.health_checks, &log);
        let system = System {
            config: &self.config,
        };
        Ok(Health {
            host: self.config.host.clone(),
            boot_id: self.config.boot_id()?,
            is_up: self.is_up(),
            failed_checks,
            failed_units: system.failed_units()?,
        })
    }

    fn is_up(&self) -> bool {
        let asked = Program::new(&self.config.programs.systemctl)
            .args(["is-system-running"])
            .capture();
        asked.is_ok_and(|asked| matches!(asked.stdout.trim_ascii(), b"running" | b"degraded"))
    }
}

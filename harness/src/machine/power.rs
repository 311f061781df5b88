//! Power: boot, reboot, power off, power cut, freeze. Boots take one of the host's places for boots.

use std::time::Duration;

use serde_json::json;

use super::{lock, Exec, Machine, Wait};
use crate::error::{Error, ErrorKind, Result};
use crate::patience::Patience;
use crate::qemu::process::Vm;

/// Firmware, loader, kernel, init: guest seconds until the agent answers, and until ssh does after that.
const BOOT: Duration = Duration::from_secs(120);
const READY: Duration = Duration::from_secs(60);
/// Stopping all units; they are given 30 s each.
const SHUTDOWN: Duration = Duration::from_secs(90);

impl Machine {
    pub(super) fn first_boot(self) -> Result<Self> {
        let _slot = self.0.run.0.harness.boot_slot()?;
        self.note("cold boot");
        self.launch(false)?;
        self.wait_for(&Wait::Agent, BOOT)?;
        self.identify()?;
        self.wait_ready(READY)?;
        self.note("up");
        Ok(self)
    }

    /// Starts a machine that is off; what boots is what firmware and loader choose.
    ///
    /// # Errors
    /// `State` if it is on; otherwise those of a start.
    pub fn power_on(&self) -> Result<()> {
        self.power_on_within(BOOT)
    }

    /// The same, all of it within this guest time; the wait for a place does not count. Gives the clock, which goes on.
    pub(crate) fn reboot_within(&self, within: Duration) -> Result<Patience> {
        let _slot = self.0.run.0.harness.boot_slot()?;
        let vm = self.vm()?;
        let patience = Patience::new(within, self.0.speed.scale, Some(vm.pid));
        self.restart_guest(&vm, within)?;
        self.wait_up_until(&patience)?;
        Ok(patience)
    }

    /// As `reboot_within`, for `power_on`.
    pub(crate) fn power_on_until_up(&self, within: Duration) -> Result<Patience> {
        self.require_off()?;
        let _slot = self.0.run.0.harness.boot_slot()?;
        self.note("power on");
        let vm = self.launch(false)?;
        let patience = Patience::new(within, self.0.speed.scale, Some(vm.pid));
        self.wait_up_until(&patience)?;
        Ok(patience)
    }

    fn wait_up_until(&self, patience: &Patience) -> Result<()> {
        self.wait_for(&Wait::Agent, patience.left_to_guest())?;
        self.wait_ready(patience.left_to_guest())?;
        self.note("up");
        Ok(())
    }

    fn require_off(&self) -> Result<()> {
        match self.is_on() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::State,
                format!("{} is on already", self.name()),
            )),
        }
    }

    /// The same with another time-out for the boot, in guest time.
    pub fn power_on_within(&self, boot: Duration) -> Result<()> {
        self.require_off()?;
        let _slot = self.0.run.0.harness.boot_slot()?;
        self.note("power on");
        self.launch(false)?;
        self.wait_up_within(boot)
    }

    /// Asks the guest to restart and waits until it is up again. Needs a machine that boots by itself.
    pub fn reboot(&self) -> Result<()> {
        let _slot = self.0.run.0.harness.boot_slot()?;
        self.restart_guest(&*self.vm()?, SHUTDOWN)?;
        self.wait_up()
    }

    /// Asks the guest to restart and waits until its machine does.
    fn restart_guest(&self, vm: &Vm, within: Duration) -> Result<()> {
        let mark = vm.qmp.mark();
        self.note("reboot");
        // The agent goes down with the system: only the event counts.
        self.spawn(Exec::new(["systemctl", "--no-block", "reboot"]))?;
        self.await_event_within(mark, &["RESET"], "restart", within)
    }

    /// The reset button: nothing is written, nobody is asked.
    pub fn reset(&self) -> Result<()> {
        let _slot = self.0.run.0.harness.boot_slot()?;
        let vm = self.vm()?;
        let mark = vm.qmp.mark();
        self.note("reset");
        vm.qmp.ask("system_reset", json!({}))?;
        self.await_event(mark, &["RESET"], "reset")?;
        self.wait_up()
    }

    /// For a restart that the guest began on its own: waits for it, and until the machine is up.
    pub fn wait_rebooted(&self, mark: usize) -> Result<()> {
        self.await_event(mark, &["RESET"], "restart")?;
        self.wait_up()
    }

    /// A mark for `wait_rebooted`.
    pub fn mark(&self) -> Result<usize> {
        Ok(self.vm()?.qmp.mark())
    }

    /// Asks the guest to power off and waits until it has; one that hangs in it is ended and reported.
    pub fn power_off(&self) -> Result<()> {
        let vm = self.vm()?;
        let mark = vm.qmp.mark();
        self.note("power off");
        self.spawn(Exec::new(["systemctl", "--no-block", "poweroff"]))?;
        let result = self.await_event(mark, &["SHUTDOWN"], "power off");
        if vm.wait_end(Duration::from_secs(10)).is_none() {
            vm.kill();
        }
        *lock(&self.0.vm) = None;
        result
    }

    /// The plug is pulled: what was not written to the disk is gone.
    pub fn power_cut(&self) -> Result<()> {
        let vm = self.vm()?;
        vm.kill();
        self.note("power cut");
        *lock(&self.0.vm) = None;
        Ok(())
    }

    /// Stands still, clock and all, until `thaw`.
    pub fn freeze(&self) -> Result<()> {
        self.note("freeze");
        self.vm()?.qmp.ask("stop", json!({})).map(drop)
    }

    pub fn thaw(&self) -> Result<()> {
        self.note("thaw");
        self.vm()?.qmp.ask("cont", json!({})).map(drop)
    }

    /// Whether it stands still; one that is off does not.
    pub(crate) fn is_frozen(&self) -> Result<bool> {
        Ok(self.is_on() && !self.vm()?.is_running()?)
    }

    /// Whether it is switched on, whatever its guest does. One that powered itself off is not.
    pub fn is_on(&self) -> bool {
        self.vm().is_ok_and(|vm| vm.ended().is_none())
    }

    /// Whether QEMU runs and is not frozen.
    pub fn is_running(&self) -> bool {
        self.vm()
            .and_then(|vm| vm.is_running())
            .is_ok_and(|running| running)
    }

    /// Waits until the machine is what its spec counts as up.
    pub fn wait_up(&self) -> Result<()> {
        self.wait_up_within(BOOT)
    }

    fn wait_up_within(&self, boot: Duration) -> Result<()> {
        self.wait_for(&Wait::Agent, boot)?;
        self.wait_ready(READY)?;
        self.note("up");
        Ok(())
    }

    fn await_event(&self, mark: usize, names: &[&str], what: &str) -> Result<()> {
        self.await_event_within(mark, names, what, SHUTDOWN)
    }

    fn await_event_within(
        &self,
        mark: usize,
        names: &[&str],
        what: &str,
        within: Duration,
    ) -> Result<()> {
        let vm = self.vm()?;
        let patience = Patience::new(within, self.0.speed.scale, Some(vm.pid));
        loop {
            let slice = patience.left().min(Duration::from_millis(500));
            if vm.qmp.event_since(mark, names, slice).is_some() {
                return Ok(());
            }
            if let Some(trouble) = vm.trouble() {
                return Err(trouble);
            }
            if patience.is_over() {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "{} did not {what} within {} s (guest time); its console ends with:\n{}",
                        self.name(),
                        within.as_secs(),
                        vm.console_tail(5)
                    ),
                )
                .try_next(format!("read {}", self.console().display())));
            }
        }
    }
}

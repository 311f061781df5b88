//! Who may reboot the host, and when.

use anyhow::Result;

use super::Service;
use crate::admission::{Asker, Wish};
use crate::answer::Event;
use crate::process::Program;
use crate::refusal::{Code, Refusal};
use crate::state::State;
use crate::time::Time;
use crate::window::Opening;

impl Service {
    /// CI's key only where it is due and nobody has to be there; nobody's in the middle of something, and nobody's out of
    /// the window but an operator's who says so.
    pub(super) fn reboot(&self, asker: &Asker, now: bool) -> Result<Option<Wish>> {
        let state = self.store.read()?;
        let reasons = self.reboot_reasons(&state);
        if state.current.is_some() {
            return Err(Refusal::new(Code::Busy).into());
        }
        if let Some(hold) = state.hold.as_ref().filter(|hold| hold.by != asker.name) {
            return Err(Refusal::because(Code::Held, format!("by {}", hold.by)).into());
        }
        if !asker.operator {
            if now {
                return Err(Refusal::because(Code::NotOperator, &asker.name).into());
            }
            if !self.config.unattended_reboot {
                return Err(Refusal::new(Code::RebootForbidden).into());
            }
            if reasons.is_empty() {
                return Err(Refusal::new(Code::NoRebootDue).into());
            }
        }
        let window = self.config.reboot_window.as_ref().filter(|_| !now);
        if let Some((window, Opening::At(opens))) =
            window.map(|window| (window, window.at(Time::now().unix())))
        {
            let text = format!("{window}, opens at {}", Time::from_unix(opens));
            return Err(Refusal::because(Code::OutsideWindow, text).into());
        }
        self.record(asker, Event::Reboot { reasons })?;
        self.reboot_now()?;
        Ok(None)
    }

    pub(super) fn reboot_now(&self) -> Result<()> {
        Program::new(&self.config.programs.systemctl)
            .args(["--no-block", "reboot"])
            .output()
            .map(drop)
    }

    fn reboot_reasons(&self, state: &State) -> Vec<String> {
        let mut reasons = self.system().toplevels().reboot_due();
        if state.trial.as_ref().is_some_and(|trial| !trial.booted) {
            reasons.push("boot-pending".to_owned());
        }
        reasons
    }
}

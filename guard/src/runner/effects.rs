//! What an activation's steps do to the host.

mod checks;
mod health;

use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use super::finish::refresh_roots;
use super::meeting::Awaiting;
use super::Runner;
use crate::admission::Admission;
use crate::boot_loader::{default_entry, entry_of};
use crate::machine::{Effects, Result as StepResult, Step};
use crate::process::{Exit, Program};
use crate::refusal::Refusal;
use crate::state::Current;
use crate::store_path::StorePath;
use crate::time::Time;

/// Beyond these, a client asks for more than a confirmation can need.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(50);
/// `switch-to-configuration`: a unit failed.
const UNIT_FAILED: i32 = 4;
/// `switch-to-configuration`: the init differs.
const NEEDS_REBOOT: i32 = 100;

pub(super) struct Real<'r, 'c> {
    pub runner: &'r mut Runner<'c>,
    pub current: Current,
    pub admission: Option<Admission>,
    pub failed_before: Vec<String>,
}

impl Effects for Real<'_, '_> {
    fn record(&mut self, step: Step) -> Result<()> {
        self.current.step = step;
        self.current.confirm_until = match step {
            Step::Confirm => Some(self.confirmation_deadline()),
            _ => None,
        };
        let current = self.current.clone();
        let state = self.runner.store.change(|state| {
            state.current = Some(current);
            state.clone()
        })?;
        refresh_roots(&self.runner.system(), &state)
    }

    fn perform(&mut self, step: Step) -> StepResult {
        let result = match step {
            Step::Check => return self.check(),
            Step::DryActivate => self
                .switch(&self.candidate(), "dry-activate")
                .and_then(plainly),
            Step::Activate => return self.activate(),
            Step::Health => return self.health(),
            Step::Confirm => return self.confirm(),
            Step::ProtectDefault => self.protect_default(),
            Step::SetProfile => self.set_profile(),
            Step::WriteBoot => self.write_boot(),
            Step::ArmOnce => self.arm_once(),
            Step::RestoreProfile => self.restore_profile(),
            Step::RestoreBoot => self.restore_boot(),
            Step::ClearVariables => self.runner.system().boot_loader().clear(),
            Step::ActivatePrevious => self.activate_previous(),
        };
        match result {
            Ok(()) => StepResult::Done,
            Err(error) => self.failed(&error),
        }
    }
}

fn plainly(exit: Exit) -> Result<()> {
    match exit {
        Exit::Code(0) => Ok(()),
        exit => bail!("switch-to-configuration {exit}"),
    }
}

impl Real<'_, '_> {
    fn candidate(&self) -> StorePath {
        self.current.activation.toplevel.clone()
    }

    fn failed(&mut self, error: &anyhow::Error) -> StepResult {
        let text = format!("{error:#}");
        self.runner.say(&text);
        StepResult::Failed(text)
    }

    fn refuse(&self, refusal: Refusal) -> StepResult {
        StepResult::Refused(refusal)
    }

    /// The release's own program, and the only one that is run out of a closure: in its own session of output, with
    /// nothing of anybody's environment.
    fn switch(&mut self, toplevel: &StorePath, action: &str) -> Result<Exit> {
        let time = self.runner.config.activation_timeout();
        self.switch_within(time, toplevel, action)
    }

    /// The same for what ran or booted before.
    fn switch_back(&mut self, toplevel: &StorePath, action: &str) -> Result<Exit> {
        let time = self.runner.config.going_back_timeout();
        self.switch_within(time, toplevel, action)
    }

    fn switch_within(
        &mut self,
        time: Duration,
        toplevel: &StorePath,
        action: &str,
    ) -> Result<Exit> {
        self.runner.say(&format!("{action} {}", toplevel.name()));
        Program::new(toplevel.join("bin/switch-to-configuration"))
            .args([action])
            .env("PATH", &self.runner.config.path)
            .within(time)
            .into_file(&self.runner.log)
    }

    fn activate(&mut self) -> StepResult {
        let system = self.runner.system();
        // Without the list no unit counts as failed before, and the check of units is the stricter for it.
        self.failed_before = system.failed_units().unwrap_or_default();
        let new = self.candidate();
        let exit = match self.switch(&new, "test") {
            Ok(exit) => exit,
            Err(error) => return self.failed(&error),
        };
        let text = match exit {
            Exit::Code(0) => return StepResult::Done,
            Exit::TimedOut => return StepResult::TimedOut,
            Exit::Code(UNIT_FAILED) => match self.newly_failed() {
                Ok(units) if units.is_empty() => return StepResult::Done,
                Ok(units) => format!("units failed: {}", units.join(", ")),
                Err(error) => format!("{error:#}"),
            },
            Exit::Code(NEEDS_REBOOT) => {
                "only a reboot can bring it: release it with the action boot".to_owned()
            }
            exit => format!("switch-to-configuration {exit}"),
        };
        self.runner.say(&text);
        StepResult::Failed(text)
    }

    /// What counts is what runs afterwards: a unit that failed before may fail again.
    fn activate_previous(&mut self) -> Result<()> {
        let previous = self.current.activation.previous.clone();
        let previous = previous.context("nobody knows what ran before")?;
        let exit = self.switch_back(&previous, "test")?;
        let runs = self.runner.system().toplevels().running();
        match exit {
            Exit::Code(0 | UNIT_FAILED) if runs.as_ref() == Some(&previous) => Ok(()),
            Exit::Code(0) => bail!("{previous} was activated, but does not run"),
            exit => bail!("switch-to-configuration of {previous} {exit}"),
        }
    }

    fn confirmation_deadline(&self) -> Time {
        let asked = self.admission.as_ref().map_or(Duration::ZERO, |admission| {
            admission.confirm_timeout.min(LONGEST_CONFIRMATION)
        });
        Time::now().plus(asked)
    }

    fn confirm(&mut self) -> StepResult {
        let (Some(until), Some(profile)) =
            (self.current.confirm_until, self.current.profile.clone())
        else {
            return StepResult::Failed("there is nothing to confirm".to_owned());
        };
        let wait = until.since(Time::now());
        let deadline = std::time::Instant::now() + wait;
        let id = self.current.activation.id.clone();
        let awaiting = Awaiting {
            profile,
            by: self.current.activation.by.clone(),
            until,
        };
        if let Err(error) = self.runner.meeting.await_confirmation(&id, &awaiting) {
            return self.failed(&error);
        }
        self.runner.say(&format!(
            "activated; to be confirmed by a new connection within {} s",
            wait.as_secs()
        ));
        while std::time::Instant::now() < deadline {
            if !self.runner.meeting.canary_is_there(&id) {
                return StepResult::Done;
            }
            std::thread::sleep(PAUSE);
        }
        // Whoever takes the canary decides.
        if self.runner.meeting.take_canary(&id) {
            let text = "nobody confirmed it";
            self.runner.say(text);
            StepResult::Failed(text.to_owned())
        } else {
            StepResult::Done
        }
    }

    fn protect_default(&mut self) -> Result<()> {
        let system = self.runner.system();
        let loader = system.boot_loader();
        let entries = loader.entries()?;
        let default = default_entry(&entries).context("the boot loader has no default")?;
        loader.protect(&default.id)
    }

    fn arm_once(&mut self) -> Result<()> {
        let new = self.candidate();
        let system = self.runner.system();
        let loader = system.boot_loader();
        let entries = loader.entries()?;
        let entry = entry_of(&entries, &new)
            .with_context(|| format!("the boot loader has no entry for {new}"))?;
        loader.boot_once(&entry.id)
    }

    fn set_profile(&mut self) -> Result<()> {
        let new = self.candidate();
        let system = self.runner.system();
        system.set_profile(&new)?;
        if system.toplevels().profile().as_ref() == Some(&new) {
            Ok(())
        } else {
            bail!("the system profile does not lead to {new}")
        }
    }

    fn write_boot(&mut self) -> Result<()> {
        let new = self.candidate();
        self.switch(&new, "boot").and_then(plainly)?;
        if self.current.on_trial {
            // The default is the old one until the trial is over; the entry is looked for when it is armed.
            return Ok(());
        }
        self.boots(&new)
    }

    fn boots(&self, toplevel: &StorePath) -> Result<()> {
        match self.runner.system().toplevels().boot_default()? {
            Some(default) if default == *toplevel => Ok(()),
            Some(other) => bail!("the boot loader's default is {other} and not {toplevel}"),
            None => bail!("the boot loader has no default"),
        }
    }

    fn restore_profile(&mut self) -> Result<()> {
        let new = self.candidate();
        let before = self.current.profile_before.clone();
        let before = before.context("nobody knows what the profile was")?;
        self.runner.system().restore_profile(&before, &new)
    }

    fn restore_boot(&mut self) -> Result<()> {
        let old = self.current.boot_default.clone();
        let old = old.context("nobody knows what booted by default")?;
        self.switch_back(&old, "boot").and_then(plainly)?;
        self.boots(&old)
    }
}

/// Bytes of a file that a closure has, through its links.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

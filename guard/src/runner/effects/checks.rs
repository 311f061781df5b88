//! Everything that can refuse an activation, before anything has been touched.

use anyhow::{Context, Result};

use super::{size, Real};
use crate::answer::Purpose;
use crate::boot_loader::entry_of;
use crate::closure;
use crate::config::{Config, Loader, FILE};
use crate::machine::Result as StepResult;
use crate::refusal::{Code, Refusal};
use crate::signature;
use crate::store_path::StorePath;

/// Programs and files without which the guard cannot switch to a closure.
const PARTS: [&str; 2] = ["bin/switch-to-configuration", "init"];

type Checked = Result<std::result::Result<(), Refusal>>;

impl Real<'_, '_> {
    pub(super) fn check(&mut self) -> StepResult {
        type Check<'r, 'c> = fn(&Real<'r, 'c>) -> Checked;
        let checks: [Check<'_, '_>; 5] = [
            Self::release_is_still_signed,
            Self::closure_is_signed,
            Self::is_a_system,
            Self::has_a_guard,
            Self::has_space,
        ];
        for check in checks {
            match check(self) {
                Ok(Ok(())) => (),
                Ok(Err(refusal)) => return self.refuse(refusal),
                Err(error) => return self.failed(&error),
            }
        }
        StepResult::Done
    }

    /// Whether what happens was decided by a release, rather than by what this host already had.
    fn is_deployed(&self) -> bool {
        matches!(
            self.current.activation.purpose,
            Purpose::Switch | Purpose::Boot | Purpose::Test | Purpose::DryActivate
        )
    }

    /// Who may sign can have changed since the release was accepted.
    fn release_is_still_signed(&self) -> Checked {
        if !self.is_deployed() {
            return Ok(Ok(()));
        }
        let config = self.runner.config;
        if self.current.activation.release.is_none() {
            // A build, which no release names; the host can have stopped taking them since.
            let takes_builds = config.upgrade.as_ref().is_some_and(|it| it.takes_builds);
            let refusal = || Refusal::new(Code::NoBuilds);
            return Ok(takes_builds.then_some(()).ok_or_else(refusal));
        }
        let state = self.runner.store.read()?;
        let accepted = state.release.context("there is no release")?;
        let signer = signature::signer(
            &config.programs.ssh_keygen,
            &config.allowed_signers,
            self.runner.meeting.scratch(),
            &accepted.signed,
        )?;
        Ok(signer.map(drop))
    }

    /// Also of what is rolled back to: the store is not what it was, if somebody repaired it.
    fn closure_is_signed(&self) -> Checked {
        // The host returns to what it boots anyway.
        if self.current.activation.purpose == Purpose::LeaseEnd {
            return Ok(Ok(()));
        }
        let config = self.runner.config;
        if !self.is_deployed() {
            let there = self.candidate().as_path().exists();
            let refusal = || Refusal::because(Code::NotInStore, self.candidate());
            return Ok(there.then_some(()).ok_or_else(refusal));
        }
        closure::check(
            &config.programs.nix,
            &config.trusted_keys()?,
            &self.candidate(),
        )
    }

    fn is_a_system(&self) -> Checked {
        let new = self.candidate();
        let missing = PARTS.iter().find(|part| !new.join(part).exists());
        Ok(match missing {
            Some(part) => Err(Refusal::because(
                Code::NotASystem,
                format!("{part} is missing"),
            )),
            None => Ok(()),
        })
    }

    fn has_a_guard(&self) -> Checked {
        let removes = |admission: &crate::admission::Admission| admission.removes_guard;
        if self.admission.as_ref().is_some_and(removes) {
            return Ok(Ok(()));
        }
        let new = self.candidate();
        let path = new.join(FILE.trim_start_matches('/'));
        if !path.exists() {
            return Ok(Err(Refusal::because(Code::RemovesGuard, &new)));
        }
        let its = Config::of_toplevel(&new)?;
        Ok(match its {
            Some(part) if part.host == self.runner.config.host => Ok(()),
            Some(part) => Err(Refusal::because(Code::OtherHost, part.host)),
            None => Err(Refusal::because(Code::RemovesGuard, &new)),
        })
    }

    fn has_space(&self) -> Checked {
        let purpose = self.current.activation.purpose;
        if matches!(purpose, Purpose::LeaseEnd | Purpose::DryActivate) {
            return Ok(Ok(()));
        }
        let config = self.runner.config;
        let free = self.runner.system().free_bytes()?;
        let short = |code, free: u64, needed: u64| {
            let text = format!("{free} bytes are free, {needed} are needed");
            Ok(Err(Refusal::because(code, text)))
        };
        // The closure itself is there already; what follows needs logs, links and state.
        if free.store < config.min_free.store && purpose != Purpose::Rollback {
            return short(Code::NoSpace, free.store, config.min_free.store);
        }
        let writes_boot = matches!(purpose, Purpose::Switch | Purpose::Boot | Purpose::Keep);
        match free.esp {
            Some(free) if writes_boot => {
                let needed = config.min_free.esp + self.boot_files(&self.candidate());
                if free < needed {
                    return short(Code::NoEspSpace, free, needed);
                }
                Ok(Ok(()))
            }
            _ => Ok(Ok(())),
        }
    }

    /// Bytes that a closure's kernel and initrd take, unless an entry has them already.
    fn boot_files(&self, toplevel: &StorePath) -> u64 {
        if self.runner.config.loader == Loader::SystemdBoot {
            let entries = self.runner.system().boot_loader().entries();
            if entries.is_ok_and(|entries| entry_of(&entries, toplevel).is_some()) {
                return 0;
            }
        }
        let here = self.runner.system().toplevels().booted();
        ["kernel", "initrd"]
            .iter()
            .filter(|part| {
                let target = |of: &StorePath| std::fs::canonicalize(of.join(part)).ok();
                here.as_ref()
                    .is_none_or(|here| target(here) != target(toplevel))
            })
            .map(|part| size(&toplevel.join(part)))
            .sum()
    }
}

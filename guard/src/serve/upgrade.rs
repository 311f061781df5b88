//! A host that looks for what is new itself: who rings, what it may ask for, and what it says came of it.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use super::verbs::activation;
use super::Service;
use crate::admission::{accept_build, Asker, Wish, UPGRADE};
use crate::answer::{BuildAccepted, Poll, Upgrade, UpgradeResult};
use crate::command::{parse_words, Command};
use crate::process::Program;
use crate::refusal::{one_line, Code, Refusal};
use crate::state::AcceptedBuild;
use crate::store_path::StorePath;
use crate::time::Time;
use crate::wire::Request;

/// No more than it takes to have a release activated: it is CI without a key, and not even all of that.
pub(super) fn asker(request: &Request) -> Result<Asker> {
    if request.name.is_some() {
        bail!("the host itself goes by no key's name");
    }
    let may = match parse_words(&request.words)? {
        Command::AcceptRelease
        | Command::AcceptBuild { .. }
        | Command::Status
        | Command::History { .. }
        | Command::Activate(_)
        | Command::Wait { .. }
        | Command::Confirm { .. }
        | Command::Reboot { now: false }
        | Command::Upgraded { .. } => true,
        Command::StoreServe
        | Command::StoreDaemon
        | Command::Revoke { .. }
        | Command::Health { .. }
        | Command::Poll { .. }
        | Command::Rollback { .. }
        | Command::Keep
        | Command::Reboot { now: true }
        | Command::Hold { .. }
        | Command::Unhold => false,
    };
    if !may {
        return Err(Refusal::because(Code::NotPermitted, UPGRADE).into());
    }
    Ok(Asker {
        name: UPGRADE.to_owned(),
        operator: false,
    })
}

impl Service {
    /// Has the host look for something newer, as its timer does, and waits for what comes of it.
    pub(super) fn poll(&self, stream: &UnixStream, wait: Duration) -> Result<Poll> {
        let upgrades = self.config.upgrade.as_ref();
        let upgrades = upgrades.ok_or(Refusal::new(Code::NoUpgrades))?;
        let number = |upgrade: Option<&Upgrade>| upgrade.map_or(0, |upgrade| upgrade.number);
        let before = number(self.store.read()?.upgrade.as_ref());
        Program::new(&self.config.programs.systemctl)
            .args(["start", "--no-block", &upgrades.unit])
            .output()
            .context("cannot start the upgrade")?;
        let deadline = Instant::now() + wait;
        loop {
            let state = self.store.read()?;
            let upgrade = state.upgrade.clone();
            let upgrade = upgrade.filter(|upgrade| upgrade.number > before);
            if upgrade.is_some() || Instant::now() >= deadline || self.is_gone(stream) {
                return Ok(Poll {
                    host: self.config.host.clone(),
                    state: state.host_state(),
                    activation: activation(&state),
                    upgrade,
                });
            }
            std::thread::sleep(super::follow::PAUSE);
        }
    }

    /// Only the host's own upgrades know what they came to.
    pub(super) fn upgraded(
        &self,
        asker: &Asker,
        result: UpgradeResult,
        text: Option<String>,
    ) -> Result<Option<Wish>> {
        only_upgrades(asker)?;
        self.store.change(|state| {
            let before = state.upgrade.as_ref().map_or(0, |upgrade| upgrade.number);
            state.upgrade = Some(Upgrade {
                number: before + 1,
                at: Time::now(),
                result,
                text: one_line(&text.unwrap_or_default()),
            });
        })?;
        Ok(None)
    }

    pub(super) fn accept_build(
        &self,
        asker: &Asker,
        toplevel: StorePath,
        build: u64,
    ) -> Result<BuildAccepted> {
        only_upgrades(asker)?;
        if !self
            .config
            .upgrade
            .as_ref()
            .is_some_and(|it| it.takes_builds)
        {
            return Err(Refusal::new(Code::NoBuilds).into());
        }
        let known = self.store.change(|state| -> Result<bool, Refusal> {
            let known = accept_build(state, &toplevel, build)?;
            if !known {
                state.build = Some(AcceptedBuild {
                    toplevel,
                    build,
                    accepted: Time::now(),
                });
            }
            Ok(known)
        })??;
        Ok(BuildAccepted {
            host: self.config.host.clone(),
            build,
            known,
        })
    }
}

fn only_upgrades(asker: &Asker) -> Result<(), Refusal> {
    if asker.name == UPGRADE {
        Ok(())
    } else {
        Err(Refusal::because(Code::NotPermitted, &asker.name))
    }
}

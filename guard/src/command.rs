//! What a key's holder asks for: `SSH_ORIGINAL_COMMAND`, taken apart without a shell. Exactly the command lines that
//! deploy-rs, Nix and the guard's own clients send are known; all else is refused.

mod parse;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::UpgradeResult;
use crate::release::ActionKind;
use crate::store_path::StorePath;

pub use parse::{parse, parse_words};
pub(crate) use words::{quoted, split};

/// Bytes of a command line. deploy-rs's longest has some 400.
pub const LIMIT: usize = 4096;
/// Bytes of a reason, and of what an upgrade came to.
pub const TEXT_LIMIT: usize = 200;

/// A command line that the guard knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `nix-store --serve --write`: what `nix copy --to ssh://` talks to.
    StoreServe,
    /// `nix-daemon --stdio`: what `nix copy --to ssh-ng://` talks to.
    StoreDaemon,
    /// deploy-rs's remote half.
    Activate(Activate),
    Wait {
        profile: StorePath,
        timeout: Duration,
    },
    Confirm {
        hash: String,
    },
    Revoke {
        profile: StorePath,
    },
    /// The guard's own.
    AcceptRelease,
    Status,
    /// `wait` is for how long systemd may still be starting.
    Health {
        wait: Duration,
    },
    History {
        limit: usize,
    },
    Poll {
        wait: Duration,
    },
    Rollback {
        to: Option<u64>,
    },
    Keep,
    Hold {
        reason: Option<String>,
    },
    Unhold,
    Reboot {
        /// Whatever the host's window says.
        now: bool,
    },
    /// What the host's own upgrades say, and nobody else.
    AcceptBuild {
        toplevel: StorePath,
        build: u64,
    },
    Upgraded {
        result: UpgradeResult,
        text: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activate {
    /// What deploy-rs calls the closure: the release says which toplevel belongs to it.
    pub profile: StorePath,
    pub mode: Mode,
    /// Whether a new connection is to confirm the activation.
    pub confirmed: bool,
    pub confirm_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Dry,
    /// With no flag deploy-rs asks for a switch; before 1.0.0 it had no flag for a test.
    Plain,
    Boot,
    Test,
}

impl Mode {
    /// Whether a release's action may be asked for this way.
    pub fn fits(self, action: ActionKind) -> bool {
        match self {
            Self::Dry => true,
            Self::Plain => matches!(action, ActionKind::Switch | ActionKind::Test),
            Self::Boot => action == ActionKind::Boot,
            Self::Test => action == ActionKind::Test,
        }
    }
}

impl Activate {
    /// As deploy-rs says it.
    pub fn words(&self) -> Vec<String> {
        let profile = &self.profile;
        let flags = [
            (self.confirmed, "--magic-rollback"),
            (self.mode == Mode::Dry, "--dry-activate"),
            (self.mode == Mode::Boot, "--boot"),
            (self.mode == Mode::Test, "--test"),
        ];
        let seconds = self.confirm_timeout.as_secs();
        let line = format!(
            "{profile}/activate-rs activate {profile} --profile-user root --profile-name system --temp-path /tmp \
             --confirm-timeout {seconds}"
        );
        let set = flags.into_iter().filter(|flag| flag.0);
        (line.split(' ').map(str::to_owned))
            .chain(set.map(|flag| flag.1.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests;

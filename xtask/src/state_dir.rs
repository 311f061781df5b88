//! Where xtask keeps what it cannot make again: `$SLIPWAY_STATE`, else `slipway` in the user's folder for state.
//! Only paths: who writes into a folder creates it.

use std::path::PathBuf;

use crate::failure::Failure;

/// The state folder of this user, always an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// # Errors
    /// Missing, if the environment names no home.
    pub fn find() -> Result<Self, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = set("SLIPWAY_STATE")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("XDG_STATE_HOME")?).join("slipway")))
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state/slipway")))
            .ok_or_else(|| {
                Failure::missing(
                    "no place for the journal: none of SLIPWAY_STATE, XDG_STATE_HOME and HOME is set",
                )
                .try_next("SLIPWAY_STATE=/var/lib/slipway")
            })?;
        std::path::absolute(&dir).map(Self).map_err(|error| {
            Failure::usage(format!("cannot use the folder {}: {error}", dir.display()))
        })
    }

    /// Journal, lock and logs of one fleet's deployments.
    pub fn deployments(&self, fleet: &str) -> PathBuf {
        self.0.join("deployments").join(fleet)
    }
}

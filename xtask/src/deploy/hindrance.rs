//! What keeps a deployment from beginning: a guard that does not take the release, what an earlier activation left.

use anyhow::Result;
use guard::refusal::Refusal;

use super::host::Host;
use crate::process::{Output, Status};
use crate::tools::deploy_rs;
use crate::tools::ssh::{complaint, SSH_FAILED};

/// Why a host is not touched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// It said so.
    Said(String),
    /// The connection ended before it could.
    Lost(String),
}

impl Hindrance {
    pub(super) fn why(self) -> String {
        match self {
            Self::Said(why) | Self::Lost(why) => why,
        }
    }

    fn of(output: &Output, why: String) -> Self {
        match output.status {
            Status::Code(SSH_FAILED) | Status::TimedOut(_) => Self::Lost(why),
            _ => Self::Said(why),
        }
    }
}

impl Host {
    /// deploy-rs leaves its canary where an activation timed out, and takes it for that of the next one. Why it cannot be
    /// removed; none if there is none any more.
    pub(super) async fn remove_canary(&self) -> Result<Option<Hindrance>> {
        let canary = deploy_rs::canary(&self.job.profile.out);
        let command = format!("! test -e {canary} || {}rm {canary}", self.sudo());
        let ssh = &self.tools.ssh;
        let output = ssh.command(&self.target, &command).capture().await?;
        if output.status.success() {
            return Ok(None);
        }
        let why = complaint(&output.stderr);
        let why = format!("what an earlier activation left cannot be removed: {canary}: {why}");
        Ok(Some(Hindrance::of(&output, why)))
    }

    /// Why the host's guard does not take it; none if it does.
    pub(super) async fn hand_over_release(&self) -> Result<Option<Hindrance>> {
        let Some(release) = &self.tools.release else {
            let why = "its guard takes releases only: cargo xtask release, and --release FILE";
            return Ok(Some(Hindrance::Said(why.to_owned())));
        };
        let output = self
            .tools
            .ssh
            .command(&self.target, "accept-release")
            .stdin(release.to_wire()?)
            .capture()
            .await?;
        if output.status.success() {
            return Ok(None);
        }
        let why = match Refusal::find(&output.stderr) {
            Some(refusal) => refusal.to_string(),
            None => format!("its guard {}: {}", output.status, complaint(&output.stderr)),
        };
        Ok(Some(Hindrance::of(&output, why)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_connection_that_ended_is_no_answer() {
        let of = |status| {
            let output = Output {
                status,
                stdout: Vec::new(),
                stderr: String::new(),
                wall: Duration::ZERO,
            };
            Hindrance::of(&output, "why".to_owned())
        };
        let lost = Hindrance::Lost("why".to_owned());
        assert_eq!(of(Status::Code(255)), lost);
        assert_eq!(of(Status::TimedOut(Duration::from_secs(60))), lost);
        assert_eq!(of(Status::Code(77)), Hindrance::Said("why".to_owned()));
    }
}

//! Asks hosts what they run, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use guard::answer::Status;
use guard::refusal::Refusal;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::live::{self, Live};
use crate::fleet::host::HostName;
use crate::fleet::inventory::Host;
use crate::fleet::stage::Stage;
use crate::process;
use crate::report::words;
use crate::tools::ssh::{complaint, Ssh, Target, SSH_FAILED};

/// A guard's verb; on a host without a guard it is no command.
const STATUS: &str = "status";
/// What a shell says of a command that it does not know.
pub(super) const UNKNOWN_COMMAND: i32 = 127;

/// Hosts that answered, and why the others did not.
pub type Answers = BTreeMap<HostName, Result<Live, String>>;

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// Behind ssh.
    #[default]
    Away,
    /// It is the machine that this runs on.
    Here,
}

/// How a host is reached; none for one that is not deployed.
pub fn target(host: &Host, stage: Stage, place: Place) -> Option<Target> {
    let node = host.node.as_ref()?;
    match place {
        Place::Here => Some(Target::here(host, stage)),
        Place::Away => Target::of(host, node.ssh_user.clone(), stage),
    }
}

/// Asks all of them at the same time.
///
/// # Errors
/// If ssh cannot be started.
pub async fn all(ssh: &Arc<Ssh>, targets: Vec<(Target, bool)>) -> Result<Answers> {
    let mut asking = JoinSet::new();
    for (target, guarded) in targets {
        let ssh = Arc::clone(ssh);
        asking.spawn(async move {
            let answer = one(&ssh, &target, guarded).await;
            (target.host, answer)
        });
    }
    let mut answers = Answers::new();
    while let Some(answer) = asking.join_next().await {
        let (host, answer) = answer?;
        answers.insert(host, answer?);
    }
    Ok(answers)
}

/// Asks one host; the inner error says in a few words why it is not known what it runs.
///
/// # Errors
/// If ssh cannot be started.
pub async fn one(ssh: &Ssh, target: &Target, guarded: bool) -> Result<Result<Live, String>> {
    let answer = ask(ssh, target, guarded).await?;
    let readable = |live: Live| Live {
        failed_units: live
            .failed_units
            .iter()
            .map(|it| words::of_elsewhere(it))
            .collect(),
        ..live
    };
    Ok(answer
        .map(readable)
        .map_err(|why| words::of_elsewhere(&why)))
}

async fn ask(ssh: &Ssh, target: &Target, guarded: bool) -> Result<Result<Live, String>> {
    if !target.may_be_asked() {
        return Ok(Err(NOT_ASKED.to_owned()));
    }
    // What the inventory says is of the newest configuration; the host may run another.
    let questions = if guarded {
        [STATUS, live::QUESTION]
    } else {
        [live::QUESTION, STATUS]
    };
    let mut said = String::new();
    for question in questions {
        let output = ssh
            .command(target, question)
            .timeout(target.slowness.over(Duration::from_secs(30)))
            .capture()
            .await?;
        match output.status {
            process::Status::Code(0) => return Ok(read(question, &output.text())),
            process::Status::Code(SSH_FAILED) => return Ok(Err(complaint(&output.stderr))),
            process::Status::Code(UNKNOWN_COMMAND) => said = "it knows no such command".to_owned(),
            process::Status::Code(_) if Refusal::find(&output.stderr).is_some() => {
                said = output.last_lines(1);
            }
            status => {
                let tail = output.last_lines(1);
                return Ok(Err(format!("its answer {status}: {tail}")));
            }
        }
    }
    Ok(Err(said))
}

/// Why the rehearsal stage does not ask a host that is not on this machine.
pub const NOT_ASKED: &str = "not asked: the rehearsal stage touches nothing but this machine";

fn read(question: &str, text: &str) -> Result<Live, String> {
    let live = if question == STATUS {
        serde_json::from_str::<Status>(text)
            .map(Live::from)
            .map_err(|error| format!("its guard's answer cannot be read: {error}"))
    } else {
        live::answer(text).map_err(|error| format!("{error:#}"))
    };
    live
}

//! New revisions of a fleet's inputs: the lock file, every host built with it, and a commit on a branch of its own. What a
//! person has checked out is never touched, whatever becomes of it.

mod choice;
pub mod outcome;
mod propose;
pub mod render;
#[cfg(test)]
mod samples;

use anyhow::{Context, Result};

use crate::build::{self, outcome::Host};
use crate::deploy::inhibitors::Inhibitors;
use crate::deploy::plan::Reboot;
use crate::diff;
use crate::evaluate::Fleet;
use crate::failure::{Exit, Failure};
use crate::fleet::lock::Lock;
use crate::fleet::stage::Stage;
use crate::job_secrets;
use crate::process::folders::Folder;
use crate::report;
use crate::tools::forgejo::Forge;
use crate::tools::git::committed::{NewCommit, Signing};
use crate::tools::git::Git;
use crate::tools::nix;

use choice::{Choice, Wish};
use outcome::{Committed, HostUpdate, Report};

/// What is to be updated, and what becomes of it.
#[derive(Debug)]
pub struct Request {
    /// Only these inputs; all if empty.
    pub inputs: Vec<String>,
    /// None: a name with the day in it.
    pub branch: Option<String>,
    /// The stage was asked for by its name.
    pub stage_named: bool,
    /// An ssh key that signs, in place of what git has set.
    pub key: Option<String>,
    /// Where it is proposed; an error is what is missing for that.
    pub propose: Option<Result<Forge, String>>,
    /// Live lines instead of plain ones.
    pub live: bool,
}

/// Updates, builds, compares, commits. A host that does not build is part of the report, and then nothing is committed.
///
/// # Errors
/// Usage, if an input or a branch is none, or flake.lock has uncommitted changes; missing, if the inputs cannot be had;
/// failed, if git cannot sign or the forge refuses.
pub async fn run(fleet: &Fleet, request: &Request) -> Result<Report> {
    let git = fleet.git()?;
    let base = fleet.source.revision.clone().ok_or_else(|| {
        Failure::usage(format!("{} has no commit yet", git.root().display()))
            .try_next("git add --all && git commit")
    })?;
    refuse_uncommitted(fleet, &base).await?;
    let old = fleet.lock_at(&base).await?;
    let mut report = Report {
        version: 1,
        stage: fleet.stage,
        replaced: replaced(fleet, &old),
        base,
        asked: Vec::new(),
        inputs: Vec::new(),
        new_sources: Vec::new(),
        hosts: Vec::new(),
        commit: None,
        pull_request: None,
    };
    let wish = Wish {
        inputs: &request.inputs,
        replaced: &report.replaced,
        stage: fleet.stage,
    };
    report.asked = match choice::choose(&old, &wish)? {
        Choice::Inputs(inputs) => inputs,
        Choice::Nothing if request.stage_named || fleet.stage == Stage::Nixos => return Ok(report),
        Choice::Nothing => {
            let message = format!("nothing can be updated: {}", fleet.why);
            return Err(Failure::missing(message)
                .try_next("the same where the inputs can be fetched")
                .into());
        }
    };
    let branch = choice::branch(git, request.branch.as_deref()).await?;
    let forge = match &request.propose {
        None => None,
        Some(Ok(forge)) => Some(forge),
        Some(Err(why)) => {
            return Err(Failure::usage(format!("nothing can be proposed: {why}"))
                .try_next("the same without --propose, or in a job of a forge")
                .into())
        }
    };

    let folder = Folder::create(&fleet.cache.updates())?;
    let text = newest(fleet, &report.base, &report.asked, &folder).await?;
    let new = Lock::parse(&text).context("cannot read the lock file that Nix wrote")?;
    report.inputs = old.changes(&new);
    if report.inputs.is_empty() {
        return Ok(report);
    }
    let before = old.origins();
    report.new_sources = new.origins().difference(&before).cloned().collect();

    let signing = signing(git, request.key.as_deref(), &folder).await?;
    let path = fleet.path_of(LOCK);
    let commit = |message: String| {
        let (signing, folder) = (&signing, &folder);
        let (path, text, parent) = (&path, &text, &report.base);
        async move {
            git.commit_file(&NewCommit {
                parent,
                path,
                text,
                message: &message,
                signing,
                scratch: folder.path(),
            })
            .await
        }
    };
    // Nix builds it as a commit, which no branch has; and a key that does not sign is told before anything is built.
    let candidate = commit(render::title(&report)).await?;
    report.hosts = hosts(fleet, &report.base, &candidate, request.live).await?;
    if !report.failed().is_empty() {
        return Ok(report);
    }
    let id = commit(render::message(&report)).await?;
    git.create_branch(&branch, &id).await?;
    report.commit = Some(Committed {
        branch: branch.clone(),
        id: id.clone(),
        signed: signing != Signing::Nobody,
    });
    if let Some(forge) = forge {
        let change = propose::Change {
            branch: &branch,
            commit: &id,
            lock: &path,
        };
        let proposed = propose::propose(git, forge, &change, &report).await;
        report.pull_request = Some(
            proposed.with_context(|| format!("cannot propose branch {branch}, which is here"))?,
        );
    }
    Ok(report)
}

const LOCK: &str = "flake.lock";

/// An update begins at the last commit: what is changed beside that is told, and what it would be mixed up with refused.
async fn refuse_uncommitted(fleet: &Fleet, base: &str) -> Result<()> {
    for name in ["flake.nix", LOCK] {
        let (here, committed) = (
            fleet.file(name, None).await?,
            fleet.file(name, Some(base)).await?,
        );
        if here.as_deref().map(str::trim_end) != committed.as_deref().map(str::trim_end) {
            let path = fleet.path_of(name);
            let message = format!("{path} has changes that are not committed");
            return Err(Failure::usage(message)
                .try_next(format!("git commit {path}, or git stash"))
                .into());
        }
    }
    if fleet.source.dirty {
        report::say("warning: uncommitted changes are no part of this");
    }
    Ok(())
}

/// The inputs that this stage plays.
fn replaced(fleet: &Fleet, lock: &Lock) -> Vec<String> {
    match fleet.stage {
        Stage::Nixos => Vec::new(),
        Stage::Rehearsal => {
            let inputs = lock.inputs().replaceable;
            inputs.into_iter().map(|input| input.path).collect()
        }
    }
}

/// The text of the lock file with the newest revisions of these inputs.
async fn newest(fleet: &Fleet, base: &str, inputs: &[String], folder: &Folder) -> Result<String> {
    let file = folder.path().join(LOCK);
    let flake = fleet.flake_at(base).await?;
    report::say("asking for the newest revisions");
    let output = fleet.nix.update(&flake, inputs, &file).capture().await?;
    if !output.status.success() {
        let said = output.last_lines(10);
        let exit = if nix::is_unreachable(&said) {
            Exit::Missing
        } else {
            Exit::Failed
        };
        let message = format!(
            "cannot update {}: nix flake update {}\n{said}",
            inputs.join(", "),
            output.status
        );
        return Err(Failure::new(exit, message)
            .try_next("the same with the names of those inputs that can be had")
            .into());
    }
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

async fn signing(git: &Git, key: Option<&str>, folder: &Folder) -> Result<Signing> {
    let Some(key) = key else {
        return Ok(if git.has_signing_key().await? {
            Signing::Configured
        } else {
            Signing::Nobody
        });
    };
    let file = folder.path().join("key");
    // ssh-keygen wants the last line ended, which is easily lost on the way through a forge's settings.
    job_secrets::write(&file, &format!("{}\n", key.trim()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Signing::Key(file))
}

/// Every host with the new revisions, held against what it was.
async fn hosts(fleet: &Fleet, base: &str, candidate: &str, live: bool) -> Result<Vec<HostUpdate>> {
    let updated = fleet.at(candidate).await?;
    let options = build::Options {
        changed_since: Some(base.to_owned()),
        ..build::Options::of(Vec::new(), live)
    };
    let built = build::build_and_tell(&updated, &options).await?;
    let mut hosts = Vec::new();
    for row in built.hosts {
        let host = row.host.clone();
        let host = compare(&updated, row)
            .await
            .with_context(|| format!("cannot compare the closures of host {host}"))?;
        hosts.push(host);
    }
    // The commit that a branch gets has another id.
    build::let_go(&updated);
    Ok(hosts)
}

async fn compare(fleet: &Fleet, row: Host) -> Result<HostUpdate> {
    let old = row.change.as_ref().and_then(|change| change.before.clone());
    let (diff, reboot) = match (&old, &row.toplevel) {
        (Some(old), Some(new)) if row.outcome.is_built() && old != new => {
            let diff = diff::closures(&fleet.nix, old, new).await?;
            let inhibitors = Inhibitors::read(old.as_path())?;
            let inhibitors = inhibitors.against(&Inhibitors::read(new.as_path())?);
            let parts = diff.boot.iter().map(|part| part.name().to_owned());
            let why: Vec<String> = parts.chain(inhibitors).collect();
            let reboot = if why.is_empty() {
                Reboot::NotDue
            } else {
                Reboot::Due { why }
            };
            (Some(diff), reboot)
        }
        (Some(_), Some(_)) if row.outcome.is_built() => (None, Reboot::NotDue),
        _ => (None, Reboot::Unknown),
    };
    Ok(HostUpdate {
        error: row.error.map(|error| error.message),
        host: row.host,
        outcome: row.outcome,
        old,
        new: row.toplevel,
        diff,
        reboot,
    })
}

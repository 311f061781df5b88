//! Releases: commits that are verified, hosts that are built and signed, and the document that says which closure each
//! of them is to have. Runs on the signer; whoever asks for a release chooses the commit, and that hosts boot into it in
//! place of switching. Asking is in `ask`.

pub mod ask;
mod cache;
pub mod config;
mod history;
mod published;
mod rules;
mod state;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use guard::release::{
    Action, ActionKind, Document, HostRelease, Release, SignedRelease, NAMESPACE, VERSION,
};
use guard::time::Time;

use crate::build;
use crate::cli::{Global, StageChoice};
use crate::evaluate::{self, Fleet, Survey};
use crate::failure::Failure;
use crate::fleet::closure::Closure;
use crate::fleet::host::HostName;
use crate::fleet::refs::{self, Meaning, MAIN};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::words::counted;
use crate::tools::git::Git;
use crate::tools::ssh_keygen;
use crate::{setup, whole_file};

use config::Config;
pub use published::publish;
use state::{Remembered, State};

/// What is to be released.
#[derive(Debug, Clone)]
pub struct Request {
    /// A commit, or a branch of the repository.
    pub wanted: String,
    /// Hosts boot into it where they would switch to it.
    pub boot: bool,
    /// Hosts whose guard goes with this release, because a person on the signer says so.
    pub remove_guards: Vec<String>,
    /// Seconds that a test lasts; none leaves that to the host.
    pub lease: Option<u64>,
    pub live: bool,
}

/// A commit and what it means, as the signer's own fetch says.
struct Chosen {
    commit: String,
    /// `main`, or a test branch.
    branch: String,
}

/// Verifies, builds, signs; the document.
///
/// # Errors
/// Usage, if the commit is on no branch that can be released; failed, if a commit is not taken or a host not built.
pub async fn make(global: &Global, config: &Config, request: &Request) -> Result<SignedRelease> {
    setup::git(global).await?;
    let mut state = State::open(&config.state)?;
    let git = Git::at(&state.repository());
    git.init().await?;
    report::say(&format!("fetching {}", config.repository));
    git.fetch(&config.repository).await?;
    let chosen = choose(&git, &request.wanted, &state.remembered).await?;

    let allowed = state.allowed_signers();
    whole_file::write(&allowed, config.allowed_signers())
        .with_context(|| format!("cannot write {}", allowed.display()))?;
    let since = state
        .remembered
        .main
        .as_deref()
        .or(config.trusted.as_deref());
    let count = history::verify(&git, &chosen.commit, since, &allowed, &config.signers).await?;
    report::say(&format!(
        "{} of {} verified: {}",
        chosen.branch,
        &chosen.commit[..10],
        counted(count, "commit")
    ));

    // From here on the commit's own words count.
    git.check_out(&chosen.commit).await?;
    let fleet = open(global, &state.repository(), &chosen.commit).await?;
    let survey = fleet.survey().await?;
    let meaning = meaning(&git, &chosen, &survey, request).await?;
    let hosts = hosts(&meaning, &survey, &request.remove_guards)?;
    let counter = state.remembered.counter + 1;
    let closures = build(&fleet, &hosts, config, request, &state.roots(counter)).await?;
    cache::fill(&fleet, &survey, config, &closures).await;

    // The counter is used up before anything is signed with it.
    let main = state.remembered.main.clone();
    state.remember(Remembered { counter, main })?;
    let made = Time::now();
    let release = Release {
        document: Document::Release,
        version: VERSION,
        commit: chosen.commit.clone(),
        counter,
        made,
        expires: made.plus(config.valid_for),
        hosts: host_releases(&meaning, &closures, request)?,
    };
    let text = release.to_text()?;
    // What no host would take is not signed.
    Release::parse(&text).context("the release is not as hosts want it")?;
    let signed = SignedRelease {
        signature: ssh_keygen::sign(&config.release_key, NAMESPACE, &text).await?,
        release: text,
    };
    let place = state.release(counter);
    whole_file::write(&place, signed.to_wire()?)
        .with_context(|| format!("cannot write {}", place.display()))?;
    if chosen.branch == MAIN {
        let main = Some(chosen.commit.clone());
        state.remember(Remembered { counter, main })?;
    }
    state.prune();
    report::say(&format!(
        "release {counter}: {} at {}, valid until {}",
        counted(release.hosts.len(), "host"),
        &chosen.commit[..10],
        release.expires
    ));
    Ok(signed)
}

/// Finds the commit on a branch that can be released. A name may be a branch's; a commit is `main`'s if it is there.
async fn choose(git: &Git, wanted: &str, remembered: &Remembered) -> Result<Chosen> {
    let origin = |branch: &str| format!("refs/remotes/origin/{branch}");
    let branch = wanted.strip_prefix("refs/heads/").unwrap_or(wanted);
    let commit_id =
        matches!(wanted.len(), 40 | 64) && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    let released = |branch: &str| branch == MAIN || branch.starts_with("test-");
    let (commit, branch) = if commit_id {
        let known = git.resolve(wanted).await?;
        let commit = known.ok_or_else(|| {
            Failure::usage(format!("the repository has no commit {wanted} on a branch"))
                .try_next("git push, and the same again")
        })?;
        let branch = branch_of(git, &commit).await?;
        (commit, branch)
    } else if released(branch) {
        let tip = git.resolve(&origin(branch)).await?;
        let commit = tip.ok_or_else(|| {
            Failure::usage(format!("the repository has no branch {branch}"))
                .try_next("git push, and the same again")
        })?;
        (commit, branch.to_owned())
    } else {
        return Err(Failure::usage(format!(
            "`{wanted}` is neither a whole commit id, nor {MAIN}, nor test-HOST"
        ))
        .try_next(format!("git rev-parse {wanted}"))
        .into());
    };
    if let (true, Some(last)) = (branch == MAIN, &remembered.main) {
        if !git.is_ancestor(last, &commit).await? {
            return Err(Failure::failed(format!(
                "nothing is released: {} does not come after {}, which was released last",
                &commit[..10],
                &last[..10]
            ))
            .try_next("a newer commit; hosts go back with `cargo xtask rollback`, or a commit that reverts")
            .into());
        }
    }
    Ok(Chosen { commit, branch })
}

/// The branch that gives a commit its meaning: `main` if it has it, else the test branch whose newest commit it is.
async fn branch_of(git: &Git, commit: &str) -> Result<String> {
    let main = git.resolve(&format!("refs/remotes/origin/{MAIN}")).await?;
    if let Some(main) = main {
        if git.is_ancestor(commit, &main).await? {
            return Ok(MAIN.to_owned());
        }
    }
    let mut tips = git.remote_branches_at(commit).await?;
    tips.retain(|branch| branch.starts_with("test-"));
    match tips.as_slice() {
        [branch] => Ok(branch.clone()),
        [] => Err(Failure::usage(format!(
            "commit {} is neither on {MAIN} nor the newest of a test branch",
            &commit[..10]
        ))
        .try_next(format!("a commit of {MAIN}, or the branch test-HOST"))
        .into()),
        several => Err(Failure::usage(format!(
            "commit {} is the newest of several test branches",
            &commit[..10]
        ))
        .try_next(several.join(" or "))
        .into()),
    }
}

/// The fleet of the verified commit, in the signer's own clone.
async fn open(global: &Global, repository: &Path, commit: &str) -> Result<Fleet> {
    let global = Global {
        flake: Some(repository.display().to_string()),
        ..global.clone()
    };
    let here = evaluate::open(&global).await?;
    if here.stage == Stage::Rehearsal && global.stage != StageChoice::Rehearsal {
        // Stand-ins instead of NixOS must never reach a host because a server did not answer.
        return Err(Failure::missing(format!(
            "nothing is released: only the rehearsal stage can be had here ({})",
            here.why
        ))
        .try_next("--stage nixos says what is missing")
        .into());
    }
    here.at(commit).await
}

async fn meaning(
    git: &Git,
    chosen: &Chosen,
    survey: &Survey,
    request: &Request,
) -> Result<Meaning> {
    let boot = request.boot;
    let message = git.message(&chosen.commit).await?;
    let names = survey.names();
    let known: Vec<refs::Known> = names
        .iter()
        .map(|name| refs::Known {
            name,
            deployable: (survey.inventory.hosts.get(name)).is_none_or(|host| host.deployable),
        })
        .collect();
    Ok(match refs::meaning(&chosen.branch, &message, &known)? {
        Meaning::Deploy { .. } | Meaning::Build if request.lease.is_some() => {
            return Err(Failure::usage(format!(
                "{} goes to its hosts for good, and no lease ends that",
                chosen.branch
            ))
            .try_next("the same without --for, or a branch test-HOST")
            .into())
        }
        // The other way there is none: a commit that asks for boot has its reasons.
        Meaning::Deploy { .. } if boot => Meaning::Deploy { boot },
        Meaning::Test { host } if boot => {
            return Err(Failure::usage(format!(
                "{} is tried on {host}, which does not boot into it",
                chosen.branch
            ))
            .try_next("the same without --boot always")
            .into())
        }
        meaning => meaning,
    })
}

fn hosts(
    meaning: &Meaning,
    survey: &Survey,
    remove_guards: &[String],
) -> Result<Vec<HostName>, Failure> {
    let hosts: Vec<HostName> = match meaning {
        Meaning::Test { host } => vec![host.clone()],
        Meaning::Deploy { .. } | Meaning::Build => survey
            .names()
            .into_iter()
            .filter(|name| (survey.inventory.hosts.get(name)).is_none_or(|host| host.deployable))
            .collect(),
    };
    if hosts.is_empty() {
        return Err(Failure::usage("no host of the fleet is deployable")
            .try_next("homelab.deploy.enable = true on a host"));
    }
    // Told before the hosts are built.
    crate::fleet::host::select(&hosts, remove_guards)?;
    Ok(hosts)
}

/// Builds the hosts and what deploy-rs copies of them, keeps all of it, and signs every path.
async fn build(
    fleet: &Fleet,
    hosts: &[HostName],
    config: &Config,
    request: &Request,
    roots: &Path,
) -> Result<BTreeMap<HostName, Closure>> {
    let closures = build::closures(fleet, hosts, request.live, "nothing is released").await?;
    if let Some((host, _)) = closures.iter().find(|(_, it)| it.profile.is_none()) {
        return Err(Failure::failed(format!(
            "nothing is released: host {host} has no deploy-rs node"
        ))
        .into());
    }
    std::fs::create_dir_all(roots)
        .with_context(|| format!("cannot make the folder {}", roots.display()))?;
    for (host, closure) in &closures {
        let tops: Vec<&StorePath> = closure.tops().collect();
        fleet
            .nix
            .add_roots(&tops, &roots.join(host.file_name()))
            .await?;
    }
    let tops: Vec<&StorePath> = closures.values().flat_map(Closure::tops).collect();
    fleet.nix.sign(&tops, &config.nix_key).await?;
    Ok(closures)
}

fn host_releases(
    meaning: &Meaning,
    closures: &BTreeMap<HostName, Closure>,
    request: &Request,
) -> Result<BTreeMap<String, HostRelease>> {
    let kind = match meaning {
        Meaning::Deploy { boot: true } => ActionKind::Boot,
        Meaning::Deploy { boot: false } | Meaning::Build => ActionKind::Switch,
        Meaning::Test { .. } => ActionKind::Test,
    };
    let path = |path: &StorePath| {
        path.as_str()
            .parse::<guard::store_path::StorePath>()
            .with_context(|| format!("no host would take {path}"))
    };
    closures
        .iter()
        .map(|(host, closure)| {
            let profile = closure.profile.as_ref();
            let profile = profile.with_context(|| format!("{host} has no deploy-rs node"))?;
            let release = HostRelease {
                toplevel: path(&closure.toplevel)?,
                profile: path(profile)?,
                action: Action {
                    kind,
                    lease_seconds: request.lease,
                },
                removes_guard: (request.remove_guards.iter()).any(|name| name == host.as_str()),
            };
            Ok((host.to_string(), release))
        })
        .collect()
}

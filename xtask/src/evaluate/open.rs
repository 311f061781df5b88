//! Finds a fleet, and decides the stage and the inputs that it is evaluated with.

use std::path::Path;

use anyhow::Result;

use super::locate::{self, Location};
use super::machines::{override_input, Machines};
use super::own_programs::{self, CRATES};
use super::source::Source;
use super::stand_in::StandIn;
use super::{apply, committed, locked, probe, Fleet};
use crate::cache_dir::CacheDir;
use crate::cli::{Global, StageChoice};
use crate::fleet::stage::Stage;
use crate::report;
use crate::setup;
use crate::tools::nix::Nix;

/// Finds the flake, a Nix, and the stage, and says the stage.
///
/// # Errors
/// Usage, if there is no flake where `--flake` points; missing, if there is no Nix or the stage's inputs cannot be had.
pub async fn open(global: &Global) -> Result<Fleet> {
    let location = locate::locate(global.flake.as_deref())?;
    if matches!(location, Location::Git { .. }) {
        // xtask asks it what changed, and Nix what is tracked.
        setup::git(global).await?;
    }
    let nix = setup::nix(global).await?;
    let cache = CacheDir::find()?;
    let like = Like {
        choice: global.stage,
        may_compile: !global.no_setup,
        machines: Machines::given()?,
    };
    let mut fleet = read(nix, cache, location, None, like).await?;
    fleet.show_trace = global.show_trace;
    report::say(&format!("stage: {} ({})", fleet.stage, fleet.why));
    warn_of_untracked(&fleet.source.untracked);
    Ok(fleet)
}

/// Another fleet on this machine, with the same Nix in the same stage.
///
/// # Errors
/// Usage, if there is no flake.
pub async fn open_folder(like: &Fleet, folder: &Path) -> Result<Fleet> {
    let location = locate::locate(folder.to_str())?;
    let (nix, cache) = (like.nix.clone(), like.cache.clone());
    read(nix, cache, location, None, like.like()).await
}

/// What a fleet is read as, besides what it is.
pub(super) struct Like {
    pub choice: StageChoice,
    pub may_compile: bool,
    pub machines: Option<Machines>,
}

impl Fleet {
    /// What leads to this stage again.
    pub(super) fn like(&self) -> Like {
        Like {
            choice: match self.stage {
                Stage::Nixos => StageChoice::Nixos,
                Stage::Rehearsal => StageChoice::Rehearsal,
            },
            may_compile: true,
            machines: self.machines.clone(),
        }
    }
}

pub(super) async fn read(
    nix: Nix,
    cache: CacheDir,
    location: Location,
    commit: Option<&str>,
    like: Like,
) -> Result<Fleet> {
    let mut flake = location.flake(commit).await?;
    let stand_in = match (&location, commit) {
        (Location::Git { git, .. }, Some(commit)) => {
            StandIn::of_commit(git, commit, &location.prefix(), &cache).await?
        }
        _ => StandIn::of_folder(location.root(), &cache)?,
    };
    let (source, inputs) = match &location {
        Location::Remote(_) => {
            let metadata = nix.metadata(&flake).await?;
            let identity = metadata.locked.nar_hash.unwrap_or_default();
            let mut source = Source::opaque(&identity);
            source.revision = metadata.revision;
            (source, metadata.locks.inputs())
        }
        Location::Git { .. } | Location::Folder(_) => {
            let source = Source::read(&location, commit).await?;
            let inputs = match committed::locked(&location, commit).await? {
                Some(lock) => lock.inputs(),
                None => locked::unlocked(&nix, &location, commit, &flake, &stand_in).await?,
            };
            (source, inputs)
        }
    };
    let decision = probe::decide(&nix, like.choice, &inputs, &cache).await?;
    let is_locked = locked::is_locked(&nix, &location, commit, &flake, &cache).await?;

    let mut context = vec![decision.stage.to_string(), nix.identity()];
    context.push(apply::FUNCTION.to_owned());
    let mut own_folder = None;
    if let Some(machines) = &like.machines {
        machines.usable_in(decision.stage)?;
    }
    if decision.stage == Stage::Rehearsal {
        flake.overrides = stand_in.overrides(&inputs);
        context.push(stand_in.hash);
        if let Some(machines) = &like.machines {
            machines.override_inputs(&mut flake);
            context.push(machines.hash.clone());
            own_folder = Some(machines.programs());
        } else {
            let (root, may_compile) = (location.root(), like.may_compile);
            if let Some(own) = own_programs::of_fleet(root, &inputs, &cache, may_compile).await? {
                override_input(&mut flake, CRATES, &own.folder);
                context.push(own.hash);
                own_folder = Some(own.folder);
            }
        }
    }
    if !is_locked {
        // The same files may mean other inputs the next time: nothing that is found now is to be found again.
        context.push(format!(
            "{:?} {}",
            std::time::SystemTime::now(),
            std::process::id()
        ));
    }
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    Ok(Fleet {
        source: source.with_context(&context),
        stage: decision.stage,
        why: decision.why,
        nix,
        flake,
        cache,
        location,
        own_programs: own_folder,
        machines: like.machines,
        show_trace: false,
    })
}

fn warn_of_untracked(files: &[String]) {
    const SHOWN: usize = 5;
    for file in files.iter().take(SHOWN) {
        report::say(&format!(
            "warning: {file} is not known to git, so Nix does not see it: git add {file}"
        ));
    }
    if files.len() > SHOWN {
        let more = files.len() - SHOWN;
        report::say(&format!("warning: git does not know {more} more Nix files"));
    }
}

//! From `--flake` and `--stage` to an evaluated fleet: the flake, its stage, its inventory.

pub mod apply;
mod committed;
mod declared;
mod digest;
pub mod kept;
pub mod locate;
pub mod machines;
mod own_programs;
mod probe;
mod reach;
mod reads;
pub mod render;
pub mod source;
mod source_path;
mod stand_in;
mod survey;
mod tracked;
mod working_tree;

use anyhow::{Context, Result};

use crate::cache_dir::CacheDir;
use crate::cli::{Global, StageChoice};
use crate::failure::Failure;
use crate::fleet::flake::Flake;
use crate::fleet::lock::Inputs;
use crate::fleet::stage::Stage;
use crate::report;
use crate::setup;
use crate::tools::git::Git;
use crate::tools::nix::Nix;

use locate::Location;
use machines::{override_input, Machines};
use source::Source;
use stand_in::StandIn;

pub use survey::{Found, Survey};

/// A fleet that can be evaluated: a flake, the stage it is evaluated in, and the Nix that does it.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub nix: Nix,
    pub flake: Flake,
    pub stage: Stage,
    /// Why it is evaluated in this stage.
    pub why: String,
    /// What it is evaluated from.
    pub source: Source,
    pub cache: CacheDir,
    location: Location,
    /// In the rehearsal stage: what a host of this repository runs of its own programs.
    own_programs: Option<std::path::PathBuf>,
    /// In the rehearsal stage: what stands in for the hosts.
    machines: Option<Machines>,
    /// Whoever asked wants Nix' whole trace of a failure.
    show_trace: bool,
}

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
pub async fn open_folder(like: &Fleet, folder: &std::path::Path) -> Result<Fleet> {
    let location = locate::locate(folder.to_str())?;
    let (nix, cache) = (like.nix.clone(), like.cache.clone());
    read(nix, cache, location, None, like.like()).await
}

impl Fleet {
    /// What leads to this stage again.
    fn like(&self) -> Like {
        Like {
            choice: match self.stage {
                Stage::Nixos => StageChoice::Nixos,
                Stage::Rehearsal => StageChoice::Rehearsal,
            },
            may_compile: true,
            machines: self.machines.clone(),
        }
    }

    /// The same fleet with machines in place of its hosts.
    ///
    /// # Errors
    /// Usage, in the stage whose hosts are real; else as of `open`.
    pub async fn on_machines(&self, machines: Machines) -> Result<Self> {
        let like = Like {
            machines: Some(machines),
            ..self.like()
        };
        let (nix, cache) = (self.nix.clone(), self.cache.clone());
        read(nix, cache, self.location.clone(), None, like).await
    }

    /// The folder with programs of ours (`bin/`) that rehearsed hosts run; none if they run none.
    pub fn own_programs(&self) -> Option<&std::path::Path> {
        self.own_programs.as_deref()
    }

    /// The same fleet as it was at a revision, in the same stage.
    ///
    /// # Errors
    /// Usage, if there is no such revision, or no git repository that could have it.
    pub async fn at(&self, revision: &str) -> Result<Self> {
        let commit = self.commit(revision).await?;
        let (nix, cache, location) = (&self.nix, &self.cache, &self.location);
        let mut fleet = read(
            nix.clone(),
            cache.clone(),
            location.clone(),
            Some(&commit),
            self.like(),
        )
        .await
        .with_context(|| format!("cannot read the fleet at {revision}"))?;
        fleet.show_trace = self.show_trace;
        Ok(fleet)
    }

    async fn commit(&self, revision: &str) -> Result<String> {
        match &self.location {
            Location::Git { git, .. } => git.commit(revision).await,
            Location::Folder(root) => Err(Failure::usage(format!(
                "no revision `{revision}`: {} is in no git repository",
                root.display()
            ))
            .try_next(format!(
                "--flake with a git clone, or: git -C {0} init && git -C {0} add .",
                root.display()
            ))
            .into()),
            Location::Remote(reference) => Err(Failure::usage(format!(
                "no revision `{revision}`: {reference} is not on this machine"
            ))
            .try_next("--flake with a clone of it")
            .into()),
        }
    }

    /// The folder that a person edits, if the fleet is on this machine.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.location.root()
    }

    /// The repository that the fleet is in.
    ///
    /// # Errors
    /// Usage, if it is in none on this machine.
    pub fn git(&self) -> Result<&Git, Failure> {
        match &self.location {
            Location::Git { git, .. } => Ok(git),
            Location::Folder(root) => Err(Failure::usage(format!(
                "{} is in no git repository",
                root.display()
            ))
            .try_next(format!(
                "git -C {0} init && git -C {0} add . && git -C {0} commit",
                root.display()
            ))),
            Location::Remote(reference) => Err(Failure::usage(format!(
                "{reference} is not on this machine"
            ))
            .try_next("--flake with a clone of it")),
        }
    }

    /// Makes git know what is new in the fleet; tells whether there is a git to know it.
    ///
    /// # Errors
    /// If git refuses.
    pub async fn make_known(&self, path: &std::path::Path) -> Result<bool> {
        match &self.location {
            Location::Git { git, .. } => git.intend_to_add(path).await.map(|()| true),
            Location::Folder(_) | Location::Remote(_) => Ok(false),
        }
    }

    /// Undoes `make_known`.
    ///
    /// # Errors
    /// If git refuses.
    pub async fn forget(&self, path: &std::path::Path) -> Result<()> {
        match &self.location {
            Location::Git { git, .. } => git.forget(path).await,
            Location::Folder(_) | Location::Remote(_) => Ok(()),
        }
    }

    /// Adds a program of ours to those that cargo built, in a folder of their own, as the stand-in's packages.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn with_program(
        mut self,
        name: &str,
        program: &std::path::Path,
        folder: &std::path::Path,
    ) -> Result<Self> {
        let bin = folder.join("bin");
        let mut copies = vec![(program.to_owned(), bin.join(name))];
        if let Some(own) = &self.own_programs {
            let there = std::fs::read_dir(own.join("bin")).context("cannot read our programs")?;
            for entry in there {
                let entry = entry.context("cannot read our programs")?;
                copies.push((entry.path(), bin.join(entry.file_name())));
            }
        }
        let place = || -> std::io::Result<()> {
            std::fs::create_dir_all(&bin)?;
            copies
                .iter()
                .try_for_each(|(from, to)| std::fs::copy(from, to).map(drop))
        };
        place().map_err(|error| {
            Failure::failed(format!("cannot copy {name} to {}: {error}", bin.display()))
        })?;
        override_input(&mut self.flake, CRATES, folder);
        Ok(self)
    }
}

/// The stand-in's input for programs that cargo built, in `bin/`.
const CRATES: &str = "crates";

/// What a fleet is read as, besides what it is.
struct Like {
    choice: StageChoice,
    may_compile: bool,
    machines: Option<Machines>,
}

async fn read(
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
                None => unlocked(&nix, &location, commit, &flake, &stand_in).await?,
            };
            (source, inputs)
        }
    };
    let decision = probe::decide(&nix, like.choice, &inputs, &cache).await?;
    let locked = is_locked(&nix, &location, commit, &flake, &cache).await?;

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
    if !locked {
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

/// Whether the flake's inputs are locked. Nix is asked once for each pair of flake.nix and flake.lock.
async fn is_locked(
    nix: &Nix,
    location: &Location,
    commit: Option<&str>,
    flake: &Flake,
    cache: &CacheDir,
) -> Result<bool> {
    const KIND: &str = "locked";
    if matches!(location, Location::Remote(_)) {
        return Ok(true);
    }
    let mut parts = Vec::new();
    for file in ["flake.nix", "flake.lock"] {
        parts.push(location.file(file, commit).await?.unwrap_or_default());
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let pair = Source::opaque(KIND).with_context(&parts).whole();
    if kept::read(cache, KIND, &pair) == Some(true) {
        return Ok(true);
    }
    let locked = nix.is_locked(flake).await?;
    if locked {
        // Without a cache that can be written to it is asked again.
        let _ = kept::write(cache, KIND, &pair, &true);
    }
    Ok(locked)
}

/// The inputs of a flake without a lock file: what it declares, and what the inputs that can be had have locked
/// themselves.
async fn unlocked(
    nix: &Nix,
    location: &Location,
    commit: Option<&str>,
    flake: &Flake,
    stand_in: &StandIn,
) -> Result<Inputs> {
    let mut inputs = committed::declared(nix, location, commit).await?.inputs();
    if inputs.others.is_empty() {
        return Ok(inputs);
    }
    let mut rehearsed = flake.clone();
    rehearsed.overrides = stand_in.overrides(&inputs);
    // An input that cannot be had is told of, with its name, once the stage is decided.
    if let Ok(metadata) = nix.metadata(&rehearsed).await {
        let locked = metadata.locks.inputs();
        inputs.replaceable.extend(locked.replaceable);
        inputs.behind = locked.behind;
        let replaced = |path: &str| {
            inputs.replaceable.iter().any(|input| {
                path.strip_prefix(&input.path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        inputs.others = locked
            .others
            .into_iter()
            .filter(|input| !replaced(&input.path))
            .collect();
    }
    Ok(inputs)
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

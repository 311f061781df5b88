//! Programs of this repository that a rehearsed host runs: the stand-in has no Rust, and takes what cargo built.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::digest::{self, Digest};
use super::machines::override_input;
use super::Fleet;
use crate::cache_dir::CacheDir;
use crate::failure::{self, Exit, Failure};
use crate::fleet::lock::Inputs;
use crate::report;
use crate::tools::cargo;
use crate::whole_file;

/// The stand-in's input for programs that cargo built, in `bin/`.
pub(super) const CRATES: &str = "crates";
/// The crate that has its program here.
const CRATE: &str = "guard";
const PROGRAM: &str = "slipway-guard";
/// What the program is made of, beside the lock file.
const SOURCES: [&str; 3] = ["guard/src", "guard/Cargo.toml", "Cargo.lock"];

/// A folder with `bin/`, named by what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPrograms {
    pub folder: PathBuf,
    pub hash: String,
}

impl Fleet {
    /// The folder with programs of ours (`bin/`) that rehearsed hosts run; none if they run none.
    pub fn own_programs(&self) -> Option<&Path> {
        self.own_programs.as_deref()
    }

    /// Adds a program of ours to those that cargo built, in a folder of their own, as the stand-in's packages.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn with_program(mut self, name: &str, program: &Path, folder: &Path) -> Result<Self> {
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

/// The programs that hosts of this fleet may run, compiled if they are not: its own, or of the clone that this xtask was
/// built from where the fleet is made by Slipway as an input. None if it is neither, and if there is no such clone.
///
/// # Errors
/// Missing, if the fleet's own are to be compiled and that may not be; else if cargo cannot compile them, or the cache
/// cannot be written.
pub async fn of_fleet(
    root: Option<&Path>,
    inputs: &Inputs,
    cache: &CacheDir,
    may_compile: bool,
) -> Result<Option<OwnPrograms>> {
    let has_sources = |root: &&Path| root.join(CRATE).join("Cargo.toml").is_file();
    if let Some(root) = root.filter(has_sources) {
        return of_folder(root, cache, may_compile).await.map(Some);
    }
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    match built_from.filter(has_sources) {
        Some(clone) if is_made_by_slipway(inputs) => {
            match of_folder(clone, cache, may_compile).await {
                // Most hosts run none of them, and one that does says that it lacks it.
                Err(error) if failure::exit_of(&error) == Exit::Missing => Ok(None),
                found => found.map(Some),
            }
        }
        _ => Ok(None),
    }
}

/// Whether some input brings along what is replaced, as Slipway does.
fn is_made_by_slipway(inputs: &Inputs) -> bool {
    inputs
        .replaceable
        .iter()
        .any(|input| input.path.contains('/'))
}

async fn of_folder(root: &Path, cache: &CacheDir, may_compile: bool) -> Result<OwnPrograms> {
    let program = cargo::target(root).join("debug").join(PROGRAM);
    let stale = is_stale(root, &program);
    if stale && !may_compile {
        return Err(Failure::missing(format!(
            "{PROGRAM}, which a rehearsed host may run, is not compiled from the sources that are here"
        ))
        .try_next(format!("cargo build -p {CRATE}"))
        .into());
    }
    if stale {
        report::say(&format!(
            "setup: compiling {PROGRAM}, which a rehearsed host may run"
        ));
        cargo::build(CRATE)
            .current_dir(root)
            .success()
            .await
            .with_context(|| format!("cannot compile {PROGRAM}, which a rehearsed host runs"))?;
    }
    lay_out(&program, cache)
}

/// Whether a source is newer than what was made of it, or nothing was.
fn is_stale(root: &Path, program: &Path) -> bool {
    let Ok(built) = std::fs::metadata(program).and_then(|meta| meta.modified()) else {
        return true;
    };
    SOURCES
        .iter()
        .any(|source| newest(&root.join(source)).is_none_or(|newest| newest > built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let meta = std::fs::metadata(path).ok()?;
    let own = meta.modified().ok()?;
    if !meta.is_dir() {
        return Some(own);
    }
    let below = std::fs::read_dir(path).ok()?;
    below
        .map(|entry| newest(&entry.ok()?.path()))
        .try_fold(own, |newest, one| one.map(|one| newest.max(one)))
}

fn lay_out(program: &Path, cache: &CacheDir) -> Result<OwnPrograms> {
    let cannot = || format!("cannot read {}", program.display());
    // Every command of the rehearsal stage comes here, and an unoptimised program is large.
    let seen = cache.crates(&identity(program).with_context(cannot)?);
    if let Ok(hash) = std::fs::read_to_string(&seen) {
        let folder = cache.crates(&hash);
        if folder.join("bin").join(PROGRAM).exists() {
            return Ok(OwnPrograms { folder, hash });
        }
    }
    let hash = digest::file(program).with_context(cannot)?;
    let folder = cache.crates(&hash);
    let target = folder.join("bin").join(PROGRAM);
    let place = || -> std::io::Result<()> {
        if !target.exists() {
            let bin = folder.join("bin");
            std::fs::create_dir_all(&bin)?;
            let new = tempfile::NamedTempFile::new_in(&bin)?;
            std::fs::copy(program, new.path())?;
            new.persist(&target)?;
        }
        whole_file::write(&seen, &hash)
    };
    place().with_context(|| format!("cannot write {}", target.display()))?;
    Ok(OwnPrograms { folder, hash })
}

/// A name for the file as it is: cargo writes a new one whenever it compiles.
fn identity(program: &Path) -> std::io::Result<String> {
    let meta = std::fs::metadata(program)?;
    let mut digest = Digest::default();
    digest.field(program.as_os_str().as_encoded_bytes());
    for number in [meta.ino(), meta.len()] {
        digest.field(number.to_le_bytes());
    }
    for number in [
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ] {
        digest.field(number.to_le_bytes());
    }
    Ok(format!("seen-{}", digest.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_its_sources_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("guard/src/deep")).unwrap();
        std::fs::write(root.join("guard/Cargo.toml"), "").unwrap();
        std::fs::write(root.join("Cargo.lock"), "").unwrap();
        let program = root.join("program");
        assert!(is_stale(root, &program));
        std::fs::write(&program, "").unwrap();
        assert!(!is_stale(root, &program));
        let later = SystemTime::now() + std::time::Duration::from_secs(9);
        let source = std::fs::File::create(root.join("guard/src/deep/x.rs")).unwrap();
        source.set_modified(later).unwrap();
        assert!(is_stale(root, &program));
    }

    #[test]
    fn programs_are_laid_out_by_their_content() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(&dir.path().join("cache"));
        let program = dir.path().join("program");
        std::fs::write(&program, "one").unwrap();
        let one = lay_out(&program, &cache).unwrap();
        std::fs::write(&program, "two").unwrap();
        let two = lay_out(&program, &cache).unwrap();
        assert_ne!(one, two);
        let kept = std::fs::read_to_string(one.folder.join("bin").join(PROGRAM));
        assert_eq!(kept.unwrap(), "one");
    }
}

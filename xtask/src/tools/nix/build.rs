//! Building, asking the store what is there, and keeping it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::path_info::PathInfo;
use super::{override_args, path_info, stage_args, Nix};
use crate::fleet::flake::Flake;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::process::Command;

impl Nix {
    /// Builds derivations and links the results as `root`, `root-1` and so on, going on when one fails, with a log that
    /// `log` reads.
    pub fn build<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
        jobs: u32,
        root: &Path,
    ) -> Command {
        self.command(["build", "--keep-going", "--log-format", "internal-json"])
            // The plan (what will be built and fetched) is told from this level on.
            .arg("--verbose")
            .args(["--max-jobs", &jobs.to_string()])
            // Two builds that need the same derivation look this often whether the other is done.
            .args(["--option", "build-poll-interval", "1"])
            .args(stage_args(stage))
            .arg("--out-link")
            .arg(root)
            .args(derivations.into_iter().map(|path| format!("{path}^out")))
    }

    /// Builds derivations and links the results as `root`, `root-1` and so on, going on when one fails, with a log that a
    /// person reads.
    pub fn build_linked<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
        root: &Path,
    ) -> Command {
        self.command(["build", "--keep-going"])
            .args(stage_args(stage))
            .arg("--out-link")
            .arg(root)
            .args(derivations.into_iter().map(|path| format!("{path}^out")))
    }

    /// Builds an attribute of the flake, and prints where it is.
    pub fn build_attribute(&self, flake: &Flake, stage: Stage, attribute: &str) -> Command {
        self.command(["build", "--no-link", "--print-out-paths"])
            .args(stage_args(stage))
            .args(override_args(flake))
            .arg(flake.attribute(attribute))
    }

    /// Builds a NixOS test, which plays it, with the driver's log on stderr.
    pub fn test(&self, flake: &Flake, stage: Stage, attribute: &str) -> Command {
        self.build_attribute(flake, stage, attribute)
            .arg("--print-build-logs")
    }

    /// Builds all outputs of derivations, going on when one fails. Nothing keeps them from being collected.
    pub fn build_unlinked<'a>(
        &self,
        derivations: impl IntoIterator<Item = &'a StorePath>,
        stage: Stage,
    ) -> Command {
        self.command(["build", "--no-link", "--keep-going"])
            .args(stage_args(stage))
            .args(derivations.into_iter().map(|path| format!("{path}^*")))
    }

    /// `nix build` as a person types it, for installables that are still to be added.
    pub fn plain_build(&self, flake: &Flake, stage: Stage, jobs: u32) -> Command {
        self.command(["build", "--no-link", "--max-jobs"])
            .arg(jobs.to_string())
            .args(stage_args(stage))
            .args(override_args(flake))
    }

    /// A program that finds this Nix first on its PATH, configured as it is here.
    pub fn for_children(&self, command: Command) -> Command {
        let command = self.with_programs(command, &[]);
        match self.conf_dir() {
            Some(dir) => command.env("NIX_CONF_DIR", dir),
            None => command,
        }
    }

    /// The same, with these folders of programs in front of Nix's own.
    pub fn with_programs(&self, command: Command, first: &[&Path]) -> Command {
        let first = first.iter().copied().chain(self.program().parent());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = first
            .map(Path::to_owned)
            .chain(std::env::split_paths(&path));
        match std::env::join_paths(folders) {
            Ok(path) => command.env("PATH", path),
            // Only a folder with a colon in its name cannot be on PATH at all.
            Err(_) => command,
        }
    }

    /// What this machine needs on top of its configuration, as lines of a nix.conf.
    pub fn settings(&self) -> String {
        let lines = self.options.iter();
        lines
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect()
    }

    /// What the store knows of these paths, with their closures' sizes; nothing of a path that is not there.
    pub async fn closures(&self, paths: &[&StorePath]) -> Result<BTreeMap<StorePath, PathInfo>> {
        self.path_info(&["--closure-size"], paths).await
    }

    /// Which of these paths are there.
    pub async fn valid(&self, paths: &[&StorePath]) -> Result<BTreeSet<StorePath>> {
        let infos = self.path_info(&[], paths).await?;
        Ok(infos.into_keys().collect())
    }

    async fn path_info(
        &self,
        options: &[&str],
        paths: &[&StorePath],
    ) -> Result<BTreeMap<StorePath, PathInfo>> {
        if paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        let output = self
            .question(["path-info", "--offline", "--json"])
            .args(options)
            .args(paths.iter().map(|path| path.as_str()))
            .capture()
            .await?;
        // A path that is not there makes Nix exit 1, with the whole answer all the same.
        path_info::parse(&output.stdout)
            .with_context(|| format!("nix path-info {}: {}", output.status, output.last_lines(5)))
    }

    /// What the store knows of these paths and of all that they refer to. It is one process of Nix however many they are,
    /// and what they share is read once: `path_info::closure` has what is one path's.
    pub async fn closure(&self, paths: &[&StorePath]) -> Result<BTreeMap<StorePath, PathInfo>> {
        if paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        let output = self
            .question(["path-info", "--json", "--recursive"])
            .args(paths.iter().map(|path| path.as_str()))
            .success()
            .await?;
        path_info::parse(&output.stdout)
    }

    /// Whether all outputs of a derivation are in the store.
    pub async fn is_built(&self, derivation: &StorePath) -> Result<bool> {
        let output = self
            .question(["path-info", "--offline"])
            .arg(format!("{derivation}^*"))
            .capture()
            .await?;
        Ok(output.status.success())
    }

    /// What the build of a derivation said, on stdout.
    pub fn log(&self, derivation: &StorePath) -> Command {
        self.question(["log"]).arg(derivation.as_str())
    }

    /// Keeps paths that are there from being collected, as long as the links `link`, `link-1` and so on exist.
    pub async fn add_roots(&self, paths: &[&StorePath], link: &Path) -> Result<()> {
        self.question(["build", "--offline", "--out-link"])
            .arg(link)
            .args(paths.iter().map(|path| path.as_str()))
            .success()
            .await?;
        Ok(())
    }

    /// Signs paths and all that they refer to.
    pub async fn sign(&self, paths: &[&StorePath], key: &Path) -> Result<()> {
        self.command(["store", "sign", "--recursive", "--key-file"])
            .arg(key)
            .args(paths.iter().map(|path| path.as_str()))
            .timeout(std::time::Duration::from_secs(600))
            .success()
            .await
            .with_context(|| format!("cannot sign closures with {}", key.display()))?;
        Ok(())
    }

    /// Makes a key that signs paths, in a file that only we read; its public half.
    pub async fn make_key(&self, name: &str, file: &Path) -> Result<String> {
        let secret = self
            .command(["key", "generate-secret", "--key-name", name])
            .success()
            .await
            .context("cannot make a key that signs paths")?;
        crate::whole_file::write(file, &secret.stdout)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let public = self
            .command(["key", "convert-secret-to-public"])
            .stdin(secret.stdout)
            .success()
            .await
            .context("cannot read a key that signs paths")?;
        Ok(public.text())
    }

    /// How a person calls this Nix: by its name if that finds it.
    pub fn words(&self) -> String {
        let named = which::which("nix").ok();
        if named.as_deref() == Some(self.program()) {
            "nix".to_owned()
        } else {
            self.program().display().to_string()
        }
    }
}

//! A binary cache as a client meets it: what it has, whose signatures that bears, whether it is what it should be.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::path_info::{self, PathInfo};
use super::Nix;
use crate::fleet::store_path::StorePath;
use crate::process::{Command, Output, Status};

/// A client that has asked no cache before, and that builds and fetches nothing.
#[derive(Debug)]
pub struct Client<'a> {
    pub nix: &'a Nix,
    /// In place of the folder in which Nix remembers for days what caches said.
    pub memory: &'a Path,
    pub trusted_public_keys: &'a [String],
}

impl Client<'_> {
    /// What the cache has of these paths; the inner error is why it gives no answer.
    ///
    /// # Errors
    /// If Nix cannot be started, or answers in an unknown form.
    pub async fn infos(
        &self,
        cache: &str,
        paths: &[&StorePath],
    ) -> Result<Result<BTreeMap<StorePath, PathInfo>, String>> {
        let output = self
            .command(&["path-info", "--json"], cache, paths)
            .capture()
            .await?;
        if !output.status.success() {
            return Ok(Err(reason(&output)));
        }
        path_info::parse(&output.stdout).map(Ok)
    }

    /// Which of these paths bear no signature of a trusted key in the cache. One whose name says its content needs none.
    ///
    /// # Errors
    /// If Nix cannot be started, or cannot tell.
    pub async fn untrusted(&self, cache: &str, paths: &[&StorePath]) -> Result<Vec<StorePath>> {
        let args = ["store", "verify", "--no-contents", "--sigs-needed", "1"];
        let output = self.command(&args, cache, paths).capture().await?;
        let found: Vec<StorePath> = output
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("path '")?.strip_suffix("' is untrusted"))
            .map(StorePath::parse)
            .collect::<Result<_>>()?;
        match output.status {
            Status::Code(0) => Ok(Vec::new()),
            // A sum: 2 is for paths without a signature, 1 and 4 are for what this does not look at.
            Status::Code(2) if !found.is_empty() => Ok(found),
            status => Err(anyhow::anyhow!(
                "nix store verify {status}: {}",
                reason(&output)
            ))
            .with_context(|| format!("cannot verify signatures in {cache}")),
        }
    }

    /// Fetches a path and compares it with its narinfo; why it is not that, if it is not.
    ///
    /// # Errors
    /// If Nix cannot be started.
    pub async fn spoiled(&self, cache: &str, path: &StorePath) -> Result<Option<String>> {
        let args = ["store", "verify", "--no-trust"];
        let output = self.command(&args, cache, &[path]).capture().await?;
        Ok((!output.status.success()).then(|| reason(&output)))
    }

    fn command(&self, args: &[&str], cache: &str, paths: &[&StorePath]) -> Command {
        let keys = self.trusted_public_keys.join(" ");
        self.nix
            .question(args)
            .args(["--store", cache])
            .args(["--option", "trusted-public-keys", &keys])
            .args(["--option", "substituters", ""])
            .args(super::QUICK)
            .args(paths.iter().map(|path| path.as_str()))
            .env("NIX_CACHE_HOME", self.memory)
            .env("XDG_CACHE_HOME", self.memory)
    }
}

/// What Nix says last of what went wrong.
fn reason(output: &Output) -> String {
    let said = output
        .stderr
        .lines()
        .rev()
        .find_map(|line| line.split_once("error: ").map(|(_, said)| said));
    match said {
        Some(said) => said.to_owned(),
        None => {
            let last = output.last_lines(1);
            format!("nix {}: {last}", output.status)
        }
    }
}

//! A binary cache as a client meets it: what it has, whose signatures that bears, whether it is what it should be. And as
//! a builder does, which copies into its store.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::path_info::{self, PathInfo};
use super::Nix;
use crate::fleet::store_path::StorePath;
use crate::process::{Command, Output, Status};
use crate::tools::ssh::Target;

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
            .command(&["path-info", "--json"], Some(cache), paths)
            .capture()
            .await?;
        if !output.status.success() {
            return Ok(Err(reason(&output)));
        }
        path_info::parse(&output.stdout).map(Ok)
    }

    /// Which of these paths bear no signature of a trusted key in the cache, or in Nix's own store where that is none. One
    /// whose name says its content needs none.
    ///
    /// # Errors
    /// If Nix cannot be started, or cannot tell.
    pub async fn untrusted(
        &self,
        cache: Option<&str>,
        paths: &[&StorePath],
    ) -> Result<Vec<StorePath>> {
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
            .with_context(|| {
                format!(
                    "cannot verify signatures in {}",
                    cache.unwrap_or("the store")
                )
            }),
        }
    }

    /// Fetches a path and compares it with its narinfo; why it is not that, if it is not.
    ///
    /// # Errors
    /// If Nix cannot be started.
    pub async fn spoiled(&self, cache: &str, path: &StorePath) -> Result<Option<String>> {
        let args = ["store", "verify", "--no-trust"];
        let output = self.command(&args, Some(cache), &[path]).capture().await?;
        Ok((!output.status.success()).then(|| reason(&output)))
    }

    fn command(&self, args: &[&str], cache: Option<&str>, paths: &[&StorePath]) -> Command {
        let keys = self.trusted_public_keys.join(" ");
        self.nix
            .question(args)
            .args(cache.into_iter().flat_map(|cache| ["--store", cache]))
            .args(["--option", "trusted-public-keys", &keys])
            .args(["--option", "substituters", ""])
            .args(super::QUICK)
            .args(paths.iter().map(|path| path.as_str()))
            .env("NIX_CACHE_HOME", self.memory)
            .env("XDG_CACHE_HOME", self.memory)
    }
}

impl Nix {
    /// Copies paths and all that they refer to into the store of a host, which fetches itself what it can, from where it
    /// fetches. `ssh` is what its ssh is called with before the address.
    pub fn copy_to(&self, target: &Target, ssh: &[String], paths: &[&StorePath]) -> Command {
        let store = store_of(target);
        let command = self.command(["copy", "--substitute-on-destination", "--to", &store]);
        self.by_ssh(command, ssh, paths)
    }

    /// Gives the same paths in the store of a host the signatures that they have here: a copy adds none to what is there.
    /// Nix leaves a path alone that is another one there under the same name.
    pub fn copy_signatures(
        &self,
        target: &Target,
        ssh: &[String],
        paths: &[&StorePath],
    ) -> Command {
        // Where Nix itself has its store.
        let own = std::env::var("NIX_REMOTE").unwrap_or_else(|_| "auto".to_owned());
        let command = self.command(["store", "copy-sigs", "--recursive"]).args([
            "--store",
            &store_of(target),
            "--substituter",
            &own,
        ]);
        self.by_ssh(command, ssh, paths)
    }

    fn by_ssh(&self, command: Command, ssh: &[String], paths: &[&StorePath]) -> Command {
        self.for_children(command)
            .args(paths.iter().map(|path| path.as_str()))
            .env("NIX_SSHOPTS", ssh.join(" "))
            .timeout(Duration::from_secs(2 * 3600))
    }
}

fn store_of(target: &Target) -> String {
    let user = target.user.as_ref().map(|user| format!("{user}@"));
    let address = match target.address.contains(':') {
        true => format!("[{}]", target.address),
        false => target.address.clone(),
    };
    format!("ssh-ng://{}{address}", user.unwrap_or_default())
}

/// The path that is sent, in a line of what `copy_to` says. What the host fetches itself is told as well, with `from`.
pub fn sent(line: &str) -> Option<StorePath> {
    let (path, place) = line.split_once("copying path '")?.1.split_once('\'')?;
    if !place.trim_start().starts_with("to ") {
        return None;
    }
    StorePath::parse(path).ok()
}

/// What Nix says last of what went wrong.
pub fn reason(output: &Output) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::ssh::tests::target;

    #[test]
    fn a_copy_goes_to_the_host_as_ssh_reaches_it() {
        let hash = "0".repeat(32);
        let path = StorePath::parse(&format!("/nix/store/{hash}-x")).unwrap();
        let nix = Nix::of_the_machine("/bin/nix".into());
        let line = |address: &str, user: Option<&str>| {
            let target = Target {
                address: address.to_owned(),
                user: user.map(str::to_owned),
                ..target()
            };
            nix.copy_to(&target, &[], &[&path]).line()
        };
        let told = line("10.0.0.1", Some("cache"));
        assert!(
            told.contains("--to ssh-ng://cache@10.0.0.1 /nix/store/"),
            "{told}"
        );
        assert!(line("fd00::1", None).contains("'ssh-ng://[fd00::1]'"));
    }

    #[test]
    fn what_is_sent_is_told_from_what_the_host_fetches() {
        let hash = "0".repeat(32);
        let line = format!("copying path '/nix/store/{hash}-x' to 'ssh-ng://cache@h'...");
        assert_eq!(sent(&line).unwrap().name(), "x");
        let fetched = format!("copying path '/nix/store/{hash}-x' from 'http://127.0.0.1'...");
        assert_eq!(sent(&fetched), None);
        assert_eq!(sent("copying 1 paths..."), None);
    }
}

//! The host that serves the fleet's binary cache: how paths get into its store, and what keeps them there.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};

use super::roots::{self, Generations};
use crate::failure::Failure;
use crate::fleet::closure::Closure;
use crate::fleet::host::{self, HostName};
use crate::fleet::inventory::{BinaryCache, Host, Inventory};
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;
use crate::process::{last_lines, Output, Status};
use crate::tools::nix::{cache, Nix};
use crate::tools::ssh::{complaint, here, Ssh, Target, SSH_FAILED};

const ENABLE: &str = "homelab.services.harmonia.enable = true";
/// What Nix may take to collect garbage: it looks at every path of the store.
const COLLECTION: Duration = Duration::from_secs(3600);

/// It, as this machine reaches it.
#[derive(Debug)]
pub struct Server {
    pub target: Target,
    ssh: Ssh,
    roots: String,
}

/// The host that serves the cache; `wanted` is its name where there are several.
///
/// # Errors
/// Usage, if there is none, or another one is wanted, or several are there and none is.
pub fn find<'a>(
    inventory: &'a Inventory,
    wanted: Option<&str>,
) -> Result<(&'a Host, &'a BinaryCache), Failure> {
    let serving = |host: &'a Host| Some((host, host.binary_cache.as_ref()?));
    let all: Vec<(&Host, &BinaryCache)> = inventory.hosts.values().filter_map(serving).collect();
    if let Some(wanted) = wanted {
        let names: Vec<HostName> = inventory.hosts.keys().cloned().collect();
        host::select(&names, &[wanted.to_owned()])?;
        let chosen = all.iter().find(|(host, _)| host.name.as_str() == wanted);
        return chosen.copied().ok_or_else(|| {
            Failure::usage(format!("host {wanted} serves no binary cache"))
                .try_next(format!("{ENABLE} in its configuration"))
        });
    }
    match all.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::usage("no host of the fleet serves a binary cache")
            .try_next(format!("{ENABLE} on one of them"))),
        several => {
            let names: Vec<&str> = several.iter().map(|(host, _)| host.name.as_str()).collect();
            Err(
                Failure::usage(format!("several hosts serve a cache: {}", names.join(", ")))
                    .try_next(format!("--cache {}", names.join(" or --cache "))),
            )
        }
    }
}

impl Server {
    /// `key` is the ssh key that the cache knows; none leaves it to ssh.
    ///
    /// # Errors
    /// Usage, if nobody knows its address, or its stage does not let it be reached.
    pub async fn open(
        (host, cache): (&Host, &BinaryCache),
        key: Option<&std::path::Path>,
        stage: Stage,
    ) -> Result<Self> {
        let target = if here::name() == host.name.as_str() {
            Target::here(host, stage)
        } else {
            let away = Target::of(host, Some(cache.user.clone()), stage);
            let mut target = away.ok_or_else(|| {
                Failure::usage(format!(
                    "nobody knows the address of the cache {}",
                    host.name
                ))
                .try_next("homelab.deploy.targetHost in its configuration")
            })?;
            if let Some(key) = key {
                let identity = format!("-oIdentityFile={}", key.display());
                target
                    .options
                    .splice(0..0, [identity, "-oIdentitiesOnly=yes".to_owned()]);
            }
            target
        };
        if !target.may_be_asked() {
            return Err(Failure::usage(format!(
                "the rehearsal stage asks nobody but this machine, and the cache {} is at {}",
                target.host, target.address
            ))
            .try_next("--stage nixos")
            .into());
        }
        Ok(Self {
            ssh: Ssh::knowing([&target]).await?,
            roots: cache.roots.clone(),
            target,
        })
    }

    fn name(&self) -> &HostName {
        &self.target.host
    }

    /// Keeps a closure that is there, or is about to be: its generation's number.
    ///
    /// # Errors
    /// Failed, if the cache does not do it.
    pub async fn pin(&self, host: &HostName, closure: &Closure) -> Result<u64> {
        let told = self.run(&roots::pin(&self.roots, host, closure)).await?;
        told.trim()
            .parse()
            .with_context(|| format!("the cache's answer is no number: {told:?}"))
    }

    /// # Errors
    /// Failed, if the cache does not tell.
    pub async fn generations(&self) -> Result<Generations> {
        roots::parse(&self.run(&roots::list(&self.roots)).await?)
    }

    /// # Errors
    /// Failed, if the cache does not do it.
    pub async fn drop(&self, generations: &[(&str, u64)]) -> Result<()> {
        // A command line has an end.
        for some in generations.chunks(500) {
            self.run(&roots::drop(&self.roots, some)).await?;
        }
        Ok(())
    }

    /// Keeps what a host needs besides its generations.
    ///
    /// # Errors
    /// Failed, if the cache does not do it.
    pub async fn hold(&self, host: &HostName, paths: &[&StorePath]) -> Result<()> {
        self.run(&roots::hold(&self.roots, host, paths)).await?;
        Ok(())
    }

    /// Collects what nothing keeps; what Nix says came of it.
    ///
    /// # Errors
    /// Failed, if the cache does not do it.
    pub async fn collect(&self) -> Result<String> {
        let told = self.run_within("nix-store --gc", COLLECTION).await?;
        Ok(last_lines(&told, 1))
    }

    /// Copies closures into its store, but for what it has, or can fetch itself from where it fetches; what was sent. What
    /// was there gets the signatures that it has here.
    /// On the cache itself that is nothing: its own store is what it serves.
    ///
    /// # Errors
    /// Failed, if it cannot be reached, or does not take them.
    pub async fn copy(&self, nix: &Nix, paths: &[&StorePath]) -> Result<BTreeSet<StorePath>> {
        if self.target.here {
            return Ok(BTreeSet::new());
        }
        let mut sent = BTreeSet::new();
        let ssh = self.ssh.arguments(&self.target);
        let copying = nix.copy_to(&self.target, &ssh, paths);
        let copied = copying
            .stream(|line| sent.extend(cache::sent(line)))
            .await?;
        self.taken(&copied)?;
        let signing = nix.copy_signatures(&self.target, &ssh, paths);
        self.taken(&signing.capture().await?)?;
        Ok(sent)
    }

    fn taken(&self, output: &Output) -> Result<(), Failure> {
        if output.status.success() {
            return Ok(());
        }
        let (host, why) = (self.name(), cache::reason(output));
        Err(
            Failure::failed(format!("the cache {host} does not take it: {why}"))
                .try_next(self.cure(&why)),
        )
    }

    /// What there is to do about what Nix said last.
    fn cure(&self, why: &str) -> String {
        let host = self.name();
        if why.contains("signature") {
            format!("homelab.nixCache.publicKeys in the configuration of {host}, deployed")
        } else if why.contains("No space left") || why.contains("disk is full") {
            "cargo xtask cache gc".to_owned()
        } else {
            format!("ssh -l {} {}", self.user(), self.target.address)
        }
    }

    fn user(&self) -> &str {
        self.target.user.as_deref().unwrap_or("cache")
    }

    async fn run(&self, command: &str) -> Result<String> {
        self.run_within(command, Duration::from_secs(120)).await
    }

    async fn run_within(&self, command: &str, time: Duration) -> Result<String> {
        let output = self
            .ssh
            .command(&self.target, command)
            .timeout(time)
            .capture()
            .await?;
        let name = self.name();
        let failure = match output.status {
            Status::Code(0) => return Ok(output.text()),
            Status::Code(SSH_FAILED) => {
                let why = complaint(&output.stderr);
                Failure::failed(format!("cannot reach the cache {name}: {why}")).try_next(
                    "homelab.services.harmonia.push.keys in its configuration, and whether it is on",
                )
            }
            status => {
                let said = output.last_lines(1);
                let cure = if said.contains("ermission denied") {
                    format!(
                        "the same as root, or as a member of the group of {}",
                        self.roots
                    )
                } else if said.contains("No space left") {
                    "cargo xtask cache gc".to_owned()
                } else {
                    format!("{ENABLE} in the configuration of {name}, deployed")
                };
                Failure::failed(format!("the cache {name} {status}: {said}")).try_next(cure)
            }
        };
        Err(failure.into())
    }
}

//! The fleet of the benchmark: a flake in a repository of its own, whose hosts can be changed, built, signed and released.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use guard::release::{
    Action, ActionKind, Document, HostRelease, Release, SignedRelease, NAMESPACE, VERSION,
};
use guard::time::Time;
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::keys::{Door, Keys};
use crate::evaluate::{self, Fleet};
use crate::fleet::store_path::StorePath;
use crate::tools::git::Git;
use crate::tools::ssh_keygen;

const FLAKE: &str = include_str!("fleet.nix");

/// As Nix would lock it. It has no inputs, and Nix leaves the file out then; a real fleet has one.
const LOCK: &str = r#"{ "nodes": { "root": {} }, "root": "root", "version": 7 }"#;

/// What the flake reads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    system: String,
    /// deploy-rs's program that runs on hosts.
    activate: PathBuf,
    /// That a host's activation takes.
    seconds: u16,
    hosts: BTreeMap<String, Stated>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stated {
    address: String,
    host_keys: Vec<String>,
    /// Makes its closure another one.
    word: String,
    /// Paths that stay, in each of its closures.
    paths: u16,
    /// How ssh gets to its guard, and to its root.
    deploy_opts: Vec<String>,
    root_opts: Vec<String>,
}

/// What a host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closures {
    pub toplevel: guard::store_path::StorePath,
    pub profile: guard::store_path::StorePath,
    /// What builds the profile.
    pub profile_drv: String,
}

/// What a host's closure weighs.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Paths that stay from one commit to the next.
    pub paths: u16,
    /// That its activation takes.
    pub seconds: u16,
}

/// The fleet, of hosts that are up.
pub struct Generated<'a> {
    folder: PathBuf,
    git: Git,
    keys: &'a Keys,
    data: Data,
    /// The fleet of the same Nix, stage and cache.
    like: &'a Fleet,
    nonce: u128,
    counter: u64,
}

impl<'a> Generated<'a> {
    /// # Errors
    /// If the repository cannot be made.
    pub async fn new(
        folder: PathBuf,
        like: &'a Fleet,
        keys: &'a Keys,
        activate: &Path,
        hosts: &[Host],
        size: Size,
    ) -> Result<Self> {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let stated = |host: &Host| {
            let stated = Stated {
                address: host.address.clone(),
                host_keys: vec![host.key.clone()],
                word: "first".to_owned(),
                paths: size.paths,
                deploy_opts: keys.options(host, Door::Guard),
                root_opts: keys.options(host, Door::Root),
            };
            (host.name.to_string(), stated)
        };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut generated = Self {
            git: Git::create(&folder).await?,
            folder,
            keys,
            data: Data {
                system: format!("{}-linux", std::env::consts::ARCH),
                activate: activate.to_owned(),
                seconds: size.seconds,
                hosts: hosts.iter().map(stated).collect(),
            },
            like,
            nonce: now.as_nanos(),
            counter: 0,
        };
        generated.change(usize::MAX).await?;
        Ok(generated)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the first hosts, so many of them, a closure that no store has seen, and commits, builds and signs that.
    ///
    /// # Errors
    /// If it cannot be built.
    pub async fn change(&mut self, hosts: usize) -> Result<()> {
        self.nonce += 1;
        for stated in self.data.hosts.values_mut().take(hosts) {
            stated.word = self.nonce.to_string();
        }
        let write = |name: &str, text: &str| {
            let file = self.folder.join(name);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write("flake.nix", FLAKE)?;
        write("flake.lock", LOCK)?;
        write("fleet.json", &serde_json::to_string_pretty(&self.data)?)?;
        self.git.add_all().await?;
        self.git.commit_all("Change").await?;
        let fleet = self.open().await?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let profile = |host: &String| {
            let node = format!("deploy.nodes.{host}.profiles.system.path");
            fleet.flake.attribute(&node)
        };
        fleet
            .nix
            .plain_build(&fleet.flake, fleet.stage, u32::try_from(jobs).unwrap_or(1))
            .args(self.data.hosts.keys().map(profile))
            .success()
            .await?;
        let closures = self.closures().await?;
        let profiles = closures
            .values()
            .map(|it| StorePath::parse(it.profile.as_str()))
            .collect::<Result<Vec<_>, _>>()?;
        let profiles: Vec<&StorePath> = profiles.iter().collect();
        fleet.nix.sign(&profiles, &self.keys.store_file()).await
    }

    async fn open(&self) -> Result<Fleet> {
        evaluate::open_folder(self.like, &self.folder).await
    }

    /// What each host is to have.
    ///
    /// # Errors
    /// If it cannot be evaluated.
    pub async fn closures(&self) -> Result<BTreeMap<String, Closures>> {
        let fleet = self.open().await?;
        let output = fleet
            .nix
            .question(["eval", "--json"])
            .arg(fleet.flake.attribute("released"))
            .success()
            .await?;
        serde_json::from_slice(&output.stdout).context("cannot read what the fleet is to have")
    }

    /// A release of the commit, for every host.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub async fn release(&mut self) -> Result<SignedRelease> {
        self.counter += 1;
        let now = Time::now();
        let named = |(host, it): (String, Closures)| {
            let named = HostRelease {
                toplevel: it.toplevel,
                profile: it.profile,
                action: Action {
                    kind: ActionKind::Switch,
                    lease_seconds: None,
                },
                removes_guard: false,
            };
            (host, named)
        };
        let release = Release {
            document: Document::Release,
            version: VERSION,
            commit: self.git.commit("HEAD").await?,
            counter: self.counter,
            made: now,
            expires: now.plus(Duration::from_secs(24 * 3600)),
            hosts: self.closures().await?.into_iter().map(named).collect(),
        };
        let text = release.to_text()?;
        let signature = ssh_keygen::sign(&self.keys.signer_file(), NAMESPACE, &text).await?;
        Ok(SignedRelease {
            release: text,
            signature,
        })
    }
}

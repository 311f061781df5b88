//! Generated fleets: a flake made with `mkFleet` in a git repository of its own, whose hosts can be changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::Command;
use crate::tools::git::Git;
use crate::tools::nix::Nix;

/// What a host costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What Slipway's modules cost.
    Light,
    /// At least a second of evaluation that no two hosts share, as real NixOS hosts cost.
    Heavy,
}

impl Kind {
    pub fn words(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }
}

/// A fleet in a temporary folder, removed when dropped.
pub struct Generated {
    dir: TempDir,
    git: Git,
    hosts: Vec<String>,
    kind: Kind,
    /// Makes every changed state one that the store has not seen.
    nonce: u128,
}

/// What of a Slipway a fleet's evaluation needs.
const PARTS: [&str; 5] = ["flake.nix", "flake.lock", "nix", "modules", "hosts"];

const FLAKE: &str = r#"{
  inputs.slipway.url = "path:SLIPWAY";
  outputs = inputs: inputs.slipway.lib.mkFleet {
    inherit inputs;
    hosts = ./hosts;
    modules = [ ./site.nix ];
  };
}
"#;

/// Sets and lists that are made and thrown away, as the module system does with definitions.
const HEAVY: &str = r#"
  environment.etc."work".text =
    let
      part = i: builtins.listToAttrs (
        map (j: { name = "HOST-${toString (i * 100 + j)}"; value = j; }) (builtins.genList (j: j) 100)
      );
    in
    toString (
      builtins.foldl' (sum: set: sum + builtins.length (builtins.attrNames set)) 0 (
        map part (builtins.genList (i: i) 12000)
      )
    );
"#;

impl Generated {
    pub async fn new(nix: &Nix, slipway: &Path, kind: Kind, size: u16) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("slipway-bench-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let parts = PARTS.map(|part| slipway.join(part));
        let copy = dir.path().join("slipway");
        std::fs::create_dir(&copy)?;
        Command::new("cp")
            .arg("-r")
            .args(&parts)
            .arg(&copy)
            .success()
            .await?;
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let folder = dir.path().join("fleet");
        std::fs::create_dir(&folder)?;
        let generated = Self {
            hosts: (1..=size).map(|number| format!("h{number:03}")).collect(),
            kind,
            nonce: now.as_nanos(),
            git: Git::create(&folder).await?,
            dir,
        };
        generated.write_all(&copy)?;
        generated.git.add_all().await?;
        // Inputs of Slipway's own are locked by its lock file: nothing is fetched.
        nix.lock(&folder).success().await?;
        generated.git.add_all().await?;
        Ok(generated)
    }

    /// The flake.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("fleet")
    }

    /// For caches and reports.
    pub fn work(&self) -> &Path {
        self.dir.path()
    }

    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    fn write_all(&self, slipway: &Path) -> Result<()> {
        let folder = self.folder();
        std::fs::create_dir_all(&folder)?;
        let flake = FLAKE.replace("SLIPWAY", &slipway.display().to_string());
        std::fs::write(folder.join("flake.nix"), flake)?;
        self.write_site()?;
        self.hosts().try_for_each(|host| self.write_host(host))
    }

    fn write_site(&self) -> Result<()> {
        let text = format!(
            "{{\n  homelab.common.enable = true;\n  homelab.site.domain = \"example.org\";\n  \
             environment.etc.\"nonce\".text = \"{}\";\n}}\n",
            self.nonce
        );
        Ok(std::fs::write(self.folder().join("site.nix"), text)?)
    }

    fn write_host(&self, host: &str) -> Result<()> {
        let folder = self.folder().join("hosts").join(host);
        std::fs::create_dir_all(&folder)?;
        let heavy = match self.kind {
            Kind::Light => String::new(),
            Kind::Heavy => HEAVY.replace("HOST", host),
        };
        let text = format!(
            "{{\n  homelab.deploy.targetHost = \"192.0.2.1\";\n  \
             environment.etc.\"own\".text = \"{host} {}\";{heavy}\n}}\n",
            self.nonce
        );
        Ok(std::fs::write(folder.join("default.nix"), text)?)
    }

    /// Every host's closure is another one from here on.
    pub async fn change_all(&mut self) -> Result<()> {
        self.nonce += 1;
        self.write_site()?;
        self.commit().await
    }

    /// The first host's closure is another one from here on.
    pub async fn change_one(&mut self) -> Result<()> {
        self.nonce += 1;
        let first = self.hosts.first().context("a fleet without hosts")?;
        self.write_host(first)?;
        self.commit().await
    }

    /// A clean tree: only there does Nix keep evaluations.
    async fn commit(&self) -> Result<()> {
        self.git.commit_all("Change").await
    }
}

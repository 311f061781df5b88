//! Keys of one run, each for one purpose, as in a fleet: CI's, the one that signs releases, the one that signs closures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tools::nix::Nix;
use crate::tools::ssh_keygen;

#[derive(Debug)]
pub struct Keys {
    /// The whole file: what the forge has as a secret.
    pub deploy_private: String,
    pub deploy_public: String,
    /// The private half's file.
    pub release: PathBuf,
    pub release_public: String,
    /// The private half's file.
    pub nix: PathBuf,
    pub nix_public: String,
}

impl Keys {
    /// New ones; CI's private half is in no file afterwards.
    ///
    /// # Errors
    /// If they cannot be made or written.
    pub async fn make(nix: &Nix, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let deploy = folder.join("deploy");
        let deploy_public = ssh_keygen::generate(&deploy).await?;
        let deploy_private = std::fs::read_to_string(&deploy)
            .and_then(|text| std::fs::remove_file(&deploy).map(|()| text))
            .with_context(|| format!("cannot read {}", deploy.display()))?;
        let release = folder.join("release");
        let release_public = ssh_keygen::generate(&release).await?;
        let file = folder.join("nix");
        let nix_public = nix.make_key("rehearsal-1", &file).await?;
        Ok(Self {
            deploy_private,
            deploy_public,
            release,
            release_public,
            nix: file,
            nix_public,
        })
    }
}

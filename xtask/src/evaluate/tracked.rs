//! The fleet's files that git tracks: those that Nix copies into the store, where everybody can read them.

use anyhow::Result;

use super::Fleet;

impl Fleet {
    /// Their paths, relative to the fleet's folder; neither links nor submodules.
    ///
    /// # Errors
    /// Usage, if the fleet is in no git repository on this machine; failed, if git cannot read it.
    pub async fn tracked(&self) -> Result<Vec<String>> {
        let prefix = self.location.prefix();
        let files = self.git()?.tracked().await?;
        Ok(files
            .into_iter()
            .filter(|file| file.mode.starts_with("100"))
            .filter_map(|file| file.path.strip_prefix(&prefix).map(str::to_owned))
            .collect())
    }
}

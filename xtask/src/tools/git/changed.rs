//! What a change touches: the files that differ from where it left the main branch.

use anyhow::Result;

use super::Git;

/// Where main is looked for: as CI has it, and as a person has it.
const MAIN: [&str; 2] = ["origin/main", "main"];

impl Git {
    /// The files, relative to the repository, that are other than on main: in commits since then, in the index or in the
    /// working tree. On main itself, what its last commit changed. None if git cannot tell, as in a shallow clone.
    ///
    /// # Errors
    /// If git cannot be started.
    pub async fn changed(&self) -> Result<Option<Vec<String>>> {
        let mut base = None;
        for main in MAIN {
            let found = self.answer(["merge-base", "HEAD", main]).await?;
            base = base.or(found);
        }
        let head = self.answer(["rev-parse", "HEAD"]).await?;
        if base.is_none() || base == head {
            base = self
                .answer(["rev-parse", "--verify", "--quiet", "HEAD~1"])
                .await?;
        }
        let Some(base) = base else {
            return Ok(None);
        };
        let files = self.answer(["diff", "--name-only", "-z", &base]).await?;
        Ok(files.map(|text| {
            let files = text.split('\0').filter(|file| !file.is_empty());
            files.map(str::to_owned).collect()
        }))
    }

    /// What git says; none if it says that there is no such thing.
    async fn answer<const N: usize>(&self, args: [&str; N]) -> Result<Option<String>> {
        let output = self.command(args).capture().await?;
        Ok(output.status.success().then(|| output.text()))
    }
}

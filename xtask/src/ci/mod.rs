//! Workflow files: what stands in them, when they run, what is wrong in them; and the comment that a job leaves.

pub mod calls;
pub mod expressions;
pub mod on;
pub mod pattern;
pub mod pull_request;
pub mod rules;
pub mod workflow;

use std::path::Path;

use anyhow::{Context, Result};

use crate::failure::Failure;
use workflow::Workflow;

/// A workflow file and what stands in it.
#[derive(Debug)]
pub struct File {
    /// `build.yml`
    pub name: String,
    pub text: String,
    pub workflow: Workflow,
}

/// Where a repository has its workflows: Forgejo looks into the second folder only where the first is absent.
pub const FOLDERS: [&str; 2] = [".forgejo/workflows", ".github/workflows"];

/// The folder of a repository's workflows, relative to its root; none if it has none.
pub fn folder(root: &Path) -> Option<&'static str> {
    FOLDERS
        .into_iter()
        .find(|folder| root.join(folder).is_dir())
}

/// Every workflow of a repository, by the files' names.
///
/// # Errors
/// Usage, with file and line, if one of them cannot be read as a workflow; or if there are none.
pub fn read(root: &Path) -> Result<Vec<File>> {
    let Some(folder) = folder(root) else {
        return Err(Failure::usage(format!(
            "no workflows: {} has no {}",
            root.display(),
            FOLDERS.join(" and no ")
        ))
        .into());
    };
    let path = root.join(folder);
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?
    {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yml") || name.ends_with(".yaml") {
            names.push(name);
        }
    }
    names.sort();
    let file = |name: String| {
        let text = std::fs::read_to_string(path.join(&name))
            .with_context(|| format!("cannot read {folder}/{name}"))?;
        let workflow = workflow::parse(&text).map_err(|error| {
            Failure::usage(format!("{folder}/{name} is no workflow: {error}"))
                .try_next("correct the file; `cargo xtask check` reads all of them")
        })?;
        Ok(File {
            name,
            text,
            workflow,
        })
    };
    names.into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgejos_folder_hides_the_other() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path())
            .unwrap_err()
            .to_string()
            .contains("no workflows"));
        for (folder, name) in [(FOLDERS[1], "a.yml"), (FOLDERS[0], "b.yaml")] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
            let text = "on: push\njobs: {}\n";
            std::fs::write(root.path().join(folder).join(name), text).unwrap();
        }
        let files = read(root.path()).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].name, "b.yaml");
    }
}

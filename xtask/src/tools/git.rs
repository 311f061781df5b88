//! Git: what it tracks, what differs from the index, revisions and their names.

mod changed;
mod checkout;
pub mod committed;
mod generated;
pub mod signed;
mod signers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::fleet::nearest::nearest;
use crate::process::{Command, Output};

/// A repository with a working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    root: PathBuf,
}

/// A file as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Relative to the root, as bytes that are UTF-8 in every repository that Nix reads.
    pub path: String,
    /// `100644`, `100755`, `120000` (link), `160000` (submodule).
    pub mode: String,
    pub object: String,
}

/// How the working tree differs from the last commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The last commit; none before the first.
    pub head: Option<String>,
    /// Anything tracked differs from it, in the index or the working tree.
    pub dirty: bool,
    /// Tracked files whose working tree content is not what the index has, deleted ones among them.
    pub modified: Vec<String>,
    pub untracked: Vec<String>,
}

impl Git {
    /// The repository that `dir` is in, found as git and Nix find it: by `.git` in the folder or above.
    pub fn above(dir: &Path) -> Option<Self> {
        dir.ancestors()
            .find(|dir| dir.join(".git").exists())
            .map(|root| Self {
                root: root.to_owned(),
            })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        Command::new("git")
            .args(["-c", "core.quotePath=false", "-C"])
            .arg(&self.root)
            .args(args)
            // A question must not wait for another git, nor for a person.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .timeout(Duration::from_secs(60))
    }

    async fn ask<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<Output> {
        self.command(args)
            .success()
            .await
            .with_context(|| format!("cannot read the git repository {}", self.root.display()))
    }

    /// Every file of the index.
    pub async fn tracked(&self) -> Result<Vec<Tracked>> {
        let output = self.ask(["ls-files", "--stage", "-z"]).await?;
        Ok(parse_index(&output.text()))
    }

    /// Files whose changes git was told to overlook (`assume-unchanged`, `skip-worktree`), so that `status` does not name
    /// them.
    pub async fn hidden(&self) -> Result<Vec<String>> {
        let output = self.ask(["ls-files", "-v", "-z"]).await?;
        Ok(parse_hidden(&output.text()))
    }

    pub async fn status(&self) -> Result<Status> {
        let output = self
            .ask([
                "status",
                "--porcelain=v2",
                "--branch",
                "-z",
                "--no-renames",
                "--untracked-files=all",
                "--ignore-submodules=all",
            ])
            .await?;
        Ok(parse_status(&output.text()))
    }

    /// The object ids that these files would get, in the same order.
    pub async fn hash_files(&self, paths: &[String]) -> Result<Vec<String>> {
        let input: String = paths.iter().map(|path| format!("{path}\n")).collect();
        let output = self
            .command(["hash-object", "--no-filters", "--stdin-paths"])
            .stdin(input)
            .success()
            .await?;
        Ok(output.text().lines().map(str::to_owned).collect())
    }

    /// The commit that a revision names: a branch goes before a tag of its name, since a branch is what is deployed.
    ///
    /// # Errors
    /// Usage, naming the nearest branches and tags, if it names none.
    pub async fn commit(&self, revision: &str) -> Result<String> {
        for name in [format!("refs/heads/{revision}"), revision.to_owned()] {
            let wanted = format!("{name}^{{commit}}");
            let output = self
                .command([
                    "rev-parse",
                    "--verify",
                    "--quiet",
                    "--end-of-options",
                    &wanted,
                ])
                .capture()
                .await?;
            if output.status.success() {
                return Ok(output.text());
            }
        }
        let failure = Failure::usage(format!(
            "{} has no revision `{revision}`",
            self.root.display()
        ));
        let names = self.names().await?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let near = nearest(revision, &names);
        Err(if near.is_empty() {
            failure.try_next("git log --oneline")
        } else {
            failure.try_next(near.join(", "))
        }
        .into())
    }

    /// The branch that is checked out; none for a commit that no branch stands for.
    pub async fn branch(&self) -> Result<Option<String>> {
        let output = self
            // Not --short, which says heads/main where a tag is called main, too.
            .command(["symbolic-ref", "--quiet", "HEAD"])
            .capture()
            .await?;
        let name = output.text();
        let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
        Ok(branch.filter(|_| output.status.success()))
    }

    /// The whole message of a commit.
    pub async fn message(&self, commit: &str) -> Result<String> {
        let output = self
            .ask(["show", "--no-patch", "--format=%B", commit])
            .await?;
        Ok(output.text())
    }

    /// How many commits `a` has that `b` has not, and the other way round; none if one of them is not here.
    pub async fn distance(&self, a: &str, b: &str) -> Result<Option<(u32, u32)>> {
        let range = format!("{a}...{b}");
        let output = self
            .command(["rev-list", "--left-right", "--count", "--end-of-options"])
            .arg(range)
            .arg("--")
            .capture()
            .await?;
        let text = output.text();
        Ok(output
            .status
            .success()
            .then(|| text.split_once('\t'))
            .flatten()
            .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))))
    }

    /// Branches and tags.
    async fn names(&self) -> Result<Vec<String>> {
        let output = self
            .ask(["for-each-ref", "--format=%(refname:short)"])
            .await?;
        Ok(output.text().lines().map(str::to_owned).collect())
    }

    /// A file of a commit; none if it has no such file.
    pub async fn show(&self, commit: &str, path: &str) -> Result<Option<String>> {
        let name = format!("{commit}:{path}");
        let output = self.command(["show", &name]).capture().await?;
        Ok(output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The object id of a file or folder of a commit; none if it has none there.
    pub async fn object(&self, commit: &str, path: &str) -> Result<Option<String>> {
        let name = format!("{commit}:{path}");
        let output = self
            .command(["rev-parse", "--verify", "--quiet", &name])
            .capture()
            .await?;
        Ok(output.status.success().then(|| output.text()))
    }

    /// Writes a folder of a commit into `target`, which exists and is empty.
    pub async fn extract(&self, commit: &str, path: &str, target: &Path) -> Result<()> {
        let tree = format!("{commit}:{path}");
        let archive = self.ask(["archive", "--format=tar", &tree]).await?;
        Command::new("tar")
            .args(["-x", "-f", "-", "-C"])
            .arg(target)
            .stdin(archive.stdout)
            .timeout(Duration::from_secs(60))
            .success()
            .await?;
        Ok(())
    }

    /// History that was cut off, which Nix reads only if told so.
    pub async fn is_shallow(&self) -> Result<bool> {
        let output = self.ask(["rev-parse", "--is-shallow-repository"]).await?;
        Ok(output.text() == "true")
    }

    /// Makes git know a file without staging its content.
    pub async fn intend_to_add(&self, path: &Path) -> Result<()> {
        self.command(["add", "--intent-to-add", "--"])
            .arg(path)
            .success()
            .await?;
        Ok(())
    }

    /// Takes a path that may be known out of the index; the working tree stays as it is.
    pub async fn forget(&self, path: &Path) -> Result<()> {
        self.command(["rm", "--cached", "-r", "--quiet", "--ignore-unmatch", "--"])
            .arg(path)
            .success()
            .await?;
        Ok(())
    }
}

/// `ls-files -v`: a letter, a space, a path; small letters and `S` mark what is overlooked.
fn parse_hidden(text: &str) -> Vec<String> {
    text.split_terminator('\0')
        .filter_map(|line| line.split_once(' '))
        .filter(|(tag, _)| *tag == "S" || tag.chars().all(|c| c.is_ascii_lowercase()))
        .map(|(_, path)| path.to_owned())
        .collect()
}

fn parse_index(text: &str) -> Vec<Tracked> {
    text.split('\0')
        .filter_map(|entry| {
            let (meta, path) = entry.split_once('\t')?;
            let mut words = meta.split(' ');
            Some(Tracked {
                mode: words.next()?.to_owned(),
                object: words.next()?.to_owned(),
                path: path.to_owned(),
            })
        })
        .collect()
}

/// Reads `git status --porcelain=v2 --branch -z --no-renames`.
fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for entry in text.split('\0') {
        let Some((kind, rest)) = entry.split_once(' ') else {
            continue;
        };
        match kind {
            "#" => {
                if let Some(commit) = rest.strip_prefix("branch.oid ") {
                    status.head = (commit != "(initial)").then(|| commit.to_owned());
                }
            }
            "?" => status.untracked.push(rest.to_owned()),
            // `1 XY sub mH mI mW hH hI path`, and in a merge `u XY sub m1 m2 m3 mW h1 h2 h3 path`.
            "1" | "u" => {
                status.dirty = true;
                let before_path = if kind == "1" { 7 } else { 9 };
                let in_tree = rest.chars().nth(1);
                if let Some(path) = rest.splitn(before_path + 1, ' ').nth(before_path) {
                    if kind == "u" || in_tree != Some('.') {
                        status.modified.push(path.to_owned());
                    }
                }
            }
            _ => (),
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_read_with_odd_names() {
        let id = "a".repeat(40);
        let text = format!("100644 {id} 0\tflake.nix\0100755 {id} 0\tdir/a b.sh\0");
        let tracked = parse_index(&text);
        assert_eq!(tracked.len(), 2);
        assert_eq!(tracked[1].path, "dir/a b.sh");
        assert_eq!(tracked[1].mode, "100755");
    }

    #[test]
    fn a_status_tells_staged_from_modified() {
        let id = "a".repeat(40);
        let text = format!(
            "# branch.oid {id}\0# branch.head main\0\
             1 M. N... 100644 100644 100644 {id} {id} staged.nix\0\
             1 .M N... 100644 100644 100644 {id} {id} with space.nix\0\
             1 .A N... 000000 000000 100644 {id} {id} intended.nix\0\
             ? hosts/New/default.nix\0"
        );
        let status = parse_status(&text);
        assert_eq!(status.head, Some(id));
        assert!(status.dirty);
        assert_eq!(status.modified, ["with space.nix", "intended.nix"]);
        assert_eq!(status.untracked, ["hosts/New/default.nix"]);
    }

    #[test]
    fn a_repository_without_commits_has_no_head() {
        let status = parse_status("# branch.oid (initial)\0# branch.head main\0");
        assert_eq!(status, Status::default());
    }
}

//! Signed history: what git says of commits' signatures, files and merges. A signer asks, so nothing of the machine's or
//! the person's configuration takes part.

use std::path::Path;

use anyhow::{Context, Result};

use super::Git;
use crate::process::Command;

/// A commit as a signer looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub signature: Signature,
    pub subject: String,
}

/// git's verdict on a commit's signature (`%G?`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// By a key of the allowed signers file, under this name.
    Good {
        signer: String,
    },
    /// It holds, and nobody knows the key with this fingerprint.
    Unknown {
        key: String,
    },
    Bad,
    /// Of a kind that is not looked at, such as OpenPGP.
    Unreadable,
    None,
}

/// A file that a commit changes, with its mode afterwards: `000000` if it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub path: String,
    pub mode: String,
}

impl Git {
    /// A repository at this very place.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Makes it where it is not there yet.
    pub async fn init(&self) -> Result<()> {
        std::fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make the folder {}", self.root.display()))?;
        self.alone(["init", "--quiet"]).success().await?;
        Ok(())
    }

    /// Every branch of another repository, as `refs/remotes/origin/…`; branches that are gone there go here.
    pub async fn fetch(&self, from: &str) -> Result<()> {
        self.alone(["fetch", "--quiet", "--no-tags", "--prune"])
            .args([
                "--end-of-options",
                from,
                "+refs/heads/*:refs/remotes/origin/*",
            ])
            .timeout(std::time::Duration::from_secs(600))
            .success()
            .await
            .with_context(|| format!("cannot fetch {from}"))?;
        Ok(())
    }

    /// The commit that this name stands for; none if it stands for none.
    pub async fn resolve(&self, name: &str) -> Result<Option<String>> {
        let wanted = format!("{name}^{{commit}}");
        let output = self
            .alone(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(wanted)
            .capture()
            .await?;
        Ok(output.status.success().then(|| output.text()))
    }

    /// The fetched branches whose newest commit this is.
    pub async fn remote_branches_at(&self, commit: &str) -> Result<Vec<String>> {
        let output = self
            .alone([
                "for-each-ref",
                "--format=%(refname:lstrip=3)",
                "--points-at",
            ])
            .args([commit, "refs/remotes/origin"])
            .success()
            .await?;
        Ok(output.text().lines().map(str::to_owned).collect())
    }

    /// Whether `commit` is `of`, or one of those that led to it.
    pub async fn is_ancestor(&self, commit: &str, of: &str) -> Result<bool> {
        let output = self
            .alone(["merge-base", "--is-ancestor", commit, of])
            .capture()
            .await?;
        match output.status {
            crate::process::Status::Code(0) => Ok(true),
            crate::process::Status::Code(1) => Ok(false),
            status => anyhow::bail!("git merge-base {status}: {}", output.last_lines(3)),
        }
    }

    /// What leads to `commit` and not to `since`, the newest first, with each commit's signature held against the file
    /// of allowed signers.
    pub async fn signed_log(
        &self,
        commit: &str,
        since: Option<&str>,
        allowed_signers: &Path,
    ) -> Result<Vec<Commit>> {
        let mut log = self.alone(["-c"]);
        log = log.arg(format!(
            "gpg.ssh.allowedSignersFile={}",
            allowed_signers.display()
        ));
        // Other kinds of signatures are not looked at, whichever programs there are for them.
        log = log.args(["-c", "gpg.openpgp.program=false"]);
        log = log.args([
            "-c",
            "gpg.x509.program=false",
            "-c",
            "gpg.ssh.program=ssh-keygen",
        ]);
        log = log.args(["log", "-z", FORMAT, commit]);
        if let Some(since) = since {
            log = log.arg(format!("^{since}"));
        }
        let output = log
            .arg("--")
            .timeout(std::time::Duration::from_secs(600))
            .success()
            .await?;
        parse_log(&output.text())
    }

    /// The files that differ between a commit and one before it; of all its files if there is none.
    pub async fn changes(&self, commit: &str, parent: Option<&str>) -> Result<Vec<Change>> {
        let command = self.alone(["diff-tree", "-r", "-z", "--raw", "--no-renames"]);
        let command = match parent {
            Some(parent) => command.args([parent, commit]),
            None => command.args(["--root", "--no-commit-id", commit]),
        };
        let output = command.success().await?;
        parse_raw(&output.text())
    }

    /// Whether a merge of two is just what git makes of them by itself.
    pub async fn is_clean_merge(&self, commit: &Commit) -> Result<bool> {
        let [first, second] = commit.parents.as_slice() else {
            return Ok(false);
        };
        let merged = self
            .alone(["merge-tree", "--write-tree", "--no-messages", first, second])
            .capture()
            .await?;
        if !merged.status.success() {
            return Ok(false);
        }
        let tree = self
            .resolve_tree(&commit.id)
            .await?
            .context("the merge has no tree")?;
        Ok(merged.text().lines().next() == Some(tree.as_str()))
    }

    async fn resolve_tree(&self, commit: &str) -> Result<Option<String>> {
        let output = self
            .alone(["rev-parse", "--verify", "--quiet"])
            .arg(format!("{commit}^{{tree}}"))
            .capture()
            .await?;
        Ok(output.status.success().then(|| output.text()))
    }

    /// Puts a commit's files in place, on a branch of our own: Nix wants one.
    pub async fn check_out(&self, commit: &str) -> Result<()> {
        self.alone([
            "checkout",
            "--quiet",
            "--force",
            "--no-track",
            "-B",
            "released",
            commit,
        ])
        .success()
        .await?;
        Ok(())
    }

    /// git that reads no configuration but the repository's own, runs no hook, and takes commits as they are.
    fn alone<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        Command::new("git")
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "core.quotePath=false",
            ])
            .arg("-C")
            .arg(&self.root)
            .args(args)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .timeout(std::time::Duration::from_secs(120))
    }
}

/// Fields apart by 0x01, which no field has, commits apart by zero bytes.
const FORMAT: &str = "--format=tformat:%H%x01%P%x01%G?%x01%GS%x01%GF%x01%s";

fn parse_log(text: &str) -> Result<Vec<Commit>> {
    text.split_terminator('\0').map(parse_commit).collect()
}

fn parse_commit(text: &str) -> Result<Commit> {
    let fields: Vec<&str> = text.splitn(6, '\u{1}').collect();
    let [id, parents, verdict, signer, key, subject] = fields[..] else {
        anyhow::bail!("git log said `{text}`");
    };
    let signature = match (verdict, signer) {
        // Without a name it is known by nobody.
        ("G", signer) if !signer.is_empty() => Signature::Good {
            signer: signer.to_owned(),
        },
        ("G" | "U", _) => Signature::Unknown {
            key: key.to_owned(),
        },
        ("B" | "X" | "Y" | "R", _) => Signature::Bad,
        ("N", _) => Signature::None,
        _ => Signature::Unreadable,
    };
    Ok(Commit {
        id: id.to_owned(),
        parents: parents.split_whitespace().map(str::to_owned).collect(),
        signature,
        subject: subject.to_owned(),
    })
}

/// `:OLDMODE NEWMODE OLD NEW STATUS`, then the path.
fn parse_raw(text: &str) -> Result<Vec<Change>> {
    let mut words = text.split_terminator('\0');
    let mut changes = Vec::new();
    while let Some(meta) = words.next() {
        let mode = meta.split(' ').nth(1);
        let (Some(mode), Some(path)) = (mode, words.next()) else {
            anyhow::bail!("git diff-tree said `{meta}`");
        };
        changes.push(Change {
            path: path.to_owned(),
            mode: mode.to_owned(),
        });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_a_name_to_be_good() {
        let read = |verdict: &str, signer: &str| {
            let text =
                format!("id\u{1}p1 p2\u{1}{verdict}\u{1}{signer}\u{1}SHA256:x\u{1}sub\u{1}ject");
            parse_log(&format!("{text}\0")).unwrap().pop().unwrap()
        };
        let good = read("G", "ann");
        assert_eq!(good.parents, ["p1", "p2"]);
        assert_eq!(good.subject, "sub\u{1}ject");
        assert_eq!(
            good.signature,
            Signature::Good {
                signer: "ann".to_owned()
            }
        );
        let key = "SHA256:x".to_owned();
        assert_eq!(
            read("G", "").signature,
            Signature::Unknown { key: key.clone() }
        );
        assert_eq!(read("U", "ann").signature, Signature::Unknown { key });
        assert_eq!(read("B", "ann").signature, Signature::Bad);
        assert_eq!(read("X", "ann").signature, Signature::Bad);
        assert_eq!(read("E", "ann").signature, Signature::Unreadable);
        assert_eq!(read("N", "").signature, Signature::None);
        assert!(parse_log("id\0").is_err());
    }

    #[test]
    fn changed_files_have_the_mode_that_they_get() {
        let text = ":100644 120000 a b T\0flake.lock\0:100644 000000 a b D\0a b.nix\0";
        let changes = parse_raw(text).unwrap();
        let read: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| (change.path.as_str(), change.mode.as_str()))
            .collect();
        assert_eq!(read, [("flake.lock", "120000"), ("a b.nix", "000000")]);
    }
}

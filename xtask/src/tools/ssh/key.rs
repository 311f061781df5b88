//! The key that a CI job is given, as a file for ssh.

use std::path::Path;

use anyhow::{Context, Result};

use crate::failure::Failure;
use crate::job_secrets::{self, DEPLOY_KEY};

/// Writes the key that was given into a file that only we read; whether there is one.
///
/// # Errors
/// Usage, if it is no private key; else if it cannot be written.
pub fn write(file: &Path) -> Result<bool> {
    match job_secrets::get(DEPLOY_KEY) {
        Some(text) => write_text(file, text).map(|()| true),
        None => Ok(false),
    }
}

fn write_text(file: &Path, text: &str) -> Result<()> {
    // A forge's form may end lines otherwise, and drop the last one's end; ssh then calls it no key.
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    let marked = |line: Option<&&str>, word: &str| {
        line.is_some_and(|line| line.starts_with(word) && line.contains("PRIVATE KEY"))
    };
    if !marked(lines.first(), "-----BEGIN ") || !marked(lines.last(), "-----END ") {
        return Err(
            Failure::usage(format!("{DEPLOY_KEY} is no private ssh key"))
                .try_next("the whole file, with its first and last line, as the secret")
                .into(),
        );
    }
    job_secrets::write(file, &format!("{}\n", lines.join("\n")))
        .with_context(|| format!("cannot write the key of {DEPLOY_KEY}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_written_as_ssh_wants_it_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let text =
            "-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\r\n-----END OPENSSH PRIVATE KEY-----";
        write_text(&file, text).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written, format!("{}\n", text.replace('\r', "")));
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for bad in ["ssh-ed25519 AAAA me", "abc", &text[..60]] {
            let other = dir.path().join("other");
            let error = write_text(&other, bad).unwrap_err();
            assert_eq!(error.to_string(), "DEPLOY_SSH_KEY is no private ssh key");
            assert!(!other.exists());
        }
    }
}

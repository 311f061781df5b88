//! ssh-keygen: keys, and signatures of files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Command;

/// Signs a text; the armored signature.
///
/// # Errors
/// If the key cannot be read, or is one that asks for a passphrase and no agent has it.
pub async fn sign(key: &Path, namespace: &str, text: &str) -> Result<String> {
    let output = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace, "-f"])
        .arg(key)
        .stdin(text)
        .timeout(Duration::from_secs(60))
        .success()
        .await
        .with_context(|| format!("cannot sign with {}", key.display()))?;
    Ok(String::from_utf8(output.stdout)?)
}

/// A pair without a passphrase in `file` and `file.pub`; gives the public half.
///
/// # Errors
/// If it cannot be written.
pub async fn generate(file: &Path) -> Result<String> {
    Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f"])
        .arg(file)
        .timeout(Duration::from_secs(60))
        .success()
        .await
        .with_context(|| format!("cannot make the key {}", file.display()))?;
    let file = file.with_extension("pub");
    let public = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(public.trim().to_owned())
}

//! ssh-keygen: signatures of files.

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

//! curl: posts to a server.

use std::time::Duration;

use anyhow::Result;

use crate::process::Command;

/// Posts a body; a server that does not take it is an error.
///
/// # Errors
/// If curl cannot be started, or the server does not answer with a 2xx status within some seconds.
pub async fn post(url: &str, headers: &[(&str, &str)], body: String) -> Result<()> {
    let mut command = Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--max-time", "15"])
        .args(["--output", "/dev/null", "--data-binary", "@-"]);
    for (name, value) in headers {
        command = command.arg("--header").arg(format!("{name}: {value}"));
    }
    command
        .args(["--url", url])
        .stdin(body)
        .timeout(Duration::from_secs(20))
        .success()
        .await?;
    Ok(())
}

